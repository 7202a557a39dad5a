import type { AgentPlan, AgentTask } from '@slotkeeper/backup'
import type { Limits, ObjectStore } from '@slotkeeper/object-storage'
import type { Logger } from '@slotkeeper/observability'
import type { MountedSecrets } from './mounted-secrets.ts'
import { openStorage, type StorageUse } from './open-storage.ts'
import type { Progress } from './progress.ts'

/** What every task is run with. */
export type TaskContext = {
  readonly plan: AgentPlan
  /** Drawn by this process: 8 hex digits, for the names of what it stores. */
  readonly attempt: string
  readonly secrets: MountedSecrets
  readonly progress: Progress
  readonly log: Logger
  /** Aborted, with an AgentError, when the time is over or the process is told to end. */
  readonly signal: AbortSignal
  /** How much of the task's time is left, in milliseconds. */
  readonly leftMs: () => number
}

/** One of the tasks, by its type. */
export type TaskOf<T extends AgentTask['type']> = Extract<AgentTask, { readonly type: T }>

/** For how long is cleared up after the signal: it fits into the time that Kubernetes gives a pod to end. */
export const CLEARING_MS = 10_000

/** The limits of calls on the storage, for a task or a part of it. */
export const limitsOf = ({ plan, signal }: Pick<TaskContext, 'plan' | 'signal'>): Limits => ({
  signal,
  deadlineMs: plan.deadlineMs,
})

/** What is kept of a task's time for what is no part of its result: to take back what is under way, and to report. */
const REPORTING_MS = 10_000

/**
 * The limits of what may be left out of a task: it ends while there is time to report what was done without it.
 *
 * @returns null where there is no time for it any more
 */
export function spareLimits({ signal, leftMs }: Pick<TaskContext, 'signal' | 'leftMs'>): Limits | null {
  const deadlineMs = Math.floor(leftMs() - REPORTING_MS)
  return deadlineMs > 0 ? { signal, deadlineMs } : null
}

/** The limits of one call after the other, which have so much time together. */
export function sharedLimits({ signal, deadlineMs }: Limits): () => Limits {
  const endsAt = performance.now() + deadlineMs
  return () => ({ signal, deadlineMs: Math.max(1, Math.ceil(endsAt - performance.now())) })
}

/** Limits for clearing up, which comes after a task was called off. */
export const clearingLimits = (): Limits => ({ signal: AbortSignal.timeout(CLEARING_MS), deadlineMs: CLEARING_MS })

/** Opens the plan's storage, and closes it afterwards. */
export async function withStorage<T>(
  { plan, secrets }: TaskContext,
  use: StorageUse,
  work: (store: ObjectStore) => Promise<T>,
): Promise<T> {
  const store = await openStorage(plan.storage, secrets, use)
  try {
    return await work(store)
  } finally {
    store.close()
  }
}
