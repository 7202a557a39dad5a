import type { BackupEventData, BackupEventType } from './backup-events.ts'

const endedAt = '2026-11-21T10:00:41Z'
const folder = 'shop/nightly/5c1f9a52-30f7-4c6e-9b57-0d4a3f1f0d6e'

/** Data of each event of a backup as it may look. */
export const backupEventExamples: { readonly [T in BackupEventType]: BackupEventData<T> } = {
  Accepted: {
    cluster: 'orders',
    storage: 'archive',
    consistency: 'shard',
    message: 'A backup of orders into archive is wanted',
  },
  Adopted: { manifest: `${folder}/manifest`, keys: 3_000_000, message: 'Its storage has it whole: 3000000 keys' },
  StateChanged: { from: 'Streaming', to: 'Sealing', message: 'Streaming became Sealing' },
  Started: {
    shards: 3,
    clusterUid: '0b7a0f3e-0c0a-4d2c-a3d4-1f6f2f6a9b11',
    version: 'valkey 9.1.2',
    beganAt: '2026-11-21T10:00:02Z',
    message: '3 shards of orders are being backed up',
  },
  ShardStreamed: {
    shard: 1,
    object: `${folder}/shard-1-9f2c01ab.rdb`,
    bytes: 73_400_320,
    keys: 1_000_000,
    sha256: '5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03',
    takenFrom: 'orders-1-1',
    offset: 120_044_211,
    message: 'Shard 1 is stored and was read back: 1000000 keys, 73400320 bytes, from orders-1-1',
  },
  AttemptFailed: {
    attempt: 1,
    reason: 'ServerUnreachable',
    retryAt: '2026-11-21T10:00:20Z',
    message: 'orders-1-1 closed the connection',
  },
  ShardLoaded: {
    shard: 1,
    keys: 333_333,
    expired: 12,
    message: 'A server that was started from shard 1 has all of it: 333333 keys, 12 expired',
  },
  Verified: {
    manifest: `${folder}/manifest`,
    sha256: 'b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9',
    message: 'Every shard was read back and every slot is in one of them',
  },
  Completed: { bytes: 220_200_960, keys: 3_000_000, endedAt, message: '3000000 keys are in 220200960 bytes' },
  Failed: { reason: 'StorageForbidden', endedAt, message: 'the user may not s3:PutObject in the bucket backups' },
  Expired: { why: 'keep 7: 7 newer ones are there', message: 'No longer kept: keep 7: 7 newer ones are there' },
  DeletionStarted: { message: 'Deletion started: its objects go first' },
  ObjectsDeleted: { objects: 4, message: '4 objects are gone from the storage' },
  ObjectsKept: { path: `${folder}/`, message: `What is stored stays, in ${folder}/ of archive` },
  ObjectsLeft: {
    why: 'the RedisBackupStorage archive is gone',
    path: `${folder}/`,
    message: `Objects may be left in ${folder}/ of archive: the RedisBackupStorage archive is gone`,
  },
  Deleted: { message: 'Deleted' },
}
