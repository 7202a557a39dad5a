import { backupSourceOf, defined } from '@slotkeeper/api'
import type { BackupShardStatus, BackupStatus } from '@slotkeeper/events'
import { parseRanges, SLOT_COUNT, slotCount, uncovered } from '@slotkeeper/redis-topology'
import {
  doneOf,
  type Failure,
  failureOf,
  isForPerson,
  MOST_ATTEMPTS,
  pauseAfter,
  streamedOf,
  withoutPause,
} from './agent-outcome.ts'
import { MOST_SHARDS_AT_ONCE } from './agent-report.ts'
import type { AgentRun, BackupCase } from './backup-case.ts'
import { type BackupFinding, isBackupState, nextBackupState } from './backup-lifecycle.ts'
import { adopt } from './adopt-backup.ts'
import { found, isForeign, tooManyShards } from './find-servers.ts'
import { lateness } from './lateness.ts'
import { nextDeletion } from './next-deletion.ts'
import { objectOf } from './object-names.ts'
import { prove, unproven } from './prove-backup.ts'
import { expiredNow } from './retention.ts'
import { storageWaitsFor } from './storage-waits-for.ts'

type Step = { readonly finding: BackupFinding; readonly status: BackupStatus }

/** PURE: what the backup is by now, and what of that decides its state. */
export function nextBackup(given: BackupCase): Step {
  const before = given.status ?? { state: 'Waiting' }
  if (given.backup.deletionAt !== undefined) return entered(before, 'DeletionRequested', nextDeletion(given))
  // It was looked after before: it may be completed.
  if (given.status === null && given.backup.hasFinalizer) return entered(before, 'StatusLost', { attempt: 1 })
  switch (isBackupState(before.state) ? before.state : 'Waiting') {
    case 'Adopting': {
      const { finding, status } = adopt(given, before)
      return finding === 'StatusLost'
        ? { finding, status: { ...status, state: before.state } }
        : entered(before, finding, status)
    }
    case 'Waiting':
      return wait(given, before)
    case 'Finding':
      return find(given, before)
    case 'Streaming':
      return stream(given, before)
    case 'Sealing':
      return seal(given, before)
    case 'Verifying':
      return verify(given, before)
    case 'Completed':
      return keep(given, before)
    default:
      return { finding: 'Sound', status: before }
  }
}

function entered(before: BackupStatus, finding: BackupFinding, status: Omit<BackupStatus, 'state'>): Step {
  return { finding, status: { ...status, state: nextBackupState(before.state, finding) } }
}

function refused({ now }: BackupCase, before: BackupStatus, { reason, message }: Failure): Step {
  const { retryAt: _retryAt, ...rest } = before
  return entered(before, 'Refused', { ...rest, reason, message, endedAt: new Date(now).toISOString() })
}

function wait(given: BackupCase, before: BackupStatus): Step {
  const why = waitsFor(given)
  const late = lateness(given)
  if (why?.reason === 'TooManyShards') return refused(given, before, why)
  if (why !== null && late !== null)
    return refused(given, before, { reason: 'DeadlineExceeded', message: `${late}; it waited: ${why.message}` })
  if (why !== null) return entered(before, 'NotReady', { ...before, ...why })
  const { source, spec, now } = given
  const { reason: _reason, message: _message, ...rest } = before
  if (isForeign(given)) return entered(before, 'ServersUnknown', { ...rest, attempt: 1 })
  return entered(before, 'ShardsMissing', {
    ...rest,
    cluster: { name: backupSourceOf(spec), uid: source?.uid ?? '' },
    ...defined({ restored: source?.restored }),
    ...defined({ engine: source?.engine }),
    ...(spec.verify === 'restore' ? defined({ image: source?.image }) : {}),
    beganAt: new Date(now).toISOString(),
    shards: freshShards(given, 1),
  })
}

/** What keeps a backup from being begun, or an agent from being started; null when nothing does. */
export function waitsFor(given: BackupCase): Failure | null {
  const { source, spec } = given
  const name = backupSourceOf(spec)
  const why = storageWaitsFor(spec.storageName, given.storage)
  if (why !== null || isForeign(given)) return why
  if (source === null) return { reason: 'SourceMissing', message: `there is no RedisCluster ${name} in this namespace` }
  if (source.busy !== null) return { reason: 'SourceNotReady', message: source.busy }
  if (spec.consistency === 'cluster' && source.shards.length > MOST_SHARDS_AT_ONCE)
    return tooManyShards(name, source.shards.length)
  return null
}

function freshShards({ source }: BackupCase, attempt: number): readonly BackupShardStatus[] {
  return (source?.shards ?? []).map(({ shard, slots }) => ({ shard, attempt, slots }))
}

function find(given: BackupCase, before: BackupStatus): Step {
  const late = lateness(given)
  if (late !== null) return refused(given, before, { reason: 'DeadlineExceeded', message: late })
  const { finding, status, why } = found(given, before)
  return why === undefined ? entered(before, finding, status) : refused(given, before, why)
}

/** Why what is stored by now and what is there are of two lives; null while they are of one. */
function replacedInWords({ source }: BackupCase, { cluster, restored }: BackupStatus): string | null {
  if (source === null) return null
  if (source.uid !== cluster?.uid) return 'its cluster was deleted and created again'
  return source.restored === restored ? null : 'a restore has replaced the data of its cluster meanwhile'
}

function stream(given: BackupCase, before: BackupStatus): Step {
  const replaced = replacedInWords(given, before)
  if (replaced !== null) return refused(given, before, { reason: 'SourceReplaced', message: replaced })
  const late = lateness(given)
  if (late !== null) return refused(given, before, { reason: 'DeadlineExceeded', message: late })
  const shards = (before.shards ?? []).map((one) => absorbed(one, given))
  const heldMs = heldBy(given) ?? before.heldMs
  const status = { ...withoutPause(before, given, waitsFor(given)), shards, ...defined({ heldMs }) }
  const again =
    afterFailures(given, before, status) ?? (shards.every(isStored) ? whenNotWhole(given, before, status) : null)
  if (again !== null) return again
  if (!shards.every(isStored)) return { finding: 'ShardsMissing', status: { ...status, state: before.state } }
  return entered(before, 'ManifestMissing', { ...status, attempt: 1 })
}

type Streaming = Omit<BackupStatus, 'state'> & { readonly shards: readonly BackupShardStatus[] }

/** What becomes of it where agents have failed; null where none has. */
function afterFailures(given: BackupCase, before: BackupStatus, status: Streaming): Step | null {
  const { shards } = status
  const failed = shards.flatMap((one) => {
    const failure = isStored(one) ? null : failureOf(runOf(given, one))
    return failure === null ? [] : [{ ...failure, shard: one }]
  })
  const [worst] = failed.toSorted((a, b) => Number(isForPerson(b)) - Number(isForPerson(a)))
  if (worst === undefined) return null
  if (isForPerson(worst) || worst.shard.attempt >= MOST_ATTEMPTS)
    return refused(given, { ...status, state: before.state }, worst)
  const { reason, message, shard } = worst
  const pause = pauseAfter({ reason, message }, shard.attempt, given.now)
  const changed = failed.some((one) => one.reason === 'TopologyChanged') || slotsMoved(given, shards)
  if (changed && isForeign(given))
    return entered(before, 'ServersUnknown', { ...status, attempt: (before.attempt ?? 1) + 1, ...pause })
  const again = shards.map((one) => (failed.some((its) => its.shard === one) ? anew(one) : one))
  const attempt = Math.max(...shards.map((one) => one.attempt)) + 1
  // Slots that went from one shard to another would be in none of their objects, or in both.
  const next = changed && given.source !== null ? freshShards(given, attempt) : again
  return entered(before, 'ShardsMissing', { ...status, shards: next, ...pause })
}

/** What becomes of it where all shards are stored, and slots are in none or in two of them; null where each is in one. */
function whenNotWhole(given: BackupCase, before: BackupStatus, status: Streaming): Step | null {
  // Agents of foreign servers look at all of them before each shard.
  if (isForeign(given) || isWhole(status.shards)) return null
  const attempt = Math.max(...status.shards.map((one) => one.attempt))
  const moved = { reason: 'TopologyChanged', message: 'slots went from one shard to another meanwhile' }
  if (attempt >= MOST_ATTEMPTS) return refused(given, { ...status, state: before.state }, moved)
  const pause = pauseAfter(moved, attempt, given.now)
  return entered(before, 'ShardsMissing', { ...status, shards: freshShards(given, attempt + 1), ...pause })
}

/** Whether a shard is stored and was read back. */
export const isStored = (one: BackupShardStatus): boolean => one.record !== undefined

const anew = ({ shard, attempt, slots }: BackupShardStatus): BackupShardStatus => ({
  shard,
  slots,
  attempt: attempt + 1,
})

/** Whether every slot is in one shard, and in one only. */
function isWhole(shards: readonly BackupShardStatus[]): boolean {
  const ranges = shards.flatMap((one) => parseRanges(one.slots))
  return uncovered(ranges).length === 0 && slotCount(ranges) === SLOT_COUNT
}

function slotsMoved({ source, ...given }: BackupCase, shards: readonly BackupShardStatus[]): boolean {
  // Agents of foreign servers look themselves.
  if (isForeign(given)) return false
  return shards.some((one) => source?.shards.find((its) => its.shard === one.shard)?.slots !== one.slots)
}

/** The agent of a shard's present attempt. */
export function runOf({ runs }: BackupCase, { shard, attempt }: BackupShardStatus): AgentRun | undefined {
  return runs.find(
    (one) => one.step === 'store' && one.attempt === attempt && (one.part === undefined || one.part === shard),
  )
}

function absorbed(one: BackupShardStatus, given: BackupCase): BackupShardStatus {
  const run = runOf(given, one)
  if (run === undefined || isStored(one)) return one
  const done = doneOf(run, 'StoreShards')
  const stored = done?.shards.find((its) => its.shard === one.shard)
  if (stored !== undefined) {
    const { role: _role, ...facts } = stored
    return { ...facts, attempt: one.attempt }
  }
  if (done !== undefined) {
    // There was no room to tell of it: its names are known, and what is there is checked when it is sealed.
    const { shard, attempt, slots } = one
    const [record, object] = [objectOf.record, objectOf.shard].map((of) => of(given.backup, shard, done.attempt))
    return { shard, attempt, slots, ...defined({ record, object }) }
  }
  return { ...one, ...streamedOf(run, one.shard) }
}

function heldBy(given: BackupCase): number | undefined {
  if (given.spec.consistency !== 'cluster') return undefined
  return given.runs.map((run) => doneOf(run, 'StoreShards')?.heldMs).find((one) => one !== undefined)
}

function seal(given: BackupCase, before: BackupStatus): Step {
  const { attempt = 1 } = before
  const run = given.runs.find((one) => one.step === 'seal' && one.attempt === attempt)
  const done = doneOf(run, 'SealBackup')
  if (done !== undefined) {
    const { retryAt: _retryAt, reason: _reason, message: _message, attempt: _attempt, ...rest } = before
    const { manifest, sha256: manifestSha256, bytes, keys } = done
    const sealed = { ...rest, manifest, manifestSha256, bytes, keys }
    if (given.spec.verify === 'restore') return entered(before, 'ProofMissing', { ...sealed, attempt: 1 })
    // By our own clock: retention compares these times, and those of nodes may be wrong.
    const endedAt = new Date(given.now).toISOString()
    return entered(before, 'Sound', { ...sealed, verified: 'read-back', endedAt })
  }
  // After what the agent said: what is whole is not given up because nobody looked in time.
  const late = lateness(given)
  if (late !== null) return refused(given, before, { reason: 'DeadlineExceeded', message: late })
  const failure = failureOf(run)
  const { source } = given
  // The manifest holds the spec of the cluster: that of no cluster, or of another one, would be a lie.
  if (run === undefined && !isForeign(given) && source?.uid !== before.cluster?.uid) {
    const message = 'its cluster was deleted before the manifest was written'
    return refused(given, before, { reason: source === null ? 'SourceMissing' : 'SourceReplaced', message })
  }
  if (failure === null) return { finding: 'ManifestMissing', status: withoutPause(before, given, waitsFor(given)) }
  if (isForPerson(failure) || attempt >= MOST_ATTEMPTS) return refused(given, before, failure)
  const next = { ...before, attempt: attempt + 1, ...pauseAfter(failure, attempt, given.now) }
  return { finding: 'ManifestMissing', status: next }
}

function verify(given: BackupCase, before: BackupStatus): Step {
  const { finding, status, why } = prove(given, before)
  const late = finding === 'Sound' ? null : lateness(given)
  const { message } = status
  const waited = message === undefined ? '' : `; last: ${message}`
  const tooLate = { reason: 'DeadlineExceeded', message: `${late}; all is stored, and not all was loaded${waited}` }
  const failure = why ?? (late === null ? null : tooLate)
  if (failure === null) return entered(before, finding, status)
  const readBack = unproven(before, failure)
  return readBack === null
    ? refused(given, { ...status, state: before.state }, failure)
    : entered(before, 'Sound', readBack)
}

function keep(given: BackupCase, before: BackupStatus): Step {
  const { expired: _expired, ...rest } = before
  // Looked at each time: the newer ones may be gone, or the policy another one.
  const expired = expiredNow(given, before)
  return { finding: 'Sound', status: expired === null ? rest : { ...rest, expired } }
}
