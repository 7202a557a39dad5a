import { clusterCalls } from './cluster-calls.ts'
import { RedisError, type RedisNode } from './redis-node.ts'

/** What one primary says of slots that are half moved. */
export type SlotsView = {
  /** Keys by slot. */
  readonly keys: Readonly<Record<number, number>>
  /** Other clients whose last command was one of a move. */
  readonly movers: readonly { readonly address: string; readonly idleSeconds: number }[]
}

/** By these a client moves slots: whoever sent one last is at it, or was when it stopped. */
const MOVING = new Set(['cluster|setslot', 'cluster|getkeysinslot', 'migrate'])

/**
 * Asks a primary how many keys of these slots it holds, and who else is at work on slots.
 *
 * @param timeoutMs for dial and answers together, in milliseconds
 * @returns null when it does not answer
 */
export async function observeSlots(
  node: RedisNode,
  slots: readonly number[],
  timeoutMs: number,
): Promise<SlotsView | null> {
  try {
    const answers = await node.pipeline(
      [['CLIENT', 'ID'], ['CLIENT', 'LIST', 'TYPE', 'normal'], ...slots.map(clusterCalls.countKeys)],
      timeoutMs,
    )
    for (const answer of answers) if (answer instanceof RedisError) throw answer
    const [own, clients, ...counts] = answers
    return {
      keys: Object.fromEntries(slots.map((slot, index) => [slot, Number(counts[index])])),
      movers: moversIn(String(clients), String(own)),
    }
  } catch {
    // Without its word nothing is done: the caller sees that it is missing.
    return null
  }
}

/** The clients of a CLIENT LIST, but one, whose last command was one of a move. */
export function moversIn(clients: string, ownId: string): SlotsView['movers'] {
  return clients
    .split('\n')
    .map(
      (line) =>
        new Map(
          line
            .trim()
            .split(' ')
            .map((part) => [part.split('=')[0], part.split('=').slice(1).join('=')]),
        ),
    )
    .filter((client) => MOVING.has(client.get('cmd') ?? '') && client.get('id') !== ownId)
    .map((client) => ({ address: client.get('addr') ?? '', idleSeconds: Number(client.get('idle') ?? 0) }))
}
