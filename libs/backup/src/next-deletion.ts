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
  if (state !== 'Deleting') {
    const begun = { ...before, attempt: 1, deletingSince: new Date(given.now).toISOString() }
    // What is not known to have begun nothing may have objects: its status may have been erased.
    const wasBegun = before.beganAt !== undefined || before.attempt !== undefined
    const mayHaveObjects = given.status === null || wasBegun
    return mayHaveObjects ? begun : { ...begun, objectsDeleted: 0 }
  }
  // Deleted is told by itself, after what became of the objects was.
  if (isOver(before)) return { ...before, deleted: true }
  const left = leftBehind(given)
  if (left !== null) return { ...before, objectsLeft: left }
  return { ...before, ...nextAttempt(given, before, retryAt) }
}

/** What came of the agent that deletes, and whether another follows it. */
function nextAttempt(
  given: BackupCase,
  { attempt = 1 }: Partial<BackupStatus>,
  retryAt: string | undefined,
): Partial<BackupStatus> {
  const { now } = given
  const run = given.runs.find((one) => one.step === 'delete' && one.attempt === attempt)
  const done = doneOf(run, 'DeleteBackup')
  if (done !== undefined && writing(given).length === 0) return { objectsDeleted: done.objects }
  // What an agent writes that could not be stopped would be left: once more, when it is gone.
  if (done !== undefined && attempt < MOST_ATTEMPTS)
    return { attempt: attempt + 1, ...pauseAfter(STILL_WRITING, attempt, now) }
  if (done !== undefined) return { objectsLeft: STILL_WRITING.message }
  const failure = failureOf(run)
  if (failure === null) return retryAt !== undefined && isPaused({ retryAt }, now) ? { retryAt } : {}
  if (attempt >= MOST_ATTEMPTS) return { objectsLeft: failure.message }
  return { attempt: attempt + 1, ...pauseAfter(failure, attempt, now) }
}

const STILL_WRITING = { reason: 'AgentRunning', message: 'an agent that could not be stopped may still write' }

/** Whether what becomes of the objects is settled. */
export const isOver = (status: Omit<BackupStatus, 'state'>): boolean =>
  status.objectsDeleted !== undefined || status.objectsLeft !== undefined

/** For how long it is being deleted, as far as somebody was there to do it: in milliseconds. */
function waited({ status, now }: BackupCase): number {
  return status?.deletingSince === undefined ? 0 : now - Date.parse(status.deletingSince)
}

/** Why objects are left where they are, in words; null while they can still be deleted. */
function leftBehind(given: BackupCase): string | null {
  const { spec, storage, trouble } = given
  const waitedMs = waited(given)
  if (storage === null) return `the RedisBackupStorage ${spec.storageName} is gone`
  if (trouble !== null && waitedMs > PATIENCE_MS.trouble) return `no agent could be started: ${trouble}`
  if (waitedMs > PATIENCE_MS.objects) return 'the storage did not delete them in 15 minutes'
  return null
}

/** Whether objects may be deleted: no agent writes any more, or it was waited for long enough. */
export function mayDeleteObjects(given: BackupCase): boolean {
  return writing(given).length === 0 || waited(given) > PATIENCE_MS.agents
}
