import { FINALIZER } from '@slotkeeper/api'
import { type Committed, lettingGo } from '@slotkeeper/controller'
import type { Owner } from './app-command.ts'

/** Lets an object go. */
export type Release = { readonly type: 'RemoveFinalizer'; readonly of: Owner; readonly anyway: boolean }

/**
 * The command that lets an object go that is being deleted, once all is told of it; none before.
 *
 * @param patienceMs after this long it goes though what is told could not be spilled
 */
export function release(
  object: Committed & { readonly status: { readonly deleted?: boolean } | null },
  of: Owner,
  now: number,
  patienceMs: number,
): readonly Release[] {
  const { deletionTimestamp, finalizers = [] } = object.metadata
  if (deletionTimestamp === undefined || !finalizers.includes(FINALIZER)) return []
  if (object.status?.deleted !== true) return []
  const how = lettingGo(object, { isTold: true, now, patienceMs })
  return how === 'No' ? [] : [{ type: 'RemoveFinalizer', of, anyway: how === 'Anyway' }]
}
