import { type AgentDone, type HeldBackup, type HeldBackups, isNameOfOurs } from '@slotkeeper/backup'
import {
  type CheckStep,
  checkStorage,
  type ContainerKeys,
  type ObjectStore,
  StorageError,
} from '@slotkeeper/object-storage'
import { faultsInWords } from './check-faults.ts'
import { clearChecks } from './clear-checks.ts'
import { heldBackups } from './held-backups.ts'
import { limitsOf, spareLimits, type TaskContext, type TaskOf, withStorage } from './task-context.ts'
import { withUnreadable } from './unreadable-backups.ts'

type Swept = { readonly swept: number; readonly error?: StorageError }

/**
 * Tries all that backups need of a storage, takes back what crashed agents left, and tells what is there. What is wrong with the
 * storage is in the result; what is wrong with the Secrets is an error.
 */
export async function runCheckStorage(
  { sweepAfterMs, known }: TaskOf<'CheckStorage'>,
  context: TaskContext,
): Promise<AgentDone> {
  const { encryption } = context.plan
  const keys = encryption === null ? 'none' : await context.secrets.keys(encryption.keys, encryption.current)
  return withStorage(context, {}, async (store) => {
    const check = await checkStorage(store, limitsOf(context))
    const errors = check.steps.flatMap(({ error }) =>
      error === undefined || error.fault === 'Forbidden' ? [] : [error],
    )
    const hasPassed = (which: CheckStep): boolean =>
      check.steps.some(({ step, outcome }) => step === which && outcome === 'passed')
    const { swept, error } = hasPassed('sweep') ? await sweep(store, sweepAfterMs, context) : { swept: 0 }
    // Also where nothing may be written: one that is only read is all that is left after a disaster, perhaps.
    const held = hasPassed('list') ? await holds(store, known, keys, context) : null
    if (hasPassed('list') && hasPassed('delete')) await clear(store, context)
    const sentences = faultsInWords([...errors, ...(error === undefined ? [] : [error])])
    const left = check.leftBehind === null ? [] : [`${check.leftBehind} could not be deleted again.`]
    return {
      task: 'CheckStorage',
      ok: check.ok && error === undefined,
      missingPermissions: Array.from(new Set(check.missingPermissions)),
      faults: [...sentences, ...left],
      keepsFirst: check.keepsFirst,
      swept,
      held,
    }
  })
}

/** What the storage holds, as far as there is time for it: null where nothing is known. */
async function holds(
  store: ObjectStore,
  known: readonly HeldBackup[],
  keys: ContainerKeys | 'none',
  context: TaskContext,
): Promise<HeldBackups | null> {
  const limits = spareLimits(context)
  const held = limits === null ? null : await heldBackups(store, known, limits)
  const rest = spareLimits(context)
  return held === null || rest === null ? held : await withUnreadable(store, held, keys, rest)
}

/** This check has shown already whether it may delete: what it can't delete of others is no fault of the storage. */
async function clear(store: ObjectStore, context: TaskContext): Promise<void> {
  const limits = spareLimits(context)
  if (limits === null) return
  const { deleted, error } = await clearChecks(store, limits)
  const { log, secrets } = context
  if (deleted > 0) log.info({ deleted }, 'what killed checks left is deleted')
  if (error !== undefined)
    log.warn({ why: secrets.withheld(error.message) }, 'what killed checks left could not be deleted')
}

/** Uploads of others are let be: the bucket may be shared, and the prefix empty. What takes too long is no fault: the next goes on. */
async function sweep(store: ObjectStore, afterMs: number, context: TaskContext): Promise<Swept> {
  const olderThan = new Date(Date.now() - afterMs)
  const limits = spareLimits(context)
  if (limits === null) return { swept: 0 }
  // What it holds is to be told as well.
  const deadlineMs = Math.ceil(limits.deadlineMs / 2)
  try {
    return { swept: (await store.sweep('', olderThan, { ...limits, deadlineMs, only: isNameOfOurs })).length }
  } catch (error) {
    context.signal.throwIfAborted()
    if (!(error instanceof StorageError)) throw error
    if (error.fault !== 'Deadline') return { swept: 0, error }
    context.log.warn('there was no time to take back all that crashed agents left')
    return { swept: 0 }
  }
}
