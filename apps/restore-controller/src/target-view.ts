import { defined } from '@slotkeeper/api'
import type { ClusterStatus } from '@slotkeeper/events'
import type { KubeObject } from '@slotkeeper/k8s'
import type { TargetView } from '@slotkeeper/restore'

/** A RedisCluster as what a restore has made, or what stands in its way. */
export function targetView({ metadata, ...object }: KubeObject): TargetView {
  const status = (object['status'] ?? {}) as Partial<ClusterStatus>
  const { conditions = [], topology = [], formedAt } = status
  const ready = conditions.find((one) => one.type === 'Ready')
  const held = conditions.find((one) => one.reason === 'RestoreHeld')
  const spec = (object['spec'] ?? {}) as TargetView['spec']
  const { uid: restoredBy, name: restoreName, inPlace = false, former } = restoreIn(spec)
  return {
    uid: metadata.uid ?? '',
    isDeleting: metadata.deletionTimestamp !== undefined,
    inPlace,
    spec,
    ...defined({ restoredBy, restoreName, former, formedAt }),
    isSwitched: inPlace && status.restored?.uid === restoredBy,
    isReady: hasItsData(spec, status) && ready?.status === 'True' && ready.observedGeneration === metadata.generation,
    message: held?.message ?? ready?.message ?? '',
    shards: topology.map(({ shard, nodes, addresses = {} }) => ({ shard, nodes, addresses })),
  }
}

type Restore = {
  readonly uid?: string
  readonly name?: string
  readonly inPlace?: boolean
  readonly former?: { readonly name: string; readonly uid: string }
}

/** The restore that a cluster is made of by its spec. */
function restoreIn({ bootstrap }: TargetView['spec']): Restore {
  return (bootstrap as { readonly restore?: object } | undefined)?.restore ?? {}
}

/** One that is told to take other volumes goes on being ready with those of before until it does so. */
function hasItsData(spec: TargetView['spec'], { restored }: Partial<ClusterStatus>): boolean {
  const { uid, inPlace } = restoreIn(spec)
  return inPlace !== true || (restored?.uid === uid && restored?.formedAt !== undefined)
}
