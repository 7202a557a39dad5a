import type { AgentDone } from '@slotkeeper/backup'
import { findServers } from './find-servers.ts'
import type { TaskContext, TaskOf } from './task-context.ts'

/** Finds out what is behind a server that somebody named, and whether it can be copied. Nothing is asked of its storage. */
export async function runFindServers(
  task: TaskOf<'FindServers'>,
  { secrets, signal, log }: Pick<TaskContext, 'secrets' | 'signal' | 'log'>,
): Promise<AgentDone> {
  const { engine, shards, topology, isAlone } = await findServers({ task, secrets, signal })
  const primaries = shards.slice(0, 20).map(({ primary }) => primary.pod)
  log.info({ ...engine, isAlone, shards: shards.length, primaries }, 'found')
  return { task: 'FindServers', engine, shards: shards.length, topology }
}
