import { ANNOTATION, claimName, LABEL, volumeName } from '@slotkeeper/api'
import type { Io } from '@slotkeeper/controller'
import type { RestoredStatus } from '@slotkeeper/events'
import { isKubeError, type KubeObject, type Objects, persistentVolumeClaims, statefulSets } from '@slotkeeper/k8s'
import type { Caches } from './caches.ts'
import type { ClusterObject } from './cluster-object.ts'

/** A StatefulSet over volumes that a restore in place is to replace. */
export type FormerSet = {
  readonly name: string
  readonly uid: string
  /** It takes no claim along, neither when it is deleted nor when it is made smaller. */
  readonly keeps: boolean
}

/** What is seen of the two generations of a cluster into which a restore in place was ordered. */
export type ObservedGeneration = {
  readonly sets: readonly FormerSet[]
  /** Pods with a volume of before. */
  readonly pods: readonly { readonly name: string; readonly uid: string; readonly deleting: boolean }[]
  /** A StatefulSet over the new volumes is there: those of before were given up already. */
  readonly begun: boolean
  /**
   * Why the new volumes can't be taken, in words; null when they can. Asked before the order is followed, and again before
   * servers are started on them; absent otherwise.
   */
  readonly trouble?: string | null
}

type Ports = { readonly caches: Caches; readonly objects: Objects }

/**
 * Looks at the volumes of a cluster with a restore in place; undefined for any other.
 *
 * @param recorded the restore in place that the ConfigMap of members names; where a record names the one of the spec, its
 *   claims are asked for only once nothing of before is left
 */
export async function observeGeneration(
  { caches, objects }: Ports,
  { metadata, spec, status }: ClusterObject,
  recorded: RestoredStatus | undefined,
  io: Io,
): Promise<ObservedGeneration | undefined> {
  const restore = spec.bootstrap?.restore
  if (restore?.inPlace !== true) return undefined
  const { namespace, name, uid } = metadata
  const volume = volumeName(restore)
  const sets = (caches.owned[statefulSets.kind]?.byLabel(LABEL.cluster, name, namespace) ?? []).filter(
    (one) => one.ownerUid === uid,
  )
  const pods = caches.pods.byLabel(LABEL.cluster, name, namespace)
  const isOurs = status?.restored?.uid === restore.uid || recorded?.uid === restore.uid
  const begun = sets.some((one) => one.volume === volume)
  const of = { namespace, cluster: name, shards: spec.shards, restore: restore.uid }
  const former = {
    sets: sets
      .filter((one) => one.volume !== volume)
      .map(({ name: set, uid: id, keeps = false }) => ({ name: set, uid: id, keeps })),
    pods: pods
      .filter((one) => one.volume !== undefined && one.volume !== volume)
      .map(({ name: pod, uid: id, deleting }) => ({ name: pod, uid: id, deleting })),
  }
  const isFollowed = isOurs && former.sets.length + former.pods.length > 0
  const isAsked = !begun && !isFollowed
  return { ...former, begun, ...(isAsked ? { trouble: await troubleWithClaims(objects, of, io) } : {}) }
}

/** Whose new volumes. */
export type RestoredClaims = {
  readonly namespace: string
  readonly cluster: string
  readonly shards: number
  /** The restore's uid. */
  readonly restore: string
}

async function troubleWithClaims(objects: Objects, of: RestoredClaims, io: Io): Promise<string | null> {
  try {
    return unfilled(await claimsOf(objects, of, io), of)
  } catch (error) {
    if (isKubeError(error, 'Forbidden')) return `its volumes can't be looked at: ${error.message}`
    throw error
  }
}

/** All claims of a cluster, read live. */
export async function claimsOf(
  objects: Objects,
  { namespace, cluster }: Pick<RestoredClaims, 'namespace' | 'cluster'>,
  io: Io,
): Promise<readonly KubeObject[]> {
  const { items } = await objects.list(
    persistentVolumeClaims,
    { namespace, labelSelector: `${LABEL.cluster}=${cluster}` },
    io,
  )
  return items
}

/** The first shard whose volume is not there as the restore has left it, in words; null when all are. */
export function unfilled(claims: readonly KubeObject[], { cluster, shards, restore }: RestoredClaims): string | null {
  const volume = volumeName({ uid: restore, inPlace: true })
  const names = Array.from({ length: shards }, (_, shard) => claimName(volume, cluster, shard, 0))
  const isFilled = ({ metadata }: KubeObject): boolean =>
    metadata.annotations?.[ANNOTATION.restoredBy] === restore && metadata.deletionTimestamp === undefined
  const missing = names.find((name) => !claims.some((one) => one.metadata.name === name && isFilled(one)))
  return missing === undefined ? null : `there is no PersistentVolumeClaim ${missing} that this restore has filled`
}
