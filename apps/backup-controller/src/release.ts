import { FINALIZER } from '@slotkeeper/api'
import { type Committed, lettingGo } from '@slotkeeper/controller'
import type { AppCommand, Owner } from './app-command.ts'

/**
 * The command that lets an object go that is being deleted, once all is told of it; none before.
 *
 * @param patienceMs after this long it goes whatever could not be told
 */
export function release(
  object: Committed & { readonly status: { readonly deleted?: boolean } | null },
  of: Owner,
  now: number,
  patienceMs: number,
): readonly AppCommand[] {
  const { deletionTimestamp, finalizers = [] } = object.metadata
  if (deletionTimestamp === undefined || !finalizers.includes(FINALIZER)) return []
  const how = lettingGo(object, { isTold: object.status?.deleted === true, now, patienceMs })
  return how === 'No' ? [] : [{ type: 'RemoveFinalizer', of, anyway: how === 'Anyway' }]
}
