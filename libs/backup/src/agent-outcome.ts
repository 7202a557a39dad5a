import { defined } from '@slotkeeper/api'
import { AGENT_FAULTS, type AgentDone, type AgentFault } from './agent-report.ts'
import type { AgentRun } from './backup-case.ts'

/** How often an agent is started for the same thing. */
export const MOST_ATTEMPTS = 5
const FIRST_PAUSE_MS = 5_000

/** Why something failed: a name of a closed set, and a sentence. */
export type Failure = { readonly reason: string; readonly message: string }

/** What a task reported that succeeded. */
export function doneOf<T extends AgentDone['task']>(
  run: AgentRun | undefined,
  task: T,
): Extract<AgentDone, { task: T }> | undefined {
  const report = run?.report
  if (report?.result !== 'Done' || report.done.task !== task) return undefined
  return report.done as Extract<AgentDone, { task: T }>
}

/** Why an agent that has ended did not do what it was there for; null while it runs. */
export function failureOf(run: AgentRun | undefined): Failure | null {
  if (run === undefined || run.state === 'running') return null
  if (run.report?.result === 'Failed') return { reason: run.report.fault, message: run.report.message }
  const message = run.waitsFor ?? 'the agent ended without a word: it was killed, or its pod was evicted'
  return { reason: 'Interrupted', message }
}

/** Whether another attempt would fail like this one. */
export const isForPerson = ({ reason }: Failure): boolean =>
  Object.hasOwn(AGENT_FAULTS, reason) && AGENT_FAULTS[reason as AgentFault] === 'person'

/** What a status says between an attempt that failed and the next one; each waits twice as long, up to `mostMs`. */
export function pauseAfter(
  failure: Failure,
  attempt: number,
  now: number,
  mostMs = Infinity,
): Failure & { readonly retryAt: string } {
  const pauseMs = Math.min(mostMs, FIRST_PAUSE_MS * 2 ** (attempt - 1))
  return { ...failure, retryAt: new Date(now + pauseMs).toISOString() }
}

/** Whether it is too early for another attempt. */
export const isPaused = ({ retryAt }: { readonly retryAt?: string }, now: number): boolean =>
  retryAt !== undefined && Date.parse(retryAt) > now

/**
 * A pause and its reason are over once the agent that follows it is there.
 *
 * @param why what keeps agents from being started; null when nothing does
 */
export function withoutPause<S extends Partial<Failure> & { readonly retryAt?: string }>(
  before: S,
  { runs, now }: { readonly runs: readonly AgentRun[]; readonly now: number },
  why: Failure | null,
): Omit<S, 'retryAt' | 'reason' | 'message'> & Partial<Failure> & { readonly retryAt?: string } {
  if (isPaused(before, now)) return before
  const { retryAt: _retryAt, reason: _reason, message: _message, ...rest } = before
  const stuck = runs.find((one) => one.state === 'running' && one.waitsFor !== undefined)
  if (stuck?.waitsFor !== undefined)
    return { ...rest, reason: 'AgentNotRunning', message: `${stuck.job}: ${stuck.waitsFor}` }
  return why === null ? rest : { ...rest, ...why }
}

/** The commands that stop agents, those that are stopping already aside. */
export function stopsOf(
  runs: readonly AgentRun[],
  which: (one: AgentRun) => boolean,
): readonly { readonly type: 'StopAgent'; readonly job: string; readonly uid: string }[] {
  return runs.filter((one) => !one.isStopping && which(one)).map(({ job, uid }) => ({ type: 'StopAgent', job, uid }))
}

/** How far an agent is with a shard, as a status says it. */
export function streamedOf(run: AgentRun | undefined, shard: number) {
  const so = run?.progress?.shards.find((its) => its.shard === shard)
  return so === undefined ? {} : defined({ streamedBytes: so.bytes, streamedKeys: so.keys, expectedKeys: so.ofKeys })
}
