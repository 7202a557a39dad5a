import { defined } from '@slotkeeper/api'
import {
  doneOf,
  type Failure,
  failureOf,
  isForPerson,
  MOST_ATTEMPTS,
  pauseAfter,
  storageWaitsFor,
  streamedOf,
  withoutPause,
} from '@slotkeeper/backup'
import type { RestoreShardStatus, RestoreStatus } from '@slotkeeper/events'
import { evenRanges, formatRanges } from '@slotkeeper/redis-topology'
import { formerClaims, mayDeleteClaims, ownClaims, standsOver, strangeClaims, unclaimed } from './claims.ts'
import { backupNameOf, copyFailure, copyInWords, copySpec } from './copy.ts'
import {
  confirmationInWords,
  forgottenOrder,
  inPlaceObstacle,
  isInPlace,
  isOurs,
  isUnconfirmed,
  isTakenBack,
  isWithdrawable,
  orderStands,
  repeatedOrder,
  replacedBy,
  rivalOf,
  withdrawalRefused,
} from './in-place.ts'
import type { RestoreCase } from './restore-case.ts'
import { isRestoreState, nextRestoreState, type RestoreFinding } from './restore-lifecycle.ts'
import { asItIs, targetSpec } from './target-spec.ts'

type Step = { readonly finding: RestoreFinding; readonly status: RestoreStatus }

/** After this long a deletion goes on without what it could not do: a finalizer must not hang. */
const PATIENCE_MS = 120_000

/** PURE: what the restore is by now, and what of that decides its state. */
export function nextRestore(given: RestoreCase): Step {
  const { finding, status } = step(given)
  return { finding, status: mayHaveServed(given, status) ? { ...status, claimsStay: true } : status }
}

/** The states from which on there may be a cluster. */
const WITH_CLUSTER = ['Starting', 'Verifying', 'Completed']

/**
 * Whether a cluster may stand, or have stood, over the claims: one was seen, or is about to be made, or what became of them
 * is not known any more because the status was lost.
 */
function mayHaveServed(given: RestoreCase, { state }: RestoreStatus): boolean {
  const isForgotten = (given.status?.state ?? 'Waiting') === 'Waiting' && ownClaims(given).length > 0
  return standsOver(given) || isForgotten || WITH_CLUSTER.includes(state)
}

function step(given: RestoreCase): Step {
  const before = given.status ?? { state: 'Waiting' }
  if (given.restore.deletionAt !== undefined) return entered(before, 'DeletionRequested', deletion(given, before))
  switch (isRestoreState(before.state) ? before.state : 'Waiting') {
    case 'Waiting':
      return wait(given, before)
    case 'Copying':
      return copy(given, before)
    case 'Inspecting':
      return inspect(given, before)
    case 'Confirming':
      return confirm(given, before)
    case 'Seeding':
      return seed(given, before)
    case 'Starting':
      return start(given, before)
    case 'Verifying':
      return verify(given, before)
    case 'Completed':
      return { finding: 'Sound', status: { ...before, ...oldVolumes(given, before) } }
    default:
      return { finding: 'Sound', status: before }
  }
}

function entered(before: RestoreStatus, finding: RestoreFinding, status: Omit<RestoreStatus, 'state'>): Step {
  return { finding, status: { ...status, state: nextRestoreState(before.state, finding) } }
}

function refused({ now }: RestoreCase, before: RestoreStatus, { reason, message }: Failure): Step {
  const { retryAt: _retryAt, ...rest } = before
  return entered(before, 'Refused', { ...rest, reason, message, endedAt: new Date(now).toISOString() })
}

function lateness(
  { restore, spec, status, trouble, now }: RestoreCase,
  why = status?.message ?? trouble,
): Failure | null {
  if (now - restore.createdAt <= spec.deadlineSeconds * 1_000) return null
  const message = `it was not done ${spec.deadlineSeconds} s after its creation (spec.deadlineSeconds)`
  return { reason: 'DeadlineExceeded', message: why === null ? message : `${message}; last: ${why}` }
}

function wait(given: RestoreCase, before: RestoreStatus): Step {
  const inTheWay = obstacle(given, before) ?? forgottenOrder(given) ?? repeatedOrder(given)
  if (inTheWay !== null) return refused(given, before, inTheWay)
  const beganAt = new Date(given.now).toISOString()
  const unfit = copySpec(given.spec) === null ? null : copyFailure(given, before)
  if (unfit !== null) return refused(given, before, unfit)
  const rival = rivalOf(given, false)
  if (rival === null && copySpec(given.spec) !== null)
    return entered(before, 'NotCopied', { ...withoutWords(before), beganAt, ...replacedBy(given) })
  const why = rival ?? waitsFor(given)
  const late = lateness(given, why?.message ?? null)
  if (why !== null && late !== null) return refused(given, before, late)
  if (why !== null) return entered(before, 'NotReady', { ...before, ...why })
  const begun = { ...withoutWords(before), beganAt, attempt: 1, ...replacedBy(given) }
  return entered(before, 'BackupUnread', { ...begun, ...(given.spec.source.stored ?? sealedAs(given.backup)) })
}

function withoutWords({ reason: _reason, message: _message, ...rest }: RestoreStatus): RestoreStatus {
  return rest
}

/** Where a completed RedisBackup is, and what it was sealed with. */
function sealedAs(backup: RestoreCase['backup']): Pick<RestoreStatus, 'storageName' | 'manifest' | 'sealedSha256'> {
  const { storageName = '', manifest = '', sha256: sealedSha256 } = backup ?? {}
  return { storageName, manifest, ...defined({ sealedSha256 }) }
}

/** Its RedisBackup is made once, and waited for; what is whole by then is restored as any other is. */
function copy(given: RestoreCase, before: RestoreStatus): Step {
  const { backup } = given
  const failure = obstacle(given, before) ?? copyFailure(given, before) ?? lateness(given)
  if (failure !== null) return refused(given, before, failure)
  const seen = { ...withoutWords(before), ...(backup === null ? {} : { copy: copyOf(given, backup.uid) }) }
  if (backup?.manifest === undefined) return { finding: 'NotCopied', status: { ...seen, ...copyInWords(given) } }
  return entered(before, 'BackupUnread', { ...seen, ...sealedAs(backup), attempt: 1 })
}

const copyOf = ({ spec, restore }: RestoreCase, uid: string) => ({ name: backupNameOf(spec, restore) ?? '', uid })

/** What stands where the cluster is to be; null when nothing does. To be asked until the first volume is made. */
function obstacle(given: RestoreCase, before: RestoreStatus): Failure | null {
  const outlived = outlivedBy(given)
  if (outlived !== null) return outlived
  const inTheWay = isInPlace(given.spec) ? inPlaceObstacle(given, before) : nameTaken(given)
  if (inTheWay !== null) return inTheWay
  const rival = before.beganAt === undefined ? null : rivalOf(given, true)
  const [first] = strangeClaims(given)
  if (rival !== null || first === undefined) return rival
  const { name } = given.spec.target.cluster
  return {
    reason: 'VolumeInUse',
    message: `there is a PersistentVolumeClaim ${first.name} already, perhaps of an earlier cluster ${name}: name another cluster, or delete the claim if nobody needs what is in it`,
  }
}

function nameTaken(given: RestoreCase): Failure | null {
  if (given.target === null) return null
  const { name } = given.spec.target.cluster
  const message = `there is a RedisCluster ${name} already: a restore creates one, name another in spec.target.cluster, or say with spec.target.inPlace that this one is to give up what it holds`
  return { reason: 'NameTaken', message }
}

/** Its own cluster is there before all is filled: its status was lost. What the cluster has is not seeded once more. */
function outlivedBy(given: RestoreCase): Failure | null {
  if (!isOurs(given)) return null
  const { name } = given.spec.target.cluster
  const message = `the RedisCluster ${name} was made of this restore already, and its status was lost since: whether all keys were loaded is not known any more`
  return { reason: 'StatusLost', message }
}

/** What keeps a restore from being begun, or an agent from being started; null when nothing does. */
export function waitsFor({ spec, status, backup, storage }: RestoreCase): Failure | null {
  const { source } = spec
  // Once it has begun it knows the manifest by itself.
  if (source.backup !== undefined && status?.manifest === undefined) {
    const { name } = source.backup
    if (backup === null)
      return { reason: 'BackupMissing', message: `there is no RedisBackup ${name} in this namespace` }
    if (backup.isDeleting) return { reason: 'BackupMissing', message: `the RedisBackup ${name} is being deleted` }
    if (backup.manifest === undefined)
      return { reason: 'BackupNotCompleted', message: `the RedisBackup ${name} is ${backup.state}` }
  }
  const storageName = status?.storageName ?? source.stored?.storageName ?? backup?.storageName ?? ''
  // Restoring only reads: a storage that takes nothing more, or nothing from this user, may do. Its agents tell what it says.
  return storageWaitsFor(storageName, storage === null || !storage.isTried ? storage : { ...storage, usable: true })
}

function inspect(given: RestoreCase, before: RestoreStatus): Step {
  const inTheWay = obstacle(given, before) ?? lateness(given)
  if (inTheWay !== null) return refused(given, before, inTheWay)
  const { attempt = 1 } = before
  const run = given.runs.find((one) => one.step === 'inspect' && one.attempt === attempt)
  const done = doneOf(run, 'InspectBackup')
  if (done === undefined) return unfinished(given, before, 'BackupUnread', failureOf(run))
  if (before.sealedSha256 !== undefined && done.sha256 !== before.sealedSha256) {
    const message = `${before.manifest} is not the manifest that the backup was sealed with: its SHA-256 is ${done.sha256}, not ${before.sealedSha256}`
    return refused(given, before, { reason: 'ObjectDamaged', message })
  }
  const wanted = isInPlace(given.spec) ? asItIs(before.spec) : targetSpec(given.spec, done.spec)
  if ('reason' in wanted) return refused(given, before, wanted)
  if (done.refusal !== null) return refused(given, before, { reason: 'Incompatible', message: done.refusal })
  const { retryAt: _retryAt, reason: _reason, message: _message, attempt: _attempt, ...rest } = before
  const { sha256: manifestSha256, engine, endedAt: takenAt, keys, bytes, size } = done
  const found = { ...rest, manifestSha256, engine, takenAt, keys, bytes, size, spec: wanted.spec }
  if (!isUnconfirmed(given.spec)) return beginSeeding(before, found)
  return entered(before, 'Unconfirmed', { ...found, ...confirmationInWords(given, found) })
}

function beginSeeding(before: RestoreStatus, found: Omit<RestoreStatus, 'state'>): Step {
  const { shards: count = 0 } = (found.spec ?? {}) as { readonly shards?: number }
  const shards = evenRanges(count).map((range, shard): RestoreShardStatus => ({
    shard,
    slots: formatRanges([range]),
    attempt: 1,
  }))
  return entered(before, 'VolumesEmpty', { ...found, shards })
}

/** Nothing was touched yet, and nothing is until a person has read what goes. */
function confirm(given: RestoreCase, before: RestoreStatus): Step {
  const inTheWay = obstacle(given, before) ?? lateness(given, null)
  if (inTheWay !== null) return refused(given, before, inTheWay)
  if (!isUnconfirmed(given.spec)) return beginSeeding(before, withoutWords(before))
  return { finding: 'Unconfirmed', status: { ...before, ...confirmationInWords(given, before) } }
}

/** An agent failed, or is still at it. */
function unfinished(given: RestoreCase, before: RestoreStatus, finding: RestoreFinding, failure: Failure | null): Step {
  const { attempt = 1 } = before
  if (failure === null) return { finding, status: withoutPause(before, given, waitsFor(given)) }
  if (isForPerson(failure) || attempt >= MOST_ATTEMPTS) return refused(given, before, failure)
  return { finding, status: { ...before, attempt: attempt + 1, ...pauseAfter(failure, attempt, given.now) } }
}

function seed(given: RestoreCase, before: RestoreStatus): Step {
  const inTheWay = obstacle(given, before) ?? lateness(given)
  if (inTheWay !== null) return refused(given, before, inTheWay)
  const shards = (before.shards ?? []).map((one) => absorbed(one, given))
  const failed = shards.flatMap((one) => {
    const failure = isSeeded(one) ? null : failureOf(seedRun(given, one))
    return failure === null ? [] : [{ ...failure, shard: one }]
  })
  const [worst] = failed.toSorted((a, b) => Number(isForPerson(b)) - Number(isForPerson(a)))
  if (worst !== undefined) {
    if (isForPerson(worst) || worst.shard.attempt >= MOST_ATTEMPTS) return refused(given, { ...before, shards }, worst)
    const again = shards.map((one) => (failed.some(({ shard }) => shard === one) ? anew(one) : one))
    const pause = pauseAfter({ reason: worst.reason, message: worst.message }, worst.shard.attempt, given.now)
    return { finding: 'VolumesEmpty', status: { ...before, shards: again, ...pause } }
  }
  const status = { ...withoutPause(before, given, waitsFor(given)), shards }
  if (!shards.every(isSeeded)) return { finding: 'VolumesEmpty', status }
  const { keys = 0 } = before
  const seeded = shards.reduce((sum, one) => sum + (one.keys ?? 0), 0)
  if (seeded !== keys)
    return refused(given, status, {
      reason: 'CountsDiffer',
      message: `the volumes hold ${seeded} keys, the backup ${keys}`,
    })
  const { name } = given.spec.target.cluster
  if (isInPlace(given.spec) && given.target?.spec['paused'] === true) {
    const message = `the RedisCluster ${name} is paused: set its spec.paused to false`
    return { finding: 'VolumesEmpty', status: { ...status, reason: 'ClusterPaused', message } }
  }
  const since = new Date(given.now).toISOString()
  // Committed before the cluster is made, or told: from then on the volumes are never deleted.
  const type = isInPlace(given.spec) ? 'SwitchCluster' : 'CreateCluster'
  const operation = { id: `${given.restore.uid}:create`, type, target: name, since }
  return entered(before, 'ClusterNotReady', { ...status, operation })
}

/** Whether a shard's volume is filled. */
export const isSeeded = (one: RestoreShardStatus): boolean => one.nodeId !== undefined

const anew = ({ shard, attempt, slots }: RestoreShardStatus): RestoreShardStatus => ({
  shard,
  slots,
  attempt: attempt + 1,
})

/** The agent of a shard's present attempt. */
export const seedRun = ({ runs }: RestoreCase, { shard, attempt }: RestoreShardStatus) =>
  runs.find((one) => one.step === 'seed' && one.part === shard && one.attempt === attempt)

function absorbed(one: RestoreShardStatus, given: RestoreCase): RestoreShardStatus {
  if (isSeeded(one)) return one
  const run = seedRun(given, one)
  const { shard, slots, attempt } = one
  const done = doneOf(run, 'SeedShard')
  if (done !== undefined) {
    const { nodeId, keys, size, endingHashes } = done
    return { shard, slots, attempt, nodeId, keys, size, ...defined({ endingHashes }) }
  }
  return { ...one, ...streamedOf(run, shard) }
}

function start(given: RestoreCase, before: RestoreStatus): Step {
  const { target, spec } = given
  const { name } = spec.target.cluster
  const seen = withCluster(given, before)
  const inTheWay = isInPlace(spec) ? inPlaceObstacle(given, before) : takenOrGone(given, before)
  if (inTheWay !== null) return refused(given, seen, inTheWay)
  const isThere = target !== null && isOurs(given)
  const late = lateness(given)
  if (late !== null) return refused(given, seen, isThere && isInPlace(spec) ? orderStands(given, late) : late)
  if (!isThere) {
    const gone = unclaimed(given, before)
    if (gone !== undefined) {
      const message = `the claim of shard ${gone.shard} was deleted before a cluster was made of it`
      return refused(given, before, { reason: 'VolumeGone', message })
    }
    const why = given.trouble === null ? {} : { reason: 'ClusterRefused', message: given.trouble }
    return { finding: 'ClusterNotReady', status: { ...before, ...why } }
  }
  const { operation: _operation, ...status } = seen
  if (!target.isReady) {
    const silent = isInPlace(spec)
      ? 'it was told to take what was restored, and has not begun to'
      : 'its controller has said nothing yet'
    const message = `${name}: ${target.message || silent}`
    return { finding: 'ClusterNotReady', status: { ...status, reason: 'ClusterNotReady', message } }
  }
  const { reason: _reason, message: _message, ...rest } = status
  return entered(before, 'Unverified', { ...rest, formedAt: new Date(given.now).toISOString(), attempt: 1 })
}

/** With the cluster that was made, or told to take what was restored; the order may be taken back by now. */
function withCluster({ target, restore }: RestoreCase, before: RestoreStatus): RestoreStatus {
  const { restoredBy, orderedBy, uid } = target ?? {}
  if (uid === undefined || ![restoredBy, orderedBy].includes(restore.uid)) return before
  return { ...before, clusterUid: before.clusterUid ?? uid }
}

/** Another cluster has the name, or its own was deleted. */
function takenOrGone(given: RestoreCase, { clusterUid }: RestoreStatus): Failure | null {
  const { name } = given.spec.target.cluster
  if (given.target !== null && !isOurs(given))
    return { reason: 'NameTaken', message: `there is another RedisCluster ${name} now` }
  if (clusterUid === undefined || given.target?.uid === clusterUid) return null
  return { reason: 'ClusterGone', message: `the RedisCluster ${name} was deleted` }
}

function verify(given: RestoreCase, before: RestoreStatus): Step {
  const { name } = given.spec.target.cluster
  if (given.target?.uid !== before.clusterUid)
    return refused(given, before, { reason: 'ClusterGone', message: `the RedisCluster ${name} was deleted` })
  const changed = isInPlace(given.spec) ? inPlaceObstacle(given, before) : null
  if (changed !== null) return refused(given, before, changed)
  const late = lateness(given)
  if (late !== null) return refused(given, before, late)
  const { attempt = 1 } = before
  const run = given.runs.find((one) => one.step === 'verify' && one.attempt === attempt)
  const done = doneOf(run, 'VerifyRestore')
  if (done === undefined) return unfinished(given, before, 'Unverified', failureOf(run))
  const { retryAt: _retryAt, reason: _reason, message: _message, attempt: _attempt, ...rest } = before
  const { keys: loadedKeys, expired: expiredKeys } = done
  const endedAt = new Date(given.now).toISOString()
  return entered(before, 'Sound', { ...rest, loadedKeys, expiredKeys, endedAt, ...oldVolumes(given, rest) })
}

/** How many volumes are left of what the cluster had before a restore in place. */
function oldVolumes(given: RestoreCase, before: Partial<RestoreStatus>): Partial<RestoreStatus> {
  if (!isInPlace(given.spec)) return {}
  const left = formerClaims(given, before)
  const names = left.slice(0, 3).map(({ name }) => name)
  const more = left.length > names.length ? ` and ${left.length - names.length} more` : ''
  const message = `the cluster has all keys of the backup; of its former volumes ${left.length === 0 ? 'none is left' : `there are ${names.join(', ')}${more}`}`
  return { oldVolumes: left.length, message }
}

/** How far the deletion of a restore is: its agents end, and what no cluster was created of goes. */
function deletion(given: RestoreCase, before: RestoreStatus): Omit<RestoreStatus, 'state'> {
  const { state, retryAt: _retryAt, reason: _reason, message: _message, ...rest } = before
  if (state !== 'Deleting') return { ...rest, deletingSince: new Date(given.now).toISOString() }
  const waited = rest.deletingSince === undefined ? 0 : given.now - Date.parse(rest.deletingSince)
  // An order of nobody would be followed all the same: without patience.
  if (isWithdrawable(given)) return { ...rest, ...withdrawalRefused(given) }
  const next = isTakenBack(given) ? { ...rest, withdrawn: true } : rest
  const isDone =
    given.runs.every((one) => one.isGone) && (!mayDeleteClaims(given, rest) || ownClaims(given).length === 0)
  return isDone || waited > PATIENCE_MS ? { ...next, deleted: true } : next
}
