import type { OutboxEntry, Trouble } from '@slotkeeper/controller'

/** Why events of an object are late: a reason of its condition EventsDelivered, and a sentence. */
export type EventTrouble = {
  readonly reason: 'EventStoreDown' | 'EventStoreTooOld' | 'Refused'
  readonly message: string
}

/** An entry that has just been written is not late yet. */
const lateAfterMs = 30_000

const reasons: Readonly<Record<string, 'EventStoreTooOld' | 'Refused'>> = {
  TooOld: 'EventStoreTooOld',
  Refused: 'Refused',
}

/** Why events of an object are late, for its condition; null while none is. `now` in Unix ms. */
export function eventTrouble(
  trouble: Trouble | null,
  outbox: readonly OutboxEntry[],
  now: number,
): EventTrouble | null {
  const oldest = outbox[0]
  if (trouble === null || oldest === undefined || now - Date.parse(oldest.time) < lateAfterMs) return null
  return { reason: reasons[trouble.reason] ?? 'EventStoreDown', message: trouble.message }
}
