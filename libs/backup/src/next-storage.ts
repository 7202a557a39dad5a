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

type Said = { readonly state: 'Usable' | 'Unusable'; readonly reason?: string; readonly message?: string }

/** PURE: what the storage is by now. */
export function nextStorage(given: StorageCase): StorageStatus {
  const { storage, status } = given
  const before = status ?? { state: 'Checking' }
  if (storage.deletionAt !== undefined)
    return { ...before, state: 'Deleting', ...(before.state === 'Deleting' ? { deleted: true } : {}) }
  const kept = { ...before, ...inside(given) }
  const run = presentCheck(given)
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
  // It never ran: what is known stands, and it is tried again at once.
  if (state === 'Usable' && done === undefined) return { checks }
  return {
    ...(typeof done?.keepsFirst === 'boolean' ? { keepsFirst: done.keepsFirst } : {}),
    // For whoever has lost everything else; what was not found out stays as it was.
    ...(done === undefined || done.held === null ? {} : { held: done.held }),
    checks,
    failedChecks: state === 'Usable' ? 0 : (status?.failedChecks ?? 0) + 1,
    checkedAt: new Date(now).toISOString(),
    checkedGeneration: storage.generation,
  }
}

function without({ reason: _reason, message: _message, ...rest }: StorageStatus): StorageStatus {
  return rest
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

function inside({ backups }: StorageCase): Pick<StorageStatus, 'backups' | 'bytes' | 'recoveryWindow'> {
  const times = backups.map((one) => one.endedAt).toSorted()
  const [from, to] = [times[0], times.at(-1)]
  return defined({
    backups: backups.length,
    bytes: backups.reduce((sum, one) => sum + one.bytes, 0),
    recoveryWindow: from === undefined || to === undefined ? undefined : { from, to },
  })
}

/** When it is to be tried again, Unix ms; 0 for at once. */
export function nextCheckAt({ storage }: StorageCase, status: StorageStatus): number {
  const { state, checkedAt, checkedGeneration, failedChecks = 1 } = status
  if (checkedAt === undefined || checkedGeneration !== storage.generation) return 0
  const longer = Math.min(AGAIN_MS.UnusableAtMost, AGAIN_MS.Unusable * 2 ** (failedChecks - 1))
  return Date.parse(checkedAt) + (state === 'Usable' ? AGAIN_MS.Usable : longer)
}

/** The commands for what the status is by now, in order. */
export function planStorage(given: StorageCase, status: StorageStatus): readonly BackupCommand[] {
  const { storage, runs, now } = given
  if (status.state === 'Deleting')
    return runs.filter((one) => !one.isStopping).map(({ job, uid }) => ({ type: 'StopAgent', job, uid }))
  const commands: BackupCommand[] = storage.hasFinalizer ? [] : [{ type: 'EnsureFinalizer' }]
  const order = checkOrder(given, (status.checks ?? 0) + 1)
  const isDue = now >= nextCheckAt(given, status)
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
