import type { Committed, Lease } from './contract.ts'
import { lifecycleOf } from './outbox.ts'

/** A trouble that stands in no status, and the uid of the object that it is about. */
export type Unwritten = { readonly uid: string; readonly reason: string; readonly message: string }

/**
 * Who else has claimed the object, in words, or null: one under a higher epoch, or under our epoch and another name,
 * belongs to somebody else, who alone may write its status.
 */
export function foreignClaim(
  { metadata, status }: Committed,
  lease: Pick<Lease, 'epoch' | 'holder'>,
): Unwritten | null {
  const claim = lifecycleOf(status)
  const foreign =
    claim !== null && (claim.epoch > lease.epoch || (claim.epoch === lease.epoch && claim.holder !== lease.holder))
  if (!foreign) return null
  const message = `${claim.holder} looks after it under epoch ${claim.epoch}; ${lease.holder}, under epoch ${lease.epoch}, leaves it alone`
  return { uid: metadata.uid, reason: 'ForeignController', message }
}
