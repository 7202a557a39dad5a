import type { ConditionNow } from '@slotkeeper/api'
import type { StorageStatus } from '@slotkeeper/events'

const SENTENCES = {
  Readable: 'The newest backups there can be opened with the keys that there are.',
  KeyWrong:
    'A key that some of the newest backups there were encrypted with is not in the Secret, or is another one by now: put it back under its name. A new key has a new name.',
  NotEncrypted:
    'Some of the newest backups there are not encrypted, and this storage reads only what is: restore them by another RedisBackupStorage of the same place, without encryption.',
} as const

/** Whether what a storage holds can be read, as a condition; nothing where that is not known. */
export function readability({ held }: StorageStatus): readonly ConditionNow[] {
  if (held?.unreadable === undefined) return []
  const reason = held.unreadable === 0 ? 'Readable' : (held.unreadableReason ?? 'KeyWrong')
  const status = reason === 'Readable' ? 'True' : 'False'
  return [{ type: 'BackupsReadable', status, reason, message: SENTENCES[reason] }]
}
