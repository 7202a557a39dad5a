import { RedisNode, type Words } from '@slotkeeper/redis-client'
import type { RedisServer } from './redis-server.ts'
import { until } from './until.ts'

const PATIENCE_MS = 30_000
const WITHIN_MS = 10_000
/** A busy machine may be late to accept; what the controller makes of that is not what these connections are for. */
export const DIAL_MS = 10_000

/** A connection of its own to a server on this machine. */
export function nodeAt(
  { host, port }: Pick<RedisServer, 'host' | 'port'>,
  password = '',
  username = 'default',
): RedisNode {
  return new RedisNode({ host, port, username, password, dialMs: DIAL_MS }, () => undefined)
}

/**
 * Sends commands to a server until they are answered: on a busy machine a dial may be late. An answer that is an error
 * stands in its place.
 */
export function ask(server: RedisServer, ...commands: readonly Words[]): Promise<readonly unknown[]> {
  return until(`an answer to ${commands.join('; ')}`, PATIENCE_MS, async () => {
    const node = nodeAt(server)
    try {
      return await node.pipeline(commands, WITHIN_MS)
    } finally {
      node.close()
    }
  })
}
