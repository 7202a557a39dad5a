import type { Picture, ShardPicture } from './assess.ts'
import type { ClusterCommand } from './command.ts'
import type { Case } from './diagnose.ts'
import type { ClusterFinding } from './finding.ts'
import { isUp, type HostView, type Member } from './snapshot.ts'

/** The taint by which a person says that a machine is switched off, and that nothing of it runs any more (KEP 2268). */
export const OUT_OF_SERVICE_TAINT = 'node.kubernetes.io/out-of-service'

/** The machine of a member: where its pod is, else where the server that is remembered ran. */
function hostOf(
  member: Member,
  { snapshot, history }: Omit<Case, 'desired' | 'picture'>,
): (HostView & { readonly name: string }) | null {
  const name = member.kube === null ? history.hosts[member.pod] : member.kube.nodeName
  const view = name === undefined ? undefined : snapshot.hosts?.[name]
  return name === undefined || view === undefined ? null : { name, ...view }
}

/**
 * The machines that Kubernetes has lost, with what was on them and does not answer. Pods that have volumes stay there until
 * the machine is back or a person says that it will not be: Kubernetes alone can't know (SAFETY 19).
 */
export function lostHosts(given: Case): readonly ClusterFinding[] {
  const missing = new Map<string, { readonly outOfService: boolean; readonly members: Member[] }>()
  for (const member of given.picture.shards.flatMap((shard) => shard.members)) {
    const host = isUp(member) ? null : hostOf(member, given)
    if (host === null || (host.ready && !host.outOfService)) continue
    const known = missing.get(host.name) ?? { outOfService: host.outOfService, members: [] }
    missing.set(host.name, { ...known, members: [...known.members, member] })
  }
  return [...missing]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, { outOfService, members }]) => {
      const pods = members
        .slice(0, 5)
        .map((one) => `${one.pod} of shard ${one.shard}`)
        .join(', ')
      const more = members.length > 5 ? ` and ${members.length - 5} more` : ''
      const remedy = outOfService
        ? 'it is out of service, and they are replaced'
        : `bring it back, or, if it is switched off, say so: kubectl taint nodes ${name} ${OUT_OF_SERVICE_TAINT}=nodeshutdown:NoExecute`
      return { type: 'NodeLost', about: name, message: `node ${name} is lost with ${pods}${more}: ${remedy}` }
    })
}

/** Whether a person said that the machine is switched off on which the server of this node id ran last. */
export function isOutOfService(pod: string, { snapshot, history }: Omit<Case, 'desired' | 'picture'>): boolean {
  const host = history.hosts[pod]
  return host !== undefined && snapshot.hosts?.[host]?.outOfService === true
}

/**
 * Lets go of pods without volumes that a lost machine keeps from being deleted: their data died with the machine or is
 * of no use, for another member is the primary. Pods with volumes are never let go of by us.
 */
export function releasePods({ desired, snapshot, history, picture }: Case): readonly ClusterCommand[] {
  const patience = desired.releasePodsAfterMs
  if (patience === null) return []
  return picture.shards
    .flatMap((shard) => shard.members)
    .flatMap((member): readonly ClusterCommand[] => {
      const { kube, pod } = member
      if (isUp(member) || kube === null || !kube.deleting || !isReplaced(picture, member)) return []
      const host = hostOf(member, { snapshot, history })
      if (host === null || host.ready || host.notReadyMs < patience) return []
      return [{ type: 'ReleasePod', pod, uid: kube.uid }]
    })
}

function isReplaced({ shards }: Picture, { shard, pod }: Member): boolean {
  const picture: ShardPicture | undefined = shards[shard]
  return picture?.primaryUp === true && picture.primaryPod !== pod
}
