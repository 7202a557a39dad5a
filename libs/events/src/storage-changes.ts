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
  events.push(...readabilityChanged(before, after))
  if (after.deleted === true && before?.deleted !== true)
    events.push({ type: 'Deleted', data: { message: `Deleted; what is stored in ${where} stays` } })
  return events.map((event) => ({ type: event.type, data: boundedData(event.data) }) as StorageEvent)
}

const REMEDIES = {
  KeyWrong: 'Put each key back under the name that it had',
  NotEncrypted: 'Read them by a storage without encryption',
} as const

/** Told when it begins, when the reason is another one, and when it is over. */
function readabilityChanged(before: StorageStatus | null, { held }: StorageStatus): readonly StorageEvent[] {
  const { unreadable, unreadableReason: reason = 'KeyWrong', unreadableMessage: example } = held ?? {}
  const was = before?.held
  const wasUnreadable = (was?.unreadable ?? 0) > 0
  if (unreadable === undefined) return []
  if (unreadable === 0) {
    const message = 'The newest backups can be opened again with the keys that there are'
    return wasUnreadable ? [{ type: 'BackupsReadable', data: { message } }] : []
  }
  if (wasUnreadable && was?.unreadableReason === reason) return []
  const few = `${unreadable} of the newest backups cannot be opened`
  const message = `${REMEDIES[reason]}: ${few}${example === undefined ? '' : `, as ${example}`}`
  return [{ type: 'BackupsUnreadable', data: { reason, unreadable, message } }]
}
