import { volumeName } from '@slotkeeper/api'
import type { ActIo, Outcome } from '@slotkeeper/controller'
import { type KubeObject, statefulSets } from '@slotkeeper/k8s'
import type { ClusterCommand } from '@slotkeeper/redis-topology'
import type { KubernetesPorts } from './act-on-kubernetes.ts'
import { keepsClaims } from './caches.ts'
import type { AppCommand } from './decide.ts'
import { WAYS } from './generation.ts'
import { claimsOf, unfilled } from './observe-generation.ts'

type ReplaceVolumes = Extract<ClusterCommand, { readonly type: 'ReplaceVolumes' }> & Pick<AppCommand, 'cluster'>

const ACCEPTED: Outcome = { result: 'accepted' }
const LATER: Outcome = { result: 'later', inMs: 500 }
const KEEP = { persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain', whenScaled: 'Retain' } }

/** By its retention policy a claim goes with its StatefulSet or its pod; any other owner somebody else gave it. */
const TAKERS = ['StatefulSet', 'Pod']
const goesAlong = ({ metadata }: KubeObject): boolean =>
  (metadata.ownerReferences ?? []).some(({ kind }) => TAKERS.includes(kind))

/**
 * Deletes the StatefulSets over the former volumes, and with them their pods, but never a volume: first each is told to
 * keep its claims, and only once it does, no claim of before belongs to anybody any more, and all new ones are there, are
 * they deleted. Everything is read live: what is deleted does not come back.
 */
export async function replaceVolumes(
  { objects, wrote }: KubernetesPorts,
  { cluster, restore, shards, sets }: ReplaceVolumes,
  io: ActIo,
): Promise<Outcome> {
  const { namespace, name } = cluster
  const takers = sets.filter((one) => !one.keeps)
  for (const set of takers) {
    if (!io.mayAct()) return LATER
    const key = { namespace, name: set.name }
    wrote(name, await objects.patch(statefulSets, key, { spec: KEEP }, { uid: set.uid }, io))
  }
  if (takers.length > 0) return LATER
  const of = { namespace, cluster: name, shards, restore }
  const claims = await claimsOf(objects, of, io)
  const missing = unfilled(claims, of)
  if (missing !== null) return { result: 'failed', reason: 'RestoreHeld', message: `${missing}. ${WAYS}` }
  // Kubernetes takes the owner of a claim away in its own time; until then the claim goes with its StatefulSet.
  const isFormer = (one: KubeObject): boolean =>
    !one.metadata.name.startsWith(`${volumeName({ uid: restore, inPlace: true })}-`)
  if (claims.some((one) => isFormer(one) && goesAlong(one))) return LATER
  for (const set of sets) {
    const key = { namespace, name: set.name }
    const found = await objects.get(statefulSets, key, io)
    if (found === null || found.metadata.uid !== set.uid) continue
    if (!keepsClaims(found) || !io.mayAct()) return LATER
    const { resourceVersion = '' } = found.metadata
    await objects.delete(statefulSets, key, { uid: set.uid, resourceVersion, propagation: 'Background' }, io)
  }
  return ACCEPTED
}
