import { boundedData } from './bounded-data.ts'
import type { StorageEvent } from './storage-events.ts'
import type { StorageStatus } from './storage-status.ts'

/**
 * The events of a commit: exactly the difference of the status that was read and the one that is written.
 *
 * @param where the bucket or the volume, for people
 */
export function storageChanges(
  before: StorageStatus | null,
  after: StorageStatus,
  where: string,
): readonly StorageEvent[] {
  const events: StorageEvent[] = []
  if (before === null) events.push({ type: 'Accepted', data: { where, message: `Backups may be kept in ${where}` } })
  const { state, reason = 'Unexpected', message, keepsFirst = false } = after
  const changed = before?.state !== state || (state === 'Unusable' && before.reason !== after.reason)
  if (changed && state === 'Usable')
    events.push({
      type: 'BecameUsable',
      data: { keepsFirst, message: `${where} was written to, read, listed and cleared` },
    })
  if (changed && state === 'Unusable')
    events.push({ type: 'BecameUnusable', data: { reason, message: message ?? `${where} can't be used` } })
  if (after.deleted === true && before?.deleted !== true)
    events.push({ type: 'Deleted', data: { message: `Deleted; what is stored in ${where} stays` } })
  return events.map((event) => ({ type: event.type, data: boundedData(event.data) }) as StorageEvent)
}
