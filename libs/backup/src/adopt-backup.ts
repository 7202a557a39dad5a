import type { BackupStatus } from '@slotkeeper/events'
import { doneOf, failureOf, isPaused, pauseAfter } from './agent-outcome.ts'
import type { BackupCase } from './backup-case.ts'
import type { BackupFinding } from './backup-lifecycle.ts'
import { lateness } from './lateness.ts'
import { objectOf } from './object-names.ts'
import { storageWaitsFor } from './storage-waits-for.ts'

/** Pauses grow up to some 40 minutes: what does not pass by itself is for a person, and each look is a Job. */
const LONGEST_PAUSE = 10

type Step = { readonly finding: BackupFinding; readonly status: Omit<BackupStatus, 'state'> }

const toBeLoaded = (count: number): Pick<BackupStatus, 'shards' | 'attempt'> => ({
  attempt: 1,
  shards: Array.from({ length: count }, (_, shard) => ({ shard, attempt: 1, slots: '' })),
})

/**
 * What became of a backup whose status was lost: completed where its storage has its manifest, else to be begun anew. It is
 * never given up for what the storage does not say: what may be completed is not called failed.
 */
export function adopt(given: BackupCase, { state: _state, ...before }: BackupStatus): Step {
  const { attempt = 1 } = before
  const { backup, spec, storage, now } = given
  const run = given.runs.find((one) => one.step === 'inspect' && one.attempt === attempt)
  const done = doneOf(run, 'InspectBackup')
  if (done !== undefined) {
    const { cluster, engine, beganAt, sha256: manifestSha256, bytes, keys } = done
    // The clock of a node may be ahead of ours: one of tomorrow would outlast what is newer. Our own time keeps their order.
    const endedAt = Date.parse(done.endedAt) > now ? new Date(backup.createdAt).toISOString() : done.endedAt
    const { name, uid } = cluster
    const facts = { manifest: objectOf.manifest(backup), manifestSha256, bytes, keys }
    const known = { cluster: { name, uid }, engine, beganAt, endedAt, ...facts }
    // Whether servers were started from it nobody knows any more; without its cluster nobody knows which.
    if (spec.verify === 'restore' && given.source?.uid === uid && lateness(given) === null)
      return { finding: 'ProofMissing', status: { ...known, ...toBeLoaded(done.shards), image: given.source.image } }
    return { finding: 'Sound', status: { ...known, verified: 'read-back' } }
  }
  const failure = failureOf(run)
  // The attempt stays: earlier ones may have left objects, which a deletion must look for.
  if (failure?.reason === 'ObjectMissing') return { finding: 'NotReady', status: { attempt } }
  if (failure !== null) {
    const pause = pauseAfter(failure, Math.min(attempt, LONGEST_PAUSE), now)
    return { finding: 'StatusLost', status: { attempt: attempt + 1, ...pause } }
  }
  if (isPaused(before, now)) return { finding: 'StatusLost', status: before }
  return { finding: 'StatusLost', status: { attempt, ...storageWaitsFor(spec.storageName, storage) } }
}
