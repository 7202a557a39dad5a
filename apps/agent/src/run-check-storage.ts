import { type AgentDone, isNameOfOurs } from '@slotkeeper/backup'
import { checkStorage, type ObjectStore, StorageError } from '@slotkeeper/object-storage'
import { heldBackups } from './held-backups.ts'
import { limitsOf, type TaskContext, type TaskOf, withStorage } from './task-context.ts'

type Swept = { readonly swept: number; readonly error?: StorageError }

/**
 * Tries all that backups need of a storage, takes back what crashed agents left unfinished, and tells what is there. What is wrong with the
 * storage is in the result; what is wrong with the Secrets is an error.
 */
export async function runCheckStorage(
  { sweepAfterMs, known }: TaskOf<'CheckStorage'>,
  context: TaskContext,
): Promise<AgentDone> {
  const { encryption } = context.plan
  if (encryption !== null) await context.secrets.keys(encryption.keys, encryption.current)
  return withStorage(context, {}, async (store) => {
    const check = await checkStorage(store, limitsOf(context))
    const errors = check.steps.flatMap(({ error }) =>
      error === undefined || error.fault === 'Forbidden' ? [] : [error],
    )
    const isSweepable = check.steps.some(({ step, outcome }) => step === 'sweep' && outcome === 'passed')
    const { swept, error } = isSweepable ? await sweep(store, sweepAfterMs, context) : { swept: 0 }
    // Also where nothing may be written: one that is only read is all that is left after a disaster, perhaps.
    const isListed = check.steps.some(({ step, outcome }) => step === 'list' && outcome === 'passed')
    const held = isListed ? await heldBackups(store, known, limitsOf(context)) : null
    const sentences = [...errors, ...(error === undefined ? [] : [error])].map(sentenceOf)
    const left = check.leftBehind === null ? [] : [`${check.leftBehind} could not be deleted again.`]
    return {
      task: 'CheckStorage',
      ok: check.ok && error === undefined,
      missingPermissions: Array.from(new Set(check.missingPermissions)),
      faults: Array.from(new Set([...sentences, ...left])),
      keepsFirst: check.keepsFirst,
      swept,
      held,
    }
  })
}

/** Uploads of others are let be: the bucket may be shared, and the prefix empty. */
async function sweep(store: ObjectStore, afterMs: number, context: TaskContext): Promise<Swept> {
  const olderThan = new Date(Date.now() - afterMs)
  try {
    return { swept: (await store.sweep('', olderThan, { ...limitsOf(context), only: isNameOfOurs })).length }
  } catch (error) {
    context.signal.throwIfAborted()
    if (!(error instanceof StorageError)) throw error
    return { swept: 0, error }
  }
}

const sentenceOf = ({ message, remedy }: StorageError): string => `${message}. ${remedy}.`
