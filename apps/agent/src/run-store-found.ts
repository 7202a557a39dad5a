import type { AgentDone } from '@slotkeeper/backup'
import { AgentError } from './agent-error.ts'
import { findServers } from './find-servers.ts'
import { runStoreShards } from './run-store-shards.ts'
import type { TaskContext, TaskOf } from './task-context.ts'

/**
 * Stores shards of servers that are none of ours, as `runStoreShards` does, once it has found them.
 *
 * @throws AgentError `TopologyChanged` where they are not as they were when they were found first; as `findServers`
 */
export async function runStoreFound(task: TaskOf<'StoreFound'>, context: TaskContext): Promise<AgentDone> {
  const found = await findServers({ task, secrets: context.secrets, signal: context.signal })
  if (found.topology !== task.topology)
    throw new AgentError(
      'TopologyChanged',
      'slots have moved, or a primary is another one, since the servers were found; to be tried again with them as they are',
    )
  const shards = found.shards.filter(({ shard }) => task.shards.includes(shard))
  // One alone is of one moment in any case, and nobody has to wait for it.
  const consistency = found.isAlone ? 'shard' : task.consistency
  return runStoreShards({ ...task, shards, consistency, isAlone: found.isAlone }, context)
}
