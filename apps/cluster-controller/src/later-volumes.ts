import { ANNOTATION, claimName, LABEL, volumeName } from '@slotkeeper/api'
import type { Io } from '@slotkeeper/controller'
import type { ClusterFinding } from '@slotkeeper/redis-topology'
import { isKubeError, type KubeObject, type Objects, statefulSets } from '@slotkeeper/k8s'
import type { Caches } from './caches.ts'
import type { ClusterObject } from './cluster-object.ts'
import { claimsOf } from './observe-generation.ts'

/** Volumes that a restore in place has filled for an earlier cluster of this name, and that were kept: the first one's claim. */
type Filled = {
  readonly claim: string
  /**
   * Whether servers have had them: a claim of another pod than the one that was filled is there. Else nobody knows: the order may have
   * been taken back or never followed, or there were no replicas.
   */
  readonly served: boolean
}

/** Those that are likeliest to be what the earlier cluster had last, and all others. */
export type LaterVolumes = Filled & { readonly restore: string; readonly others: readonly Filled[] }

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
 * servers had, else the newest. What was filled last may have been taken by nobody: its order was held, or taken back, or had failed.
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
      return [{ claim: name, restore, served, order: `${Number(served)} ${creationTimestamp}` }]
    })
    .toSorted((one, other) => (one.order < other.order ? 1 : -1))
  if (likeliest === undefined) return undefined
  const { claim, restore, served } = likeliest
  return { claim, restore, served, others: others.map((one) => ({ claim: one.claim, served: one.served })) }
}

/** What a person must decide, since either could be meant. */
export function passedBy(found: LaterVolumes): ClusterFinding {
  const { claim, restore, served } = found
  const begin = `set spec.bootstrap.restore to {name: former, uid: ${restore}, inPlace: true}`
  const words = served
    ? `an earlier cluster of this name was restored in place, and its data are on ${claim} and its like, which servers had and this cluster would not look at: ${begin} to begin with them, or delete these claims`
    : `a restore in place into an earlier cluster of this name has filled ${claim} and its like, and no server is known to have had them: if its order was followed, ${begin} to begin with them; if it was taken back or never followed, the newest data are not there: delete these claims, or take the annotation ${ANNOTATION.restoredBy} off them, and it begins with those called data`
  return { type: 'Blocked', reason: 'VolumeHasOtherData', about: 'cluster', message: `${words}${besides(found)}` }
}

/** How many of each kind are named: a message has an end. */
const MOST_NAMED = 3

function besides({ others }: LaterVolumes): string {
  const named = (which: boolean): string =>
    others
      .flatMap(({ claim, served }) => (served === which ? claim : []))
      .slice(0, MOST_NAMED)
      .join(', ')
  const [had, unknown] = [named(true), named(false)]
  return [
    had === ''
      ? ''
      : `; it was restored so more than once: look whether ${had}, which servers had too, are what it had last`,
    unknown === ''
      ? ''
      : `; ${unknown} and their like were filled by other restores, and no server is known to have had them`,
  ].join('')
}
