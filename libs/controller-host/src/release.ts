import { FINALIZER } from '@slotkeeper/api'
import { type Committed, lettingGo } from '@slotkeeper/controller'

/** Lets an object go; `of` says which. */
export type Release<Of> = { readonly type: 'RemoveFinalizer'; readonly of: Of; readonly anyway: boolean }

/**
 * The command that lets an object go that is being deleted, once all is told of it; none before.
 *
 * @param patienceMs after this long it goes though what is told could not be spilled
 */
export function release<Of>(
  object: Committed & { readonly status: { readonly deleted?: boolean } | null },
  of: Of,
  now: number,
  patienceMs: number,
): readonly Release<Of>[] {
  const { deletionTimestamp, finalizers = [] } = object.metadata
  if (deletionTimestamp === undefined || !finalizers.includes(FINALIZER)) return []
  if (object.status?.deleted !== true) return []
  const how = lettingGo(object, { isTold: true, now, patienceMs })
  return how === 'No' ? [] : [{ type: 'RemoveFinalizer', of, anyway: how === 'Anyway' }]
}

/** What `RemoveFinalizer` means to the runtime. */
export const endsBy = (command: {
  readonly type: string
  readonly anyway?: boolean
}): 'No' | 'Anyway' | 'WhenSpilled' =>
  command.type !== 'RemoveFinalizer' ? 'No' : command.anyway === true ? 'Anyway' : 'WhenSpilled'
