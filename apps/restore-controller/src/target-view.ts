import type { ClusterStatus } from '@slotkeeper/events'
import type { KubeObject } from '@slotkeeper/k8s'
import type { TargetView } from '@slotkeeper/restore'

/** A RedisCluster as what a restore has made, or what stands in its way. */
export function targetView({ metadata, ...object }: KubeObject): TargetView {
  const { conditions = [], topology = [] } = (object['status'] ?? {}) as Partial<ClusterStatus>
  const ready = conditions.find((one) => one.type === 'Ready')
  const { bootstrap } = (object['spec'] ?? {}) as {
    readonly bootstrap?: { readonly restore?: { readonly uid?: string } }
  }
  const restoredBy = bootstrap?.restore?.uid
  return {
    uid: metadata.uid ?? '',
    ...(restoredBy === undefined ? {} : { restoredBy }),
    isDeleting: metadata.deletionTimestamp !== undefined,
    isReady: ready?.status === 'True' && ready.observedGeneration === metadata.generation,
    message: ready?.message ?? '',
    shards: topology.map(({ shard, nodes, addresses = {} }) => ({ shard, nodes, addresses })),
  }
}
