import { defined } from '@slotkeeper/api'
import type { BackupStatus } from '@slotkeeper/events'
import { doneOf, type Failure, failureOf, isPaused, pauseAfter } from './agent-outcome.ts'
import type { AgentRun, BackupCase } from './backup-case.ts'
import { expiredNow, isWantedAgain } from './retention.ts'

/** After this long agents that can not be stopped are no longer waited for. */
const AGENTS_MS = 120_000
/**
 * For how long it is tried to delete the objects, with growing pauses: a finalizer must not hang. Nobody waits for what a
 * retention policy lets go of.
 */
const PATIENCE = {
  asked: { ms: 900_000, words: '15 minutes', mostPauseMs: 60_000 },
  expired: { ms: 86_400_000, words: '24 hours', mostPauseMs: 600_000 },
} as const

type Deletion = Omit<BackupStatus, 'state'>
type Said = Pick<BackupStatus, 'retryAt' | 'reason' | 'message'>

const patienceOf = ({ expired }: Deletion) => PATIENCE[expired === undefined ? 'asked' : 'expired']

/** For how long a deletion goes on at most, in milliseconds. */
export const deletionMs = (status: Deletion): number => patienceOf(status).ms

/** The agents that may still write into the storage. */
export function writing({ runs }: BackupCase): readonly AgentRun[] {
  return runs.filter((run) => run.step !== 'delete' && !run.isGone)
}

/** How far the deletion of a backup is: first its agents end, then its objects go, then it. */
export function nextDeletion(given: BackupCase): Deletion {
  const { state, retryAt, reason, message, ...stored } = given.status ?? { state: 'Waiting' }
  if (state !== 'Deleting') return begun(given, stored)
  // Deleted is told by itself, after what became of the objects was.
  if (isOver(stored)) return { ...stored, deleted: true }
  const before = withoutOverruled(given, stored)
  const run = given.runs.find((one) => one.step === 'delete' && one.attempt === (before.attempt ?? 1))
  const done = doneOf(run, 'DeleteBackup')
  if (done !== undefined && writing(given).length === 0) return { ...before, ...deletedBy(given, before, done.objects) }
  // What an agent writes that could not be stopped would be left: once more, when it is gone.
  const failure = done === undefined ? (failureOf(run) ?? notStarted(given, run)) : STILL_WRITING
  const attempt = { run, failure, said: stillTrue(defined({ retryAt, reason, message }), run) }
  const left = leftBehind(given, before, (failure ?? hindrance(given, run) ?? attempt.said).message)
  if (left !== null) return { ...before, objectsLeft: left }
  return { ...before, ...nextAttempt(given, before, attempt) }
}

function begun(given: BackupCase, { expired: wasExpired, ...before }: Deletion): Deletion {
  // One that a policy would let go of may be deleted by a person all the same.
  const why =
    wasExpired !== undefined && given.backup.isLetGo === true ? (expiredNow(given, before) ?? wasExpired) : null
  const deletingSince = new Date(given.now).toISOString()
  const isOverruled = given.spec.deletionPolicy === 'Retain' && (why !== null || isWaste(given, before))
  const overruled = isOverruled ? { overruled: true } : {}
  const so = { ...before, ...(why === null ? {} : { expired: why }), ...overruled, attempt: 1, deletingSince }
  // What is not known to have begun nothing may have objects: its status may have been erased.
  const mayHaveObjects = given.status === null || before.beganAt !== undefined || before.attempt !== undefined
  if (!mayHaveObjects) return { ...so, objectsDeleted: 0 }
  // The newer ones may have gone since, or the policy be another one.
  if (why !== null && given.storage !== null && isWantedAgain(given, so, why))
    return { ...so, objectsLeft: WANTED_AGAIN }
  return stays(given, so) ? { ...so, ...RETAINED, objectsKept: true } : so
}

/** Once every shard is stored the manifest may be there, also where the agent that wrote it was never heard. */
export function isAllStored({ manifest, shards = [] }: Partial<BackupStatus>): boolean {
  return manifest !== undefined || (shards.length > 0 && shards.every((one) => one.record !== undefined))
}

/** Whether its schedule has deleted what nobody could restore; of one whose status was lost nobody knows that. */
const isWaste = ({ backup, status }: BackupCase, before: Deletion): boolean =>
  backup.isDiscarded === true && status !== null && status.state !== 'Adopting' && !isAllStored(before)

/** Whether what is stored is to stay: we pass over what was said before it began, not over what is said since. */
const stays = ({ spec }: BackupCase, { overruled }: Deletion): boolean =>
  spec.deletionPolicy === 'Retain' && overruled !== true

/** Once it is no longer said, it may be said anew. */
function withoutOverruled({ spec }: BackupCase, { overruled, ...before }: Deletion): Deletion {
  return overruled === true && spec.deletionPolicy === 'Retain' ? { ...before, overruled } : before
}

type Attempt = { readonly run: AgentRun | undefined; readonly failure: Failure | null; readonly said: Said }

/** What came of the agent that deletes, and whether another follows it. */
function nextAttempt(given: BackupCase, before: Deletion, { run, failure, said }: Attempt): Deletion {
  const { attempt = 1 } = before
  if (failure !== null)
    return { attempt: attempt + 1, ...pauseAfter(failure, attempt, given.now, patienceOf(before).mostPauseMs) }
  if (isPaused(said, given.now)) return said
  const { retryAt: _retryAt, ...last } = said
  // Why the last attempt failed is said until the next one has ended.
  return hindrance(given, run) ?? last
}

/** An agent that cannot be started is an attempt that failed: as the others it is made again after a pause that grows. */
function notStarted(given: BackupCase, run: AgentRun | undefined): Failure | null {
  const { trouble, status, now } = given
  if (trouble === null || run !== undefined || isPaused(status ?? {}, now) || !mayDeleteObjects(given)) return null
  return { reason: 'NoAgent', message: `no agent could be started: ${trouble}` }
}

/** What was whole had objects: where the first agent finds none of them the storage is another place by now, or was emptied. */
function deletedBy({ spec }: BackupCase, before: Deletion, objects: number): Partial<Deletion> {
  const { attempt = 1 } = before
  if (objects > 0 || !isAllStored(before) || attempt > 1) return { objectsDeleted: objects }
  return { objectsLeft: `nothing of it is where the RedisBackupStorage ${spec.storageName} points now` }
}

/** What was said before, without what was only so while an agent was awaited: `hindrance` finds anew whether it is. */
function stillTrue(said: Said, run: AgentRun | undefined): Said {
  const isOnTheWay = said.reason === 'AgentNotRunning' || said.message === STOPPING.message
  return isOnTheWay || (said.reason === 'NoAgent' && run !== undefined) ? {} : said
}

/** Why nothing is deleted just now; null where that is not so. */
function hindrance(given: BackupCase, run: AgentRun | undefined): Failure | null {
  if (run?.waitsFor !== undefined) return { reason: 'AgentNotRunning', message: `${run.job}: ${run.waitsFor}` }
  return mayDeleteObjects(given) ? null : STOPPING
}

const WANTED_AGAIN = 'the retention policy no longer lets go of it'
const RETAINED = { reason: 'Retained', message: 'what is stored stays (spec.deletionPolicy: Retain)' }
const STOPPING = { reason: 'AgentRunning', message: 'agents that may still write are being stopped' }
const STILL_WRITING = { reason: 'AgentRunning', message: 'an agent that could not be stopped may still write' }

/** Whether what becomes of the objects is settled. */
export const isOver = ({ objectsDeleted, objectsKept, objectsLeft }: Deletion): boolean =>
  objectsDeleted !== undefined || objectsKept === true || objectsLeft !== undefined

/** For how long it is being deleted, as far as somebody was there to do it: in milliseconds. */
function waited({ status, now }: BackupCase): number {
  return status?.deletingSince === undefined ? 0 : now - Date.parse(status.deletingSince)
}

/** Why objects are left where they are, in words; null while they can still be deleted. */
function leftBehind(given: BackupCase, before: Deletion, last: string | undefined): string | null {
  const { spec, storage } = given
  const { ms, words } = patienceOf(before)
  // Where the namespace goes its storages go too: then nobody waits.
  if (storage === null) return `the RedisBackupStorage ${spec.storageName} is gone`
  if (stays(given, before)) return 'spec.deletionPolicy became Retain while they were being deleted'
  // What nobody wants gone any more is not deleted: it cannot be brought back.
  if (before.expired !== undefined && isWantedAgain(given, before, before.expired)) return WANTED_AGAIN
  if (waited(given) <= ms) return null
  return `they were not deleted in ${words}${last === undefined ? '' : `; last: ${last}`}`
}

/** Whether objects may be deleted: no agent writes any more, or it was waited for long enough. */
export function mayDeleteObjects(given: BackupCase): boolean {
  return writing(given).length === 0 || waited(given) > AGENTS_MS
}
