import { type Limits, type ObjectStore, StorageError } from '@slotkeeper/object-storage'
import { sharedLimits } from './task-context.ts'

const FOLDER = 'slotkeeper-check/'
/** What a check writes; anything else that may be in its folder is let be. */
const CHECK = /^slotkeeper-check\/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
/** No check takes so long: what is older is of one that was killed. */
const OVER_MS = 3_600_000
/** A storage with very many is not to fail its check: what is left goes with the next. */
const CLEARING_MS = 20_000
const MOST_CLEARED = 10_000

/** What became of what killed checks have left. */
export type Cleared = { readonly deleted: number; readonly error?: StorageError }

/**
 * Deletes the objects of checks that were killed before they could do so themselves: those that were found in half of the time
 * for it. One that can't be deleted stays: that is in the result, and rejects only when called off.
 */
export async function clearChecks(
  store: Pick<ObjectStore, 'list' | 'delete'>,
  { signal, deadlineMs }: Limits,
  now = Date.now(),
): Promise<Cleared> {
  const inAllMs = Math.min(deadlineMs, CLEARING_MS)
  const limits = sharedLimits({ signal, deadlineMs: inAllMs })
  const finding = { signal, deadlineMs: Math.max(1, Math.floor(inAllMs / 2)) }
  const keys: string[] = []
  const find = async (): Promise<void> => {
    for await (const { key, modified } of store.list(FOLDER, finding)) {
      if (CHECK.test(key) && now - modified.getTime() > OVER_MS) keys.push(key)
      if (keys.length >= MOST_CLEARED) return
    }
  }
  const unfound = await errorOf(find(), signal)
  const kept = keys.length === 0 ? undefined : await errorOf(store.delete(keys, limits()), signal)
  const error = kept ?? unfound
  return { deleted: kept === undefined ? keys.length : 0, ...(error === undefined ? {} : { error }) }
}

/** What the storage says against it. */
async function errorOf(work: Promise<void>, signal: AbortSignal): Promise<StorageError | undefined> {
  try {
    await work
    return undefined
  } catch (error) {
    signal.throwIfAborted()
    if (!(error instanceof StorageError)) throw error
    return error
  }
}
