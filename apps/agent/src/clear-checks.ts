import { type Limits, type ObjectStore, StorageError } from '@slotkeeper/object-storage'

const FOLDER = 'slotkeeper-check/'
/** What a check writes; anything else that may be in its folder is let be. */
const CHECK = /^slotkeeper-check\/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
/** No check takes so long: what is older is of one that was killed. */
const OVER_MS = 3_600_000
/** A storage with very many is not to fail its check: what is left goes with the next. */
const CLEARING_MS = 20_000

/** What became of what killed checks have left. */
export type Cleared = { readonly deleted: number; readonly error?: StorageError }

/**
 * Deletes the objects of checks that were killed before they could do so themselves. One that can't be deleted stays: that is
 * in the result, and rejects only when called off.
 */
export async function clearChecks(
  store: Pick<ObjectStore, 'list' | 'delete'>,
  { signal, deadlineMs }: Limits,
  now = Date.now(),
): Promise<Cleared> {
  const limits = { signal, deadlineMs: Math.min(deadlineMs, CLEARING_MS) }
  try {
    const keys: string[] = []
    for await (const { key, modified } of store.list(FOLDER, limits))
      if (CHECK.test(key) && now - modified.getTime() > OVER_MS) keys.push(key)
    if (keys.length > 0) await store.delete(keys, limits)
    return { deleted: keys.length }
  } catch (error) {
    signal.throwIfAborted()
    if (!(error instanceof StorageError)) throw error
    return { deleted: 0, error }
  }
}
