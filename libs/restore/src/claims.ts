import { claimName, volumeName } from '@slotkeeper/api'
import type { RestoreStatus } from '@slotkeeper/events'
import { isInPlace, isOurs } from './in-place.ts'
import type { ClaimView, RestoreCase } from './restore-case.ts'

/** The volume of the pods of this restore's cluster, which their claims are named after. */
export const volumeOf = ({ restore, spec }: Pick<RestoreCase, 'restore' | 'spec'>): string =>
  volumeName({ uid: restore.uid, inPlace: isInPlace(spec) })

/** The claim of a shard's first pod: its volume is filled. */
export const seededClaim = (given: Pick<RestoreCase, 'restore' | 'spec'>, shard: number): string =>
  claimName(volumeOf(given), given.spec.target.cluster.name, shard, 0)

/** The pod that is a shard's first primary: its volume is filled. */
export const seededPod = (cluster: string, shard: number): string => `${cluster}-${shard}-0`

/**
 * The volume that a claim of this cluster is named after, of whatever restore; null where the name is that of no claim of
 * it. Names of clusters begin with a letter.
 */
export function volumeOfClaim(cluster: string, name: string): string | null {
  const [, volume = '', owner = ''] = /^(data(?:-0[0-9a-f]{7})?)-([a-z].*)-\d+-\d+$/.exec(name) ?? []
  return owner === cluster ? volume : null
}

/** Whether a name may be that of a claim of this cluster, and of no other one. */
export const isClaimOf = (cluster: string, name: string): boolean => volumeOfClaim(cluster, name) !== null

/** The claims that this restore has made, and that are still there. */
export function ownClaims({ claims, restore }: RestoreCase): readonly ClaimView[] {
  return claims.filter((one) => one.restoredBy === restore.uid)
}

/** Claims of the names that this restore's cluster will use, and that somebody else made. */
export function strangeClaims(given: RestoreCase): readonly ClaimView[] {
  const { claims, restore } = given
  return claimsWith(given, volumeOf(given), claims).filter((one) => one.restoredBy !== restore.uid)
}

/** The claims of what the cluster had before it was replaced, that are still there. */
export function formerClaims(given: RestoreCase, { replaces }: Partial<RestoreStatus>): readonly ClaimView[] {
  return replaces === undefined ? [] : claimsWith(given, replaces.volume, given.claims)
}

function claimsWith({ spec }: RestoreCase, volume: string, claims: readonly ClaimView[]): readonly ClaimView[] {
  return claims.filter((one) => volumeOfClaim(spec.target.cluster.name, one.name) === volume)
}

/** A shard whose claim was deleted, or is about to be; undefined while all are there. */
export function unclaimed(given: RestoreCase, { shards = [] }: Pick<RestoreStatus, 'shards'>) {
  const there = new Set(ownClaims(given).flatMap((one) => (one.isDeleting ? [] : one.name)))
  return shards.find(({ shard }) => !there.has(seededClaim(given, shard)))
}

/**
 * Whether what was filled may be deleted: no cluster ever stood over it. What a cluster has is data; before, it is a copy of
 * what the storage holds. That a cluster is not there now says nothing: it may have been deleted, with its volumes kept.
 * One into which is restored in place goes on beside them until it is told to take them.
 */
export function mayDeleteClaims(given: RestoreCase, { clusterUid, claimsStay }: Omit<RestoreStatus, 'state'>): boolean {
  return claimsStay !== true && clusterUid === undefined && !standsOver(given)
}

/** Whether a cluster is there that uses these claims, or would. */
export function standsOver(given: RestoreCase): boolean {
  return isInPlace(given.spec) ? isOurs(given) : given.target !== null
}
