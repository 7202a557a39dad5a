import { boundedData } from './bounded-data.ts'
import type { RestoreEvent } from './restore-events.ts'
import type { RestoreStatus } from './restore-status.ts'
import { stateChange } from './state-change.ts'

/** What one pass knows beside the two statuses. */
export type RestoreChangeContext = { readonly cluster: string; readonly source: string }

type Step = (before: RestoreStatus, after: RestoreStatus, context: RestoreChangeContext) => readonly RestoreEvent[]

/** The events of a commit: exactly the difference of the status that was read and the one that is written. */
export function restoreChanges(
  before: RestoreStatus | null,
  after: RestoreStatus,
  context: RestoreChangeContext,
): readonly RestoreEvent[] {
  const { cluster, source } = context
  const message = `${source} is to become the cluster ${cluster}`
  const events: RestoreEvent[] = before === null ? [{ type: 'Accepted', data: { cluster, source, message } }] : []
  const so = before ?? { state: '' }
  const steps: readonly Step[] = [
    copied,
    inspected,
    awaited,
    seeding,
    seeded,
    failedAttempt,
    created,
    formed,
    verified,
    ended,
    oldVolumesGone,
    stateChanged,
    withdrawn,
    deleted,
  ]
  for (const step of steps) events.push(...step(so, after, context))
  return events.map((event) => ({ type: event.type, data: boundedData(event.data) }) as RestoreEvent)
}

function copied(
  before: RestoreStatus,
  { copy }: RestoreStatus,
  { source }: RestoreChangeContext,
): readonly RestoreEvent[] {
  if (copy === undefined || before.copy?.uid === copy.uid) return []
  const { name: backup, uid } = copy
  return [{ type: 'CopyCreated', data: { backup, uid, message: `${source} is copied by the RedisBackup ${backup}` } }]
}

function inspected(before: RestoreStatus, after: RestoreStatus): readonly RestoreEvent[] {
  const { manifest = '', manifestSha256: sha256, engine, takenAt = '', keys = 0, bytes = 0 } = after
  if (sha256 === undefined || before.manifestSha256 === sha256) return []
  const version = engine === undefined ? '' : `${engine.engine} ${engine.version}`
  const message = `${keys} keys of ${version}, complete at ${takenAt}`
  return [{ type: 'Inspected', data: { manifest, sha256, version, takenAt, keys, bytes, message } }]
}

function seeding(
  before: RestoreStatus,
  { shards }: RestoreStatus,
  { cluster }: RestoreChangeContext,
): readonly RestoreEvent[] {
  if (shards === undefined || before.shards !== undefined) return []
  const message = `The volumes of ${shards.length} shards of ${cluster} are being filled`
  return [{ type: 'Seeding', data: { cluster, shards: shards.length, message } }]
}

function seeded(before: RestoreStatus, after: RestoreStatus): readonly RestoreEvent[] {
  return (after.shards ?? []).flatMap(({ shard, slots, nodeId, keys = 0, size = 0 }) => {
    const earlier = before.shards?.find((one) => one.shard === shard)
    if (nodeId === undefined || earlier?.nodeId === nodeId) return []
    const message = `Shard ${shard} is filled: ${keys} keys, ${size} bytes`
    return [{ type: 'ShardSeeded', data: { shard, slots, keys, size, message } } as const]
  })
}

/** One for all shards that failed together: they have one time at which they are tried again. */
function failedAttempt(before: RestoreStatus, after: RestoreStatus): readonly RestoreEvent[] {
  const { retryAt, reason = 'Unexpected', message = '' } = after
  if (retryAt === undefined || retryAt === before.retryAt) return []
  const attempt = Math.max(before.attempt ?? 1, ...(before.shards ?? []).map((one) => one.attempt))
  return [{ type: 'AttemptFailed', data: { attempt, reason, retryAt, message } }]
}

function awaited(
  before: RestoreStatus,
  { state, replaces, message = '' }: RestoreStatus,
  { cluster }: RestoreChangeContext,
): readonly RestoreEvent[] {
  if (state !== 'Confirming' || before.state === state) return []
  return [{ type: 'ConfirmationAwaited', data: { cluster, uid: replaces?.uid ?? '', message } }]
}

function oldVolumesGone(
  { oldVolumes: volumes = 0 }: RestoreStatus,
  after: RestoreStatus,
  { cluster }: RestoreChangeContext,
): readonly RestoreEvent[] {
  if (volumes === 0 || after.oldVolumes !== 0) return []
  const message = `All ${volumes} volumes that ${cluster} had before are gone`
  return [{ type: 'OldVolumesGone', data: { cluster, volumes, message } }]
}

function created(
  before: RestoreStatus,
  { clusterUid: uid, replaces }: RestoreStatus,
  { cluster }: RestoreChangeContext,
): readonly RestoreEvent[] {
  if (uid === undefined || before.clusterUid === uid) return []
  const message = `The RedisCluster ${cluster} was told to give up what it holds, for the new volumes`
  if (replaces !== undefined) return [{ type: 'ClusterSwitched', data: { cluster, uid, message } }]
  return [{ type: 'ClusterCreated', data: { cluster, uid, message: `The RedisCluster ${cluster} is created` } }]
}

/** The last that is told of an order which was not followed. */
function withdrawn(
  before: RestoreStatus,
  after: RestoreStatus,
  { cluster }: RestoreChangeContext,
): readonly RestoreEvent[] {
  if (after.withdrawn !== true || before.withdrawn === true) return []
  const message = `The order to the RedisCluster ${cluster} was taken back: it goes on with what it had`
  return [{ type: 'OrderWithdrawn', data: { cluster, message } }]
}

function formed(
  before: RestoreStatus,
  { formedAt }: RestoreStatus,
  { cluster }: RestoreChangeContext,
): readonly RestoreEvent[] {
  if (formedAt === undefined || before.formedAt !== undefined) return []
  return [{ type: 'SlotsFormed', data: { cluster, message: `${cluster} serves all slots` } }]
}

function verified(before: RestoreStatus, after: RestoreStatus): readonly RestoreEvent[] {
  const { loadedKeys: keys, expiredKeys: expired = 0 } = after
  if (keys === undefined || before.loadedKeys !== undefined) return []
  return [{ type: 'Verified', data: { keys, expired, message: `${keys} keys are loaded, ${expired} were expired` } }]
}

function ended(
  before: RestoreStatus,
  after: RestoreStatus,
  { cluster }: RestoreChangeContext,
): readonly RestoreEvent[] {
  const { endedAt, reason = 'Unexpected', message = reason, loadedKeys: keys = 0 } = after
  if (endedAt === undefined || before.endedAt !== undefined) return []
  if (after.state !== 'Failed')
    return [{ type: 'Completed', data: { cluster, keys, endedAt, message: `${cluster} has ${keys} keys` } }]
  // Before the first volume nothing was touched.
  return [{ type: after.shards === undefined ? 'Refused' : 'Failed', data: { reason, endedAt, message } }]
}

const stateChanged = (before: RestoreStatus, after: RestoreStatus): readonly RestoreEvent[] =>
  stateChange(before, after, 'Deletion started')

function deleted(before: RestoreStatus, after: RestoreStatus): readonly RestoreEvent[] {
  return after.deleted === true && before.deleted !== true ? [{ type: 'Deleted', data: { message: 'Deleted' } }] : []
}
