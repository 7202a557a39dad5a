import { ANNOTATION, claimName, LABEL, volumeName } from '@slotkeeper/api'
import type { Io } from '@slotkeeper/controller'
import type { ClusterFinding } from '@slotkeeper/redis-topology'
import { isKubeError, type KubeObject, type Objects, statefulSets } from '@slotkeeper/k8s'
import type { Caches } from './caches.ts'
import type { ClusterObject } from './cluster-object.ts'
import { claimsOf } from './observe-generation.ts'

/** Volumes that a restore in place has filled for an earlier cluster of this name, and that were kept. */
export type LaterVolumes = {
  readonly claim: string
  readonly restore: string
  /** Claims of other restores in place into it, of which a person may know better. */
  readonly others: readonly string[]
}

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

/**
 * The volumes that a restore in place has filled for the first shard of a cluster of this name: the newest of those that
 * servers had, else the newest. What was filled last may have been taken by nobody: its order was held, or had failed.
 */
export function laterVolumes(claims: readonly KubeObject[], cluster: string): LaterVolumes | undefined {
  const [likeliest, ...others] = claims
    .flatMap(({ metadata: { name, annotations, creationTimestamp = '' } }) => {
      const restore = annotations?.[ANNOTATION.restoredBy]
      if (restore === undefined) return []
      const volume = volumeName({ uid: restore, inPlace: true })
      if (name !== claimName(volume, cluster, 0, 0)) return []
      // A restore makes claims of first pods alone: those of others come with the servers.
      const served = claims.some((one) => one.metadata.name === claimName(volume, cluster, 0, 1))
      return [{ claim: name, restore, order: `${Number(served)} ${creationTimestamp}` }]
    })
    .toSorted((one, other) => (one.order < other.order ? 1 : -1))
  if (likeliest === undefined) return undefined
  return { claim: likeliest.claim, restore: likeliest.restore, others: others.map(({ claim }) => claim) }
}

/** What a person must decide, since either could be meant. */
export function passedBy({ claim, restore, others }: LaterVolumes): ClusterFinding {
  const more =
    others.length === 0
      ? ''
      : `; it was restored so more than once: look whether ${others.slice(0, 3).join(', ')} (annotation ${ANNOTATION.restoredBy}) are what it had last`
  return {
    type: 'Blocked',
    reason: 'VolumeHasOtherData',
    about: 'cluster',
    message: `an earlier cluster of this name was restored in place, and its data are on ${claim} and its like, which this cluster would not look at: set spec.bootstrap.restore to {name: former, uid: ${restore}, inPlace: true} to begin with them, or delete these claims${more}`,
  }
}
