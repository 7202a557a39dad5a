import type { OutboxEntry, Overtaken } from './contract.ts'
import { fittingOneWrite, type RuntimeStatus } from './outbox.ts'

/** The schema has 2,048 entries at most; a decision may add some. */
const MOST = 1_900

/**
 * The runtime part of a status that was restored to an older one: a life of its own, above all that the history holds.
 * What waits goes over into it under new numbers, but for what the history already tells. Where that can't be known,
 * because the history ends in another life, it is rather told again than lost. What was spilled goes over as well: the
 * history has been reached by then, so that an outbox that is larger than others empties at once.
 *
 * @param spilled what lies in spills of the life that ends, in order
 */
export function nextLife(
  before: RuntimeStatus,
  past: Overtaken,
  writer: { readonly now: number; readonly epoch: number; readonly holder: string },
  spilled: readonly OutboxEntry[] = [],
): RuntimeStatus {
  const { now, epoch, holder } = writer
  const isTold = ({ seq, time }: OutboxEntry): boolean =>
    seq <= before.lifecycle.published || (past.told !== null && seq <= past.told.seq && time <= past.told.time)
  const lying = new Set(spilled.map(({ seq }) => seq))
  const wasSpilled = ({ seq }: OutboxEntry) => (lying.has(seq) ? { was: `${before.lifecycle.life}:${seq}` } : {})
  // A crash between the two leaves entries in both.
  const waiting = new Map([...spilled, ...before.outbox].map((entry) => [entry.seq, entry]))
  const outbox = fittingOneWrite(
    [...waiting.values()]
      .filter((entry) => !isTold(entry))
      .toSorted((a, b) => a.seq - b.seq)
      .slice(-MOST)
      .map((entry, index) => ({ ...entry, ...wasSpilled(entry), seq: index + 1 })),
  )
  const life = Math.max(now, past.life + 1, before.lifecycle.life + 1)
  return { lifecycle: { life, seq: outbox.length, published: 0, epoch, holder }, outbox }
}
