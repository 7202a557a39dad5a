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
