import { defined } from '@slotkeeper/api'
import type { StorageStatus } from '@slotkeeper/events'
import { agentName } from './agent-name.ts'
import type { AgentDone } from './agent-report.ts'
import type { AgentRun } from './backup-case.ts'
import type { AgentOrder, BackupCommand } from './backup-command.ts'
import { doneOf, type Failure, failureOf } from './agent-outcome.ts'

/** How often a storage is tried: one that served, and one that did not, which waits twice as long after each time. */
const AGAIN_MS = { Usable: 6 * 3_600_000, Unusable: 60_000, UnusableAtMost: 600_000 } as const
const CHECK_MS = 120_000
/**
 * What it holds is looked at once a backup was completed in it, or went: by then one that is deleted is gone, and no check that
 * was under way has missed it. No more often than that.
 */
const AFTER_CHANGE_MS = { least: 150_000, between: 300_000 } as const
/** Why a check does not run. */
const NO_AGENT = 'NoAgent'
const NOT_RUNNING = 'AgentNotRunning'
/** Uploads that nobody ended for so long are of agents that are dead: no deadline of a backup is longer than a week. */
const SWEEP_AFTER_MS = 8 * 24 * 3_600_000

/** Everything that a decision about a storage depends on. */
export type StorageCase = {
  readonly storage: {
    readonly namespace: string
    readonly name: string
    readonly uid: string
    readonly generation: number
    readonly deletionAt?: number
    readonly hasFinalizer: boolean
    /** What a person has written to have it tried at once: another word, another time. */
    readonly asked?: string
  }
  readonly status: StorageStatus | null
  readonly runs: readonly AgentRun[]
  /** The completed backups that are in it: when each ended, RFC 3339, and its bytes. */
  readonly backups: readonly { readonly endedAt: string; readonly bytes: number }[]
  /** What no agent could be started for, in words; null when there was nothing. */
  readonly trouble: string | null
  readonly now: number
}

/** The states of a storage, with a sentence for people. */
export const STORAGE_STATES = {
  Checking: 'A small object is being written, read, listed and deleted there.',
  Usable: 'Backups can be kept there.',
  Unusable: 'It did not serve: the condition says what is missing.',
  Deleting: 'The object is being deleted; what is stored stays.',
} as const

/** A sentence for people on a storage in that state. */
export const storageSentence = (state: keyof typeof STORAGE_STATES, isEncrypted: boolean): string =>
  state === 'Usable' && !isEncrypted ? 'Backups can be kept there, unencrypted.' : STORAGE_STATES[state]

type Said = { readonly state: 'Usable' | 'Unusable'; readonly reason?: string; readonly message?: string }

/** PURE: what the storage is by now. */
export function nextStorage(given: StorageCase): StorageStatus {
  const { storage, status } = given
  const { nextCheckAt: _nextCheckAt, ...before } = status ?? { state: 'Checking' }
  if (storage.deletionAt !== undefined)
    return { ...before, state: 'Deleting', ...(before.state === 'Deleting' ? { deleted: true } : {}) }
  const run = presentCheck(given)
  return timed(given, learning(given, run), run)
}

/** What is known of it, by the agent that tries it or has just tried it. */
function learning(given: StorageCase, run: AgentRun | undefined): StorageStatus {
  const before = given.status ?? { state: 'Checking' }
  const kept = { ...before, ...inside(given) }
  const said = verdict(given, run)
  // What an earlier one waited for is over once the next one runs.
  if (said === null) return run !== undefined && before.state === 'Usable' ? without(kept) : kept
  const next = { ...without(kept), ...said }
  return run === undefined || run.state === 'running' ? next : { ...next, ...learnt(given, run, said) }
}

/** What a check that has ended leaves in the status beside its verdict. */
function learnt({ storage, status, now }: StorageCase, run: AgentRun, { state }: Said): Partial<StorageStatus> {
  const done = doneOf(run, 'CheckStorage')
  const checks = run.attempt
  // Of another spec nothing was found out yet.
  const failedBefore = status?.checkedGeneration === storage.generation ? (status.failedChecks ?? 0) : 0
  const failedChecks = state === 'Usable' ? 0 : failedBefore + 1
  // It never ran: what is known stands, and it is tried again at once.
  if (state === 'Usable' && done === undefined) return { checks }
  return {
    ...(typeof done?.keepsFirst === 'boolean' ? { keepsFirst: done.keepsFirst } : {}),
    // For whoever has lost everything else; what was not found out stays as it was.
    ...(done === undefined || done.held === null ? {} : { held: heldBy(done.held, status?.held) }),
    checks,
    failedChecks,
    checkedAt: new Date(now).toISOString(),
    checkedGeneration: storage.generation,
    nextCheckAt: new Date(now + pauseAfter(state, failedChecks)).toISOString(),
  }
}

type Held = NonNullable<StorageStatus['held']>

/** What was found of keys stands until it is found out anew. */
function heldBy(held: Held, before: Held | undefined): Held {
  if (held.unreadable !== undefined || before?.unreadable === undefined) return held
  const { unreadable, unreadableReason, unreadableMessage } = before
  return defined({ ...held, unreadable, unreadableReason, unreadableMessage })
}

const pauseAfter = (state: Said['state'], failedChecks: number): number =>
  state === 'Usable' ? AGAIN_MS.Usable : Math.min(AGAIN_MS.UnusableAtMost, AGAIN_MS.Unusable * 2 ** (failedChecks - 1))

/** When it is tried again; that is not said while it is time, or while it is being tried. */
function timed({ storage, now }: StorageCase, soFar: StorageStatus, run: AgentRun | undefined): StorageStatus {
  const so = soonerAfterChange(soFar)
  const { nextCheckAt: at, ...rest } = so
  // One that is under way may have begun before what was mended: it is tried once more.
  if (run === undefined && storage.asked !== undefined && storage.asked !== so.checkAsked)
    return { ...rest, checkAsked: storage.asked, failedChecks: 0 }
  const isOfThis = so.checkedGeneration === storage.generation
  return at === undefined || !isOfThis || Date.parse(at) <= now ? rest : so
}

function without({ reason: _reason, message: _message, ...rest }: StorageStatus): StorageStatus {
  return rest
}

/** What it holds may be something else than the last check found. */
function soonerAfterChange(so: StorageStatus): StorageStatus {
  const { backupsChangedAt, checkedAt, nextCheckAt: at } = so
  if (backupsChangedAt === undefined || checkedAt === undefined || at === undefined) return so
  const [changed, checked] = [Date.parse(backupsChangedAt), Date.parse(checkedAt)]
  if (checked >= changed + AFTER_CHANGE_MS.least) return so
  const soon = Math.max(changed + AFTER_CHANGE_MS.least, checked + AFTER_CHANGE_MS.between)
  return soon < Date.parse(at) ? { ...so, nextCheckAt: new Date(soon).toISOString() } : so
}

/** The agent that tries it now, or has just tried it. */
function presentCheck({ storage, status, runs }: StorageCase): AgentRun | undefined {
  const attempt = (status?.checks ?? 0) + 1
  return runs.find((one) => one.step === 'check' && one.part === storage.generation && one.attempt === attempt)
}

function verdict(given: StorageCase, run: AgentRun | undefined): Said | null {
  const { status, trouble } = given
  if (run === undefined)
    return trouble === null
      ? null
      : untried(given, { reason: NO_AGENT, message: `no agent could be started: ${trouble}` })
  const done = doneOf(run, 'CheckStorage')
  if (done !== undefined) return ofCheck(done)
  if (run.state === 'running')
    return run.waitsFor === undefined ? null : untried(given, { reason: NOT_RUNNING, message: run.waitsFor })
  // Without a word, after it was last seen to wait: it was given up before it began.
  const { state, reason, message } = status ?? {}
  if (run.report === null && reason === NOT_RUNNING && message !== undefined)
    return { state: state === 'Usable' ? state : 'Unusable', reason, message }
  const failure = failureOf(run)
  return failure === null ? null : { state: 'Unusable', ...failure }
}

/** What is said while no check runs: that is no evidence against a storage that has served. */
function untried({ storage, status }: StorageCase, { reason, message }: Failure): Said {
  if (status?.state !== 'Usable' || status.checkedGeneration !== storage.generation)
    return { state: 'Unusable', reason, message }
  const since = `it served when it was last tried (${status.checkedAt})`
  return { state: 'Usable', reason, message: `${since}, and the check that is due waits: ${message}` }
}

function ofCheck({ ok, missingPermissions, faults }: Extract<AgentDone, { task: 'CheckStorage' }>): Said {
  if (ok) return { state: 'Usable' }
  if (missingPermissions.length > 0) {
    const message = `its user is not allowed to: ${missingPermissions.join(', ')}. Grant that`
    return { state: 'Unusable', reason: 'PermissionMissing', message }
  }
  return { state: 'Unusable', reason: 'CheckFailed', message: faults.join('; ') }
}

function inside({
  backups,
  status,
  now,
}: StorageCase): Pick<StorageStatus, 'backups' | 'bytes' | 'recoveryWindow' | 'backupsChangedAt'> {
  const times = backups.map((one) => one.endedAt).toSorted()
  const [from, to] = [times[0], times.at(-1)]
  const isOther =
    status?.backups !== undefined && (status.backups !== backups.length || status.recoveryWindow?.to !== to)
  return defined({
    backupsChangedAt: isOther ? new Date(now).toISOString() : undefined,
    backups: backups.length,
    bytes: backups.reduce((sum, one) => sum + one.bytes, 0),
    recoveryWindow: from === undefined || to === undefined ? undefined : { from, to },
  })
}

/** When it is to be tried again, Unix ms; 0 for at once. */
export const nextCheckAt = ({ nextCheckAt: at }: StorageStatus): number => (at === undefined ? 0 : Date.parse(at))

/** The commands for what the status is by now, in order. */
export function planStorage(given: StorageCase, status: StorageStatus): readonly BackupCommand[] {
  const { storage, runs, now } = given
  if (status.state === 'Deleting')
    return runs.filter((one) => !one.isStopping).map(({ job, uid }) => ({ type: 'StopAgent', job, uid }))
  const commands: BackupCommand[] = storage.hasFinalizer ? [] : [{ type: 'EnsureFinalizer' }]
  const order = checkOrder(given, (status.checks ?? 0) + 1)
  const isDue = now >= nextCheckAt(status)
  if (isDue && !runs.some((one) => one.job === order.job)) commands.push({ type: 'RunAgent', ...order })
  // What the last one said is in the status; its log stays until the next.
  const last = isDue ? [order.job] : runs.filter((one) => one.attempt === status.checks).map((one) => one.job)
  for (const { job, uid } of runs.filter((one) => !one.isStopping && !last.includes(one.job)))
    commands.push({ type: 'StopAgent', job, uid })
  return commands
}

function checkOrder({ storage, status }: StorageCase, attempt: number): AgentOrder {
  const part = storage.generation
  const job = agentName(storage, 'check', attempt, part)
  // What a manifest says never changes; those that could not be read are read anew, and all where it is another place by now.
  const held = status?.checkedGeneration === part ? (status.held?.newest ?? []) : []
  const known = held.filter(({ cluster, keys }) => cluster !== undefined && keys !== undefined)
  return {
    job,
    step: 'check',
    part,
    attempt,
    task: { type: 'CheckStorage', sweepAfterMs: SWEEP_AFTER_MS, known },
    deadlineMs: CHECK_MS,
  }
}
