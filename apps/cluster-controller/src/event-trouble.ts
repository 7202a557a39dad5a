import type { OutboxEntry, Trouble } from '@slotkeeper/controller'
import type { ConditionInput } from './conditions.ts'

/** An entry that has just been written is not late yet. */
const lateAfterMs = 30_000

const reasons: Readonly<Record<string, 'EventStoreTooOld' | 'Refused'>> = {
  TooOld: 'EventStoreTooOld',
  Refused: 'Refused',
}

/** Why events of a cluster are late, for its condition; null while none is. `now` in Unix ms. */
export function eventTrouble(
  trouble: Trouble | null,
  outbox: readonly OutboxEntry[],
  now: number,
): ConditionInput['eventTrouble'] {
  const oldest = outbox[0]
  if (trouble === null || oldest === undefined || now - Date.parse(oldest.time) < lateAfterMs) return null
  return { reason: reasons[trouble.reason] ?? 'EventStoreDown', message: trouble.message }
}
