import { ANNOTATION, claimName, LABEL, volumeName } from '@slotkeeper/api'
import type { Io } from '@slotkeeper/controller'
import type { ClusterFinding } from '@slotkeeper/redis-topology'
import { isKubeError, type KubeObject, type Objects, statefulSets } from '@slotkeeper/k8s'
import type { Caches } from './caches.ts'
import type { ClusterObject } from './cluster-object.ts'
import { claimsOf } from './observe-generation.ts'

/** Volumes that a restore in place has filled for an earlier cluster of this name, and that were kept. */
export type LaterVolumes = { readonly claim: string; readonly restore: string }

type Ports = { readonly caches: Caches; readonly objects: Objects }

/**
 * Looks for volumes that the cluster would pass by: it begins with those that are called `data`, and an earlier one of its
 * name was restored in place later. Undefined where there are none, or the cluster has begun with others.
 *
 * @param recorded whether the ConfigMap of members says that it was formed
 */
export async function observeLaterVolumes(
  { caches, objects }: Ports,
  { metadata, spec, status }: ClusterObject,
  recorded: boolean,
  io: Io,
): Promise<LaterVolumes | undefined> {
  const { namespace, name } = metadata
  const { restore, discardVolumes } = spec.bootstrap ?? {}
  if (spec.storage === undefined || restore !== undefined || discardVolumes !== undefined) return undefined
  const sets = caches.owned[statefulSets.kind]?.byLabel(LABEL.cluster, name, namespace) ?? []
  if (recorded || status?.formedAt !== undefined || sets.some((one) => one.ownerUid === metadata.uid)) return undefined
  try {
    return laterVolumes(await claimsOf(objects, { namespace, cluster: name }, io), name)
  } catch (error) {
    // Who may not list claims is told so where a restore in place is asked for.
    if (isKubeError(error, 'Forbidden')) return undefined
    throw error
  }
}

/** The newest of the volumes that a restore in place has filled for the first shard of a cluster of this name. */
export function laterVolumes(claims: readonly KubeObject[], cluster: string): LaterVolumes | undefined {
  const [newest] = claims
    .flatMap(({ metadata: { name, annotations, creationTimestamp = '' } }) => {
      const restore = annotations?.[ANNOTATION.restoredBy]
      if (restore === undefined) return []
      const isIts = name === claimName(volumeName({ uid: restore, inPlace: true }), cluster, 0, 0)
      return isIts ? [{ claim: name, restore, made: String(creationTimestamp) }] : []
    })
    .toSorted((one, other) => (one.made < other.made ? 1 : -1))
  return newest === undefined ? undefined : { claim: newest.claim, restore: newest.restore }
}

/** What a person must decide, since either could be meant. */
export function passedBy({ claim, restore }: LaterVolumes): ClusterFinding {
  return {
    type: 'Blocked',
    reason: 'VolumeHasOtherData',
    about: 'cluster',
    message: `an earlier cluster of this name was restored in place, and its data are on ${claim} and its like, which this cluster would not look at: set spec.bootstrap.restore to {name: former, uid: ${restore}, inPlace: true} to begin with them, or delete these claims`,
  }
}
