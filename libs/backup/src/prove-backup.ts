import type { BackupShardStatus, BackupStatus } from '@slotkeeper/events'
import {
  doneOf,
  type Failure,
  failureOf,
  isForPerson,
  MOST_ATTEMPTS,
  pauseAfter,
  withoutPause,
} from './agent-outcome.ts'
import type { AgentRun, BackupCase } from './backup-case.ts'
import type { BackupFinding } from './backup-lifecycle.ts'
import { storageWaitsFor } from './storage-waits-for.ts'

type Step = { readonly finding: BackupFinding; readonly status: Omit<BackupStatus, 'state'>; readonly why?: Failure }

/** The agent that loads a shard, of the present attempt. */
export const loadOf = (
  { runs }: Pick<BackupCase, 'runs'>,
  { attempt = 1 }: Pick<BackupStatus, 'attempt'>,
  { shard }: Pick<BackupShardStatus, 'shard'>,
): AgentRun | undefined => runs.find((one) => one.step === 'load' && one.part === shard && one.attempt === attempt)

/** What is proven of a sealed backup by servers that were started from it; `Refused` comes with its reason. */
export function prove(given: BackupCase, { state: _state, ...before }: BackupStatus): Step {
  const { spec, storage, now } = given
  const { attempt = 1 } = before
  const shards = (before.shards ?? []).map((one): BackupShardStatus => {
    const done = one.loaded === undefined ? doneOf(loadOf(given, before, one), 'LoadShard') : undefined
    return done === undefined ? one : { ...one, loaded: { keys: done.keys, expired: done.expired } }
  })
  const missing = shards.filter((one) => one.loaded === undefined)
  const runs = missing.map((one) => loadOf(given, before, one))
  const failures = runs.map(failureOf).filter((failure) => failure !== null)
  const worst = failures.find(isForPerson) ?? failures[0]
  // What one has read so far is not thrown away for another one's failure.
  const isUnderWay = runs.some((one) => one?.state === 'running')
  if (worst !== undefined && (isForPerson(worst) || attempt >= MOST_ATTEMPTS))
    return { finding: 'Refused', status: { ...before, shards }, why: worst }
  if (worst !== undefined && !isUnderWay) {
    const pause = pauseAfter(worst, attempt, now)
    return { finding: 'ProofMissing', status: { ...before, shards, attempt: attempt + 1, ...pause } }
  }
  const status = withoutPause({ ...before, shards }, given, storageWaitsFor(spec.storageName, storage))
  if (missing.length > 0) return { finding: 'ProofMissing', status }
  // One whose status was lost keeps its time: it is no newer than those that retention compares it with.
  const { endedAt = new Date(now).toISOString() } = before
  return { finding: 'Sound', status: { ...settled(before), shards, verified: 'restore', endedAt } }
}

/**
 * What a backup is whose status was lost after it had ended, and which could not be proven once more: it was read back, and may
 * have been completed. Null for any other, and where what is stored was found to be wrong.
 *
 * @param failure why it was not proven
 */
export function unproven(
  { state: _state, ...before }: BackupStatus,
  failure: Failure,
): Omit<BackupStatus, 'state'> | null {
  if (before.endedAt === undefined || AGAINST.has(failure.reason)) return null
  const { shards: _shards, ...rest } = settled(before)
  return { ...rest, verified: 'read-back' }
}

/** What servers that were started from it say against a backup, or its storage. */
const AGAINST: ReadonlySet<string> = new Set(['CountsDiffer', 'DataUnreadable', 'ObjectDamaged', 'ObjectMissing'])

/** Without what is only said on the way. */
function settled({
  retryAt: _retryAt,
  reason: _reason,
  message: _message,
  attempt: _attempt,
  image: _image,
  ...rest
}: Omit<BackupStatus, 'state'>): Omit<BackupStatus, 'state'> {
  return rest
}
