import type { RestoreStatus } from '@slotkeeper/events'
import type { ClaimView, RestoreCase } from './restore-case.ts'

/** The claim of a pod, as its StatefulSet names it. */
export const claimNameOf = (cluster: string, shard: number, ordinal: number): string =>
  `data-${cluster}-${shard}-${ordinal}`

/** The pod that is a shard's first primary: its volume is filled. */
export const seededPod = (cluster: string, shard: number): string => `${cluster}-${shard}-0`

/** Whether a name may be that of a claim of this cluster, and of no other one. */
export function isClaimOf(cluster: string, name: string): boolean {
  const rest = name.startsWith(`data-${cluster}-`) ? name.slice(`data-${cluster}-`.length) : ''
  return /^\d+-\d+$/.test(rest)
}

/** The claims that this restore has made, and that are still there. */
export function ownClaims({ claims, restore }: RestoreCase): readonly ClaimView[] {
  return claims.filter((one) => one.restoredBy === restore.uid)
}

/** The claims that somebody else made. */
export function strangeClaims({ claims, restore }: RestoreCase): readonly ClaimView[] {
  return claims.filter((one) => one.restoredBy !== restore.uid)
}

/** A shard whose claim was deleted, or is about to be; undefined while all are there. */
export function unclaimed(given: RestoreCase, { shards = [] }: Pick<RestoreStatus, 'shards'>) {
  const { name } = given.spec.target.cluster
  const there = new Set(ownClaims(given).flatMap((one) => (one.isDeleting ? [] : one.name)))
  return shards.find(({ shard }) => !there.has(claimNameOf(name, shard, 0)))
}

/**
 * Whether what was filled may be deleted: no cluster ever stood over it. What a cluster has is data; before, it is a copy of
 * what the storage holds. That a cluster is not there now says nothing: it may have been deleted, with its volumes kept.
 */
export function mayDeleteClaims(
  { target }: Pick<RestoreCase, 'target'>,
  { clusterUid, claimsStay }: Omit<RestoreStatus, 'state'>,
): boolean {
  return claimsStay !== true && clusterUid === undefined && target === null
}
