import { z } from 'zod'

const message = z.string().describe('The event as a sentence.')

/** The data of every event of a RedisBackupStorage, version 1. Fields are only ever added. */
export const storageEventData = {
  Accepted: z.object({ where: z.string().describe('The bucket or the volume.'), message }),
  BecameUsable: z.object({
    keepsFirst: z.boolean().describe('Whether it refuses a second object of one name by itself.'),
    message,
  }),
  BecameUnusable: z.object({ reason: z.string(), message }),
  BackupsUnreadable: z.object({
    reason: z.enum(['KeyWrong', 'NotEncrypted']),
    unreadable: z.int().min(1).describe('How many of the newest backups that it holds.'),
    message,
  }),
  BackupsReadable: z.object({ message }),
  Deleted: z.object({ message }),
} as const

/** When each event of a RedisBackupStorage is told. */
export const storageEventSentences: Readonly<Record<StorageEventType, string>> = {
  Accepted: 'A RedisBackupStorage was seen for the first time.',
  BecameUsable: 'A small object was written, read back, listed and deleted there.',
  BecameUnusable: 'It was tried and did not serve: the message says what is missing.',
  BackupsUnreadable:
    'A check found backups there that cannot be opened with the keys that there are: the message names one, and the remedy.',
  BackupsReadable: 'The newest backups there can be opened again.',
  Deleted: 'The last event of a storage. What is stored stays.',
}

/** The name of an event of a RedisBackupStorage. */
export type StorageEventType = keyof typeof storageEventData

/** An event as the controller commits it. */
export type StorageEvent = {
  [T in StorageEventType]: { readonly type: T; readonly data: Readonly<z.infer<(typeof storageEventData)[T]>> }
}[StorageEventType]

/** Data of each event of a storage as it may look. */
export const storageEventExamples: { readonly [T in StorageEventType]: Extract<StorageEvent, { type: T }>['data'] } = {
  Accepted: { where: 's3://backups/shop/', message: 'Backups may be kept in s3://backups/shop/' },
  BecameUsable: { keepsFirst: true, message: 's3://backups/shop/ was written to, read, listed and cleared' },
  BecameUnusable: {
    reason: 'PermissionMissing',
    message: 'its user is not allowed to: s3:DeleteObject. Grant that',
  },
  BackupsUnreadable: {
    reason: 'KeyWrong',
    unreadable: 4,
    message:
      'Put each key back under the name that it had: 4 of the newest backups cannot be opened, as shop/orders-1/5c1f9a52/manifest: the key 2026-11 is not the one that this was encrypted with, only its namesake',
  },
  BackupsReadable: { message: 'The newest backups can be opened again with the keys that there are' },
  Deleted: { message: 'Deleted; what is stored in s3://backups/shop/ stays' },
}
