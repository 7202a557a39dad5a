import type { BackupEvent } from './backup-events.ts'
import type { BackupShardStatus, BackupStatus } from './backup-status.ts'
import { boundedData } from './bounded-data.ts'
import { deletingState } from './cluster-status.ts'
import { stateChange } from './state-change.ts'

/** What one pass knows beside the two statuses. */
export type BackupChangeContext = {
  readonly cluster: string
  readonly storage: string
  readonly consistency: 'shard' | 'cluster'
  /** What the names of its objects begin with. */
  readonly path: string
}

type Step = (before: BackupStatus, after: BackupStatus, context: BackupChangeContext) => readonly BackupEvent[]

/** The events of a commit: exactly the difference of the status that was read and the one that is written. */
export function backupChanges(
  before: BackupStatus | null,
  after: BackupStatus,
  context: BackupChangeContext,
): readonly BackupEvent[] {
  const events: BackupEvent[] = before === null ? [accepted(context)] : []
  const so = before ?? { state: '' }
  // What it was once was told before its status was lost.
  if (so.state === 'Adopting' && after.manifest !== undefined) return [...adopted(after), ...stateChanged(so, after)]
  const steps: readonly Step[] = [
    started,
    streamed,
    failedAttempts,
    verified,
    loaded,
    ended,
    expired,
    stateChanged,
    deletion,
  ]
  for (const step of steps) events.push(...step(so, after, context))
  return events.map((event) => ({ type: event.type, data: boundedData(event.data) }) as BackupEvent)
}

function accepted({ cluster, storage, consistency }: BackupChangeContext): BackupEvent {
  const message = `A backup of ${cluster} into ${storage} is wanted`
  return { type: 'Accepted', data: { cluster, storage, consistency, message } }
}

function adopted({ manifest = '', keys = 0 }: BackupStatus): readonly BackupEvent[] {
  return [{ type: 'Adopted', data: { manifest, keys, message: `Its storage has it whole: ${keys} keys` } }]
}

function started(before: BackupStatus, after: BackupStatus): readonly BackupEvent[] {
  const { beganAt, cluster, engine, shards = [] } = after
  if (beganAt === undefined || before.beganAt === beganAt) return []
  const message = `${shards.length} shards of ${cluster?.name} are being backed up`
  const version = engine === undefined ? '' : `${engine.engine} ${engine.version}`
  return [
    { type: 'Started', data: { shards: shards.length, clusterUid: cluster?.uid ?? '', version, beganAt, message } },
  ]
}

function streamed(before: BackupStatus, after: BackupStatus): readonly BackupEvent[] {
  return (after.shards ?? []).flatMap((one) => {
    const { shard, object = '', bytes = 0, keys = 0, sha256, takenFrom = '', offset = 0 } = one
    if (sha256 === undefined || shardOf(before, shard)?.sha256 === sha256) return []
    const message = `Shard ${shard} is stored and was read back: ${keys} keys, ${bytes} bytes, from ${takenFrom}`
    return [
      { type: 'ShardStreamed', data: { shard, object, bytes, keys, sha256, takenFrom, offset, message } } as const,
    ]
  })
}

const shardOf = (status: BackupStatus, shard: number): BackupShardStatus | undefined =>
  status.shards?.find((one) => one.shard === shard)

/** One for all shards that failed together: they have one time at which they are tried again. */
function failedAttempts(before: BackupStatus, after: BackupStatus): readonly BackupEvent[] {
  const { retryAt, reason = 'Unexpected', message = '' } = after
  if (retryAt === undefined || retryAt === before.retryAt) return []
  const attempts = [...(before.shards ?? []).map((one) => one.attempt), before.attempt ?? 0]
  const failed = attempts.filter((attempt, index) => attempt !== attemptsOf(after)[index])
  return [{ type: 'AttemptFailed', data: { attempt: Math.max(1, ...failed), reason, retryAt, message } }]
}

const attemptsOf = (status: BackupStatus): readonly number[] => [
  ...(status.shards ?? []).map((one) => one.attempt),
  status.attempt ?? 0,
]

function verified(before: BackupStatus, after: BackupStatus): readonly BackupEvent[] {
  const { manifest, manifestSha256: sha256 = '' } = after
  if (manifest === undefined || before.manifest === manifest) return []
  const message = 'Every shard was read back and every slot is in one of them'
  return [{ type: 'Verified', data: { manifest, sha256, message } }]
}

function loaded(before: BackupStatus, after: BackupStatus): readonly BackupEvent[] {
  return (after.shards ?? []).flatMap(({ shard, loaded: its }) => {
    if (its === undefined || shardOf(before, shard)?.loaded !== undefined) return []
    const message = `A server that was started from shard ${shard} has all of it: ${its.keys} keys, ${its.expired} expired`
    return [{ type: 'ShardLoaded', data: { shard, ...its, message } } as const]
  })
}

function ended(before: BackupStatus, after: BackupStatus): readonly BackupEvent[] {
  const { endedAt, bytes = 0, keys = 0, reason = 'Unexpected' } = after
  // One whose status was lost has its time before it has ended once more.
  if (endedAt === undefined || (before.endedAt !== undefined && before.state !== 'Verifying')) return []
  if (!['Completed', 'Failed'].includes(after.state)) return []
  if (after.state !== 'Failed')
    return [{ type: 'Completed', data: { bytes, keys, endedAt, message: `${keys} keys are in ${bytes} bytes` } }]
  return [{ type: 'Failed', data: { reason, endedAt, message: after.message ?? reason } }]
}

function expired(before: BackupStatus, after: BackupStatus): readonly BackupEvent[] {
  if (after.expired === undefined || before.expired !== undefined) return []
  return [{ type: 'Expired', data: { why: after.expired, message: `No longer kept: ${after.expired}` } }]
}

const stateChanged = (before: BackupStatus, after: BackupStatus): readonly BackupEvent[] =>
  stateChange(before, after, `Deletion started: its objects ${after.objectsKept === true ? 'stay' : 'go first'}`)

function deletion(
  before: BackupStatus,
  after: BackupStatus,
  { storage, path }: BackupChangeContext,
): readonly BackupEvent[] {
  const events: BackupEvent[] = []
  const { objectsDeleted: objects, objectsLeft: why } = after
  if (objects !== undefined && before.objectsDeleted === undefined && before.state === deletingState)
    events.push({ type: 'ObjectsDeleted', data: { objects, message: `${objects} objects are gone from the storage` } })
  if (after.objectsKept === true && before.objectsKept !== true)
    events.push({ type: 'ObjectsKept', data: { path, message: `What is stored stays, in ${path} of ${storage}` } })
  if (why !== undefined && before.objectsLeft === undefined) {
    const message = `Objects may be left in ${path} of ${storage}: ${why}`
    events.push({ type: 'ObjectsLeft', data: { why, path, message } })
  }
  if (after.deleted === true && before.deleted !== true) events.push({ type: 'Deleted', data: { message: 'Deleted' } })
  return events
}
