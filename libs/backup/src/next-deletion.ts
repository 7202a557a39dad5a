import type { BackupStatus } from '@slotkeeper/events'
import { doneOf, failureOf, isPaused, MOST_ATTEMPTS, pauseAfter } from './agent-outcome.ts'
import type { AgentRun, BackupCase } from './backup-case.ts'

/** After this long a deletion goes on without what it could not do: a finalizer must not hang. */
const PATIENCE_MS = { agents: 120_000, trouble: 30_000, objects: 900_000 } as const

/** The agents that may still write into the storage. */
export function writing({ runs }: BackupCase): readonly AgentRun[] {
  return runs.filter((run) => run.step !== 'delete' && !run.isGone)
}

/** How far the deletion of a backup is: first its agents end, then its objects go, then it. */
export function nextDeletion(given: BackupCase): Omit<BackupStatus, 'state'> {
  const { state, retryAt, reason: _reason, message: _message, ...before } = given.status ?? { state: 'Waiting' }
  const status: Omit<BackupStatus, 'state'> = state === 'Deleting' ? before : { ...before, attempt: 1 }
  // Deleted is told by itself, after what became of the objects was.
  if (isOver(before)) return { ...before, deleted: true }
  if (before.beganAt === undefined) return state === 'Deleting' ? { ...status, deleted: true } : status
  const left = leftBehind(given)
  if (left !== null) return { ...status, objectsLeft: left }
  return { ...status, ...nextAttempt(given, status, retryAt) }
}

/** What came of the agent that deletes, and whether another follows it. */
function nextAttempt(
  { runs, now }: BackupCase,
  { attempt = 1 }: Partial<BackupStatus>,
  retryAt: string | undefined,
): Partial<BackupStatus> {
  const run = runs.find((one) => one.step === 'delete' && one.attempt === attempt)
  const done = doneOf(run, 'DeleteBackup')
  if (done !== undefined) return { objectsDeleted: done.objects }
  const failure = failureOf(run)
  if (failure === null) return retryAt !== undefined && isPaused({ retryAt }, now) ? { retryAt } : {}
  if (attempt >= MOST_ATTEMPTS) return { objectsLeft: failure.message }
  return { attempt: attempt + 1, ...pauseAfter(failure, attempt, now) }
}

const isOver = (status: Omit<BackupStatus, 'state'>): boolean =>
  status.objectsDeleted !== undefined || status.objectsLeft !== undefined

/** Why objects are left where they are, in words; null while they can still be deleted. */
function leftBehind(given: BackupCase): string | null {
  const { backup, spec, storage, trouble, now } = given
  const waitedMs = now - (backup.deletionAt ?? now)
  if (storage === null) return `the RedisBackupStorage ${spec.storageName} is gone`
  if (trouble !== null && waitedMs > PATIENCE_MS.trouble) return `no agent could be started: ${trouble}`
  if (waitedMs > PATIENCE_MS.objects) return 'the storage did not delete them in 15 minutes'
  return null
}

/** Whether objects may be deleted: no agent writes any more, or it was waited for long enough. */
export function mayDeleteObjects(given: BackupCase): boolean {
  const waitedMs = given.now - (given.backup.deletionAt ?? given.now)
  return writing(given).length === 0 || waitedMs > PATIENCE_MS.agents
}
