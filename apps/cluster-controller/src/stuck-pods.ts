import type { RedisClusterSpec } from '@slotkeeper/api'
import type { ClusterCommand, Member } from '@slotkeeper/redis-topology'
import { nameOf } from './resources/names.ts'
import { podHash } from './resources/stateful-set.ts'

/**
 * Pods that wait for what is no longer asked of them: they fit no node, or their image can't be had, by a spec that was put
 * right since. Kubernetes never replaces them by itself (a StatefulSet waits for the pod that it has). Their servers do not
 * run, so nothing is lost with them.
 *
 * @param applying names of StatefulSets whose template is not up to date yet: a pod of theirs would come back as it was
 */
export function stuckPods(
  members: readonly Member[],
  cluster: string,
  spec: RedisClusterSpec,
  applying: readonly string[],
): readonly ClusterCommand[] {
  const wanted = podHash(spec)
  return members.flatMap(({ pod, shard, kube }): readonly ClusterCommand[] => {
    if (kube?.blocked === undefined || kube.running || kube.deleting || kube.podHash === wanted) return []
    if (applying.includes(nameOf.shard(cluster, shard))) return []
    return [{ type: 'DeleteObject', kind: 'Pod', name: pod, uid: kube.uid }]
  })
}
