import { type BackupRef, objectOf } from '@slotkeeper/backup'
import type { Limits, ObjectStore } from '@slotkeeper/object-storage'

/** The storage's clock may be ahead of ours, and nobody else writes there any more. */
const AHEAD_MS = 24 * 60 * 60_000

/**
 * Deletes all that lies below a backup but for some of it, and takes back its unfinished uploads. Nothing of any other
 * backup is touched.
 *
 * @returns how many objects were deleted
 */
export async function deleteBelow(
  store: ObjectStore,
  backup: BackupRef,
  keep: ReadonlySet<string>,
  limits: Limits,
): Promise<number> {
  const below = objectOf.all(backup)
  const keys: string[] = []
  for await (const { key } of store.list(below, limits)) if (!keep.has(key)) keys.push(key)
  await store.delete(keys, limits)
  await store.sweep(below, new Date(Date.now() + AHEAD_MS), limits)
  return keys.length
}
