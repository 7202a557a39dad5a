import type { RedisClusterSpec } from '@slotkeeper/api'
import type { ClusterStatus } from '@slotkeeper/events'
import type { Member } from '@slotkeeper/redis-topology'
import type { CachedPod } from './caches.ts'

/** Whose volumes a cluster takes over or gives up, by its spec; undefined when those of nobody. */
export function claimedVolumes({ bootstrap }: RedisClusterSpec): ClusterStatus['claimedVolumes'] {
  if (bootstrap?.adoptVolumes !== undefined) return { uid: bootstrap.adoptVolumes.uid, how: 'Adopted' }
  if (bootstrap?.discardVolumes !== undefined) return { uid: bootstrap.discardVolumes.uid, how: 'Discarded' }
  return undefined
}

/**
 * What a person can do where the boot guard has refused a volume, to be added to its words; empty where these say it, and
 * where it is about something else.
 */
export function volumeRemedy(
  { pod, kube }: Member,
  { reason, message }: { readonly reason: string; readonly message: string },
  spec: RedisClusterSpec,
): string {
  if (reason !== 'VolumeHasOtherData' || message.includes('delete this cluster')) return ''
  const forGood = `if nobody needs that data, delete the claim ${(kube as CachedPod | null)?.volume ?? 'data'}-${pod} and the pod`
  const uid = /holds data of the cluster with uid ([0-9A-Za-z-]+)/.exec(message)?.[1]
  if (uid === undefined) return `; give the cluster another name, or, ${forGood}`
  const claimed = claimedVolumes(spec)
  if (claimed === undefined)
    return `; to serve that data: set spec: {bootstrap: {adoptVolumes: {uid: ${uid}}}}; to lose it: discardVolumes instead of adoptVolumes; or give the cluster another name`
  const field = claimed.how === 'Adopted' ? 'adoptVolumes' : 'discardVolumes'
  return `; spec.bootstrap.${field} names another, ${claimed.uid}: delete this cluster, whose volumes stay, and create it with the right uid, or, ${forGood}`
}
