import type { OutboxEntry, Overtaken } from './contract.ts'
import type { RuntimeStatus } from './outbox.ts'

/**
 * The runtime part of a status that was restored to an older one: a life of its own, above all that the history holds.
 * What waits goes over into it under new numbers, but for what the history already tells. Where that can't be known,
 * because the history ends in another life, it is rather told again than lost.
 */
export function nextLife(
  before: RuntimeStatus,
  past: Overtaken,
  writer: { readonly now: number; readonly epoch: number; readonly holder: string },
): RuntimeStatus {
  const { now, epoch, holder } = writer
  const isTold = ({ seq, time }: OutboxEntry): boolean =>
    seq <= before.lifecycle.published || (past.told !== null && seq <= past.told.seq && time <= past.told.time)
  const outbox = before.outbox.filter((entry) => !isTold(entry)).map((entry, index) => ({ ...entry, seq: index + 1 }))
  const life = Math.max(now, past.life + 1, before.lifecycle.life + 1)
  return { lifecycle: { life, seq: outbox.length, published: 0, epoch, holder }, outbox }
}
