import { z } from 'zod'

const message = z.string().describe('The event as a sentence.')
const count = z.int().min(0)
const bytes = count.describe('Bytes in the storage.')
const shard = count.describe('Number of the shard.')
const path = z.string().describe('What the names of its objects begin with, under the prefix of the storage.')
const endedAt = z.string().describe('When it ended, RFC 3339.')

/** The data of every event of a RedisBackup, version 1. Fields are only ever added. */
export const backupEventData = {
  Accepted: z.object({
    cluster: z.string().describe('Name of the RedisCluster, or address of the server that is none of ours.'),
    storage: z.string().describe('Name of the RedisBackupStorage.'),
    consistency: z.enum(['shard', 'cluster']),
    message,
  }),
  Adopted: z.object({
    manifest: z.string().describe('Name of the object that says what the backup is made of.'),
    keys: count,
    message,
  }),
  StateChanged: z.object({ from: z.string(), to: z.string(), reason: z.string().optional(), message }),
  Started: z.object({
    shards: count.describe('Shards that are backed up.'),
    clusterUid: z.string().describe('Uid of the RedisCluster, or address of the server.'),
    version: z.string().describe('Version of its servers.'),
    beganAt: z.string().describe('When it began, RFC 3339.'),
    message,
  }),
  ShardStreamed: z.object({
    shard,
    object: z.string().describe('Name of the object in the storage.'),
    bytes,
    keys: count,
    sha256: z.string().describe('Of the object as it is stored, read back.'),
    takenFrom: z.string().describe('Pod whose server gave it, or address of the server.'),
    offset: count.describe('Replication offset of the snapshot.'),
    message,
  }),
  AttemptFailed: z.object({
    attempt: count.describe('Attempt that failed, from 1 on.'),
    reason: z.string(),
    retryAt: z.string().describe('When the next one begins at the earliest, RFC 3339.'),
    message,
  }),
  Verified: z.object({
    manifest: z.string().describe('Name of the object that says what the backup is made of.'),
    sha256: z.string().describe('Of the manifest.'),
    message,
  }),
  ShardLoaded: z.object({
    shard,
    keys: count.describe('Keys that a server of its own has loaded.'),
    expired: count.describe('Keys that it left out since their time was over.'),
    message,
  }),
  Completed: z.object({ bytes, keys: count, endedAt, message }),
  Failed: z.object({ reason: z.string(), endedAt, message }),
  Expired: z.object({ why: z.string().describe('The rule of the retention policy.'), message }),
  DeletionStarted: z.object({ message }),
  ObjectsDeleted: z.object({ objects: count.describe('Objects that were deleted in the storage.'), message }),
  ObjectsKept: z.object({ path, message }),
  ObjectsLeft: z.object({
    why: z.string().describe('Why objects may be left in the storage.'),
    // Added later: those of earlier versions have none.
    path: path.optional(),
    message,
  }),
  Deleted: z.object({ message }),
} as const

/** When each event of a RedisBackup is told. */
export const backupEventSentences: Readonly<Record<BackupEventType, string>> = {
  Accepted: 'A RedisBackup was seen for the first time.',
  Adopted: 'Its status was lost, and its storage has it whole: it counts as completed.',
  StateChanged: 'The backup went from one state to another.',
  Started: 'Its agents are being started.',
  ShardStreamed: 'A shard is stored, was read back and agrees with what the server sent.',
  AttemptFailed: 'An agent failed for a reason that another attempt may cure.',
  Verified: 'The manifest is stored: every shard was read back, every slot is in one of them.',
  ShardLoaded: 'With verify restore: a server was started from what is stored of a shard, and has all of it.',
  Completed: 'The backup can be restored.',
  Failed: 'The backup was given up; what it had stored is deleted with it.',
  Expired: 'The retention policy of its storage lets go of it.',
  DeletionStarted: 'Somebody, or the retention policy, deletes it.',
  ObjectsDeleted: 'Its objects are gone from the storage.',
  ObjectsKept: 'It goes, and what is stored of it stays, as its deletionPolicy Retain says.',
  ObjectsLeft: 'It goes although objects of it may be left in the storage: it says why.',
  Deleted: 'The last event of a backup.',
}

/** The name of an event of a RedisBackup. */
export type BackupEventType = keyof typeof backupEventData

/** The data of the event of that name. */
export type BackupEventData<T extends BackupEventType> = z.infer<(typeof backupEventData)[T]>

/** An event as the controller commits it. */
export type BackupEvent = {
  [T in BackupEventType]: { readonly type: T; readonly data: Readonly<BackupEventData<T>> }
}[BackupEventType]
