import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { AgentServer } from '@slotkeeper/backup'
import { parseInfo } from '@slotkeeper/redis-topology'
import { AgentError } from './agent-error.ts'
import { faultOf } from './fault-of.ts'
import { askServer, type ServerAccess } from './server-access.ts'
import type { TaskOf } from './task-context.ts'

type Load = Pick<TaskOf<'LoadShard'>, 'volume' | 'shard'>

const LOOK_MS = 200
/** How much of a log goes into last words. */
const LOG_LINES = 5
const KILLED = 137

/**
 * Waits until the server beside this agent has loaded what is on the volume that both have.
 *
 * @throws AgentError `DataUnreadable` with the end of its log where it has ended; `Interrupted` where it was killed
 */
export async function untilLoaded({ volume, shard }: Load, server: AgentServer, access: ServerAccess): Promise<void> {
  for (;;) {
    const ended = await readFile(join(volume, 'scratch.ended'), 'utf8').catch(() => '')
    // An empty file says nothing yet, and above all not that it has ended with 0.
    if (ended.trim() !== '') throw await endOf(volume, shard, Number(ended))
    try {
      const [info = ''] = await askServer(server, access, [['INFO', 'persistence', 'replication', 'stats']])
      if (!parseInfo(info).loading) return
    } catch (error) {
      // It is not up yet, or loads and says so.
      if (faultOf(error).fault !== 'ServerUnreachable') throw error
    }
    await pause(LOOK_MS, undefined, { signal: access.signal }).catch(() => undefined)
    access.signal.throwIfAborted()
  }
}

async function endOf(volume: string, shard: number, code: number): Promise<AgentError> {
  const what = `a server that was started from shard ${shard} of what is stored`
  if (code === KILLED)
    return new AgentError('Interrupted', `${what} was killed: it has the resources of a pod of the cluster, or too few`)
  const log = await readFile(join(volume, 'scratch.log'), 'utf8').catch(() => 'it left no log')
  const lines = log.trimEnd().split('\n').slice(-LOG_LINES).join(' | ')
  return new AgentError('DataUnreadable', `${what} ended with ${code}: ${lines}`)
}
