import { z } from 'zod'

const message = z.string().describe('The event as a sentence.')
const count = z.int().min(0)
const shard = count.describe('Number of the shard.')
const endedAt = z.string().describe('When it ended, RFC 3339.')
const cluster = z.string().describe('Name of the RedisCluster that is created.')

/** The data of every event of a RedisRestore, version 1. Fields are only ever added. */
export const restoreEventData = {
  Accepted: z.object({
    cluster,
    source: z.string().describe('The RedisBackup, the manifest in a storage, or what is copied.'),
    message,
  }),
  StateChanged: z.object({ from: z.string(), to: z.string(), reason: z.string().optional(), message }),
  CopyCreated: z.object({
    backup: z.string().describe('Name of the RedisBackup that copies the source; it goes with the restore.'),
    uid: z.string().describe('Uid of the RedisBackup.'),
    message,
  }),
  Inspected: z.object({
    manifest: z.string().describe('Name of the object that says what the backup is made of.'),
    sha256: z.string().describe('Of the manifest: what is restored is what was inspected.'),
    version: z.string().describe('What the servers were that it was taken from.'),
    takenAt: z.string().describe('When the backup was complete, RFC 3339.'),
    keys: count,
    bytes: count.describe('Bytes in the storage.'),
    message,
  }),
  Seeding: z.object({ cluster, shards: count.describe('Shards whose volumes are filled.'), message }),
  ShardSeeded: z.object({
    shard,
    slots: z.string(),
    keys: count,
    size: count.describe('Bytes on the volume.'),
    message,
  }),
  AttemptFailed: z.object({
    attempt: count.describe('Attempt that failed, from 1 on.'),
    reason: z.string(),
    retryAt: z.string().describe('When the next one begins at the earliest, RFC 3339.'),
    message,
  }),
  ClusterCreated: z.object({ cluster, uid: z.string().describe('Uid of the RedisCluster.'), message }),
  ConfirmationAwaited: z.object({ cluster, uid: z.string().describe('Uid of the RedisCluster.'), message }),
  ClusterSwitched: z.object({ cluster, uid: z.string().describe('Uid of the RedisCluster.'), message }),
  OrderWithdrawn: z.object({ cluster, message }),
  OldVolumesGone: z.object({ cluster, volumes: count.describe('How many there were.'), message }),
  SlotsFormed: z.object({ cluster, message }),
  Verified: z.object({
    keys: count.describe('Keys that the servers have loaded.'),
    expired: count.describe('Keys whose time was over when they were loaded.'),
    message,
  }),
  Completed: z.object({ cluster, keys: count, endedAt, message }),
  Refused: z.object({ reason: z.string(), endedAt, message }),
  Failed: z.object({ reason: z.string(), endedAt, message }),
  DeletionStarted: z.object({ message }),
  Deleted: z.object({ message }),
} as const

/** When each event of a RedisRestore is told. */
export const restoreEventSentences: Readonly<Record<RestoreEventType, string>> = {
  Accepted: 'A RedisRestore was seen for the first time.',
  StateChanged: 'The restore went from one state to another.',
  CopyCreated: 'A RedisBackup of the restore itself copies what it is made of.',
  Inspected: 'The backup was looked at, and servers of the new cluster load it.',
  Seeding: 'Volumes are being filled, before any server of the cluster is started.',
  ShardSeeded: 'The volume of a primary is filled; what was read of the storage agrees with the manifest, key for key.',
  AttemptFailed: 'An agent failed for a reason that another attempt may cure.',
  ClusterCreated: 'The RedisCluster was created; its servers start with the data.',
  ConfirmationAwaited:
    'In place: nothing is touched until a person has said that the cluster may give up what it holds.',
  ClusterSwitched: 'In place: all new volumes are filled, and the cluster was told to take them.',
  OrderWithdrawn: 'In place: the RedisRestore is deleted, and its order, which was not followed yet, with it.',
  OldVolumesGone: 'In place: nothing is left of the volumes that the cluster had before.',
  SlotsFormed: 'The new cluster is ready: all slots are served.',
  Verified: 'Every server said that it has loaded as many keys as its volume was filled with.',
  Completed: 'The restore is done.',
  Refused: 'The restore was given up before anything was touched.',
  Failed: 'The restore was given up. Volumes that it filled are deleted where the cluster was not created yet.',
  DeletionStarted: 'Somebody deletes it. A cluster that it has created stays.',
  Deleted: 'The last event of a restore.',
}

/** The name of an event of a RedisRestore. */
export type RestoreEventType = keyof typeof restoreEventData

/** The data of the event of that name. */
export type RestoreEventData<T extends RestoreEventType> = z.infer<(typeof restoreEventData)[T]>

/** An event as the controller commits it. */
export type RestoreEvent = {
  [T in RestoreEventType]: { readonly type: T; readonly data: Readonly<RestoreEventData<T>> }
}[RestoreEventType]

const at = '2026-11-22T10:04:41Z'
const manifest = 'shop/nightly/5c1f9a52-30f7-4c6e-9b57-0d4a3f1f0d6e/manifest'

/** Data of each event of a restore as it may look. */
export const restoreEventExamples: { readonly [T in RestoreEventType]: RestoreEventData<T> } = {
  Accepted: {
    cluster: 'orders-again',
    source: 'RedisBackup nightly',
    message: 'RedisBackup nightly is to become the cluster orders-again',
  },
  StateChanged: { from: 'Seeding', to: 'Starting', message: 'Seeding became Starting' },
  CopyCreated: {
    backup: 'orders-copy-0b7a0f3e',
    uid: '5c1f9a52-30f7-4c6e-9b57-0d4a3f1f0d6e',
    message: 'RedisCluster orders is copied by the RedisBackup orders-copy-0b7a0f3e',
  },
  Inspected: {
    manifest,
    sha256: 'b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9',
    version: 'valkey 9.1.2',
    takenAt: '2026-11-21T10:00:41Z',
    keys: 3_000_000,
    bytes: 220_200_960,
    message: '3000000 keys of valkey 9.1.2, complete at 2026-11-21T10:00:41Z',
  },
  Seeding: { cluster: 'orders-again', shards: 5, message: 'The volumes of 5 shards of orders-again are being filled' },
  ShardSeeded: {
    shard: 1,
    slots: '3277-6553',
    keys: 600_212,
    size: 69_206_016,
    message: 'Shard 1 is filled: 600212 keys, 69206016 bytes',
  },
  AttemptFailed: {
    attempt: 1,
    reason: 'StorageUnreachable',
    retryAt: '2026-11-22T10:01:20Z',
    message: 'the storage did not answer',
  },
  ClusterCreated: {
    cluster: 'orders-again',
    uid: '0b7a0f3e-0c0a-4d2c-a3d4-1f6f2f6a9b11',
    message: 'The RedisCluster orders-again is created',
  },
  ConfirmationAwaited: {
    cluster: 'orders',
    uid: '0b7a0f3e-0c0a-4d2c-a3d4-1f6f2f6a9b11',
    message: 'the RedisCluster orders will give up all that it holds: set spec.target.inPlace.confirm to its uid',
  },
  ClusterSwitched: {
    cluster: 'orders',
    uid: '0b7a0f3e-0c0a-4d2c-a3d4-1f6f2f6a9b11',
    message: 'The RedisCluster orders was told to give up what it holds, for the new volumes',
  },
  OrderWithdrawn: {
    cluster: 'orders',
    message: 'The order to the RedisCluster orders was taken back: it goes on with what it had',
  },
  OldVolumesGone: { cluster: 'orders', volumes: 6, message: 'All 6 volumes that orders had before are gone' },
  SlotsFormed: { cluster: 'orders-again', message: 'orders-again serves all slots' },
  Verified: { keys: 2_999_998, expired: 2, message: '2999998 keys are loaded, 2 were expired' },
  Completed: { cluster: 'orders-again', keys: 2_999_998, endedAt: at, message: 'orders-again has 2999998 keys' },
  Refused: {
    reason: 'Incompatible',
    endedAt: at,
    message: 'Valkey 9.1 does not load REDIS 12: later ones are a format of its own',
  },
  Failed: { reason: 'ObjectDamaged', endedAt: at, message: 'shard-1-9f2c01ab.rdb is not what was stored' },
  DeletionStarted: { message: 'Deletion started' },
  Deleted: { message: 'Deleted' },
}
