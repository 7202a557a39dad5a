import { ANNOTATION, defined } from '@slotkeeper/api'
import type { ClusterStatus } from '@slotkeeper/events'
import type { KubeObject } from '@slotkeeper/k8s'
import type { TargetView } from '@slotkeeper/restore'

/** A RedisCluster as what a restore has made, or what stands in its way. */
export function targetView({ metadata, ...object }: KubeObject): TargetView {
  const status = (object['status'] ?? {}) as Partial<ClusterStatus>
  const { conditions = [], topology = [], formedAt } = status
  const ready = conditions.find((one) => one.type === 'Ready')
  const spec = (object['spec'] ?? {}) as TargetView['spec']
  const { uid: restoredBy, name: restoreName, inPlace = false, former } = restoreIn(spec)
  const isSwitched = inPlace && status.restored?.uid === restoredBy
  return {
    uid: metadata.uid ?? '',
    isDeleting: metadata.deletionTimestamp !== undefined,
    inPlace,
    spec,
    ...defined({ restoredBy, restoreName, former, formedAt, holds: heldBy(status, inPlace ? former : undefined) }),
    ...defined({ orderedBy: metadata.annotations?.[ANNOTATION.restoreOrderedBy] }),
    isSwitched,
    isReady: hasItsData(spec, status) && ready?.status === 'True' && ready.observedGeneration === metadata.generation,
    message: wordsOf(conditions, inPlace && !isSwitched),
    shards: topology.map(({ shard, nodes, addresses = {} }) => ({ shard, nodes, addresses })),
  }
}

type Restore = {
  readonly uid?: string
  readonly name?: string
  readonly inPlace?: boolean
  readonly former?: { readonly name: string; readonly uid: string }
}

/** What its controller says; of an order that was not looked at yet Ready says nothing. */
function wordsOf(conditions: NonNullable<ClusterStatus['conditions']>, isOrdered: boolean): string {
  const held = conditions.find((one) => one.reason === 'RestoreHeld')
  const ready = conditions.find((one) => one.type === 'Ready')
  return (held ?? (isOrdered ? undefined : ready))?.message ?? ''
}

/** Whose data it has: what its spec names is an order, which it may not have followed. */
const heldBy = ({ restored }: Partial<ClusterStatus>, former: TargetView['former']): TargetView['holds'] =>
  restored === undefined ? former : { name: restored.name, uid: restored.uid }

/** The restore that a cluster is made of by its spec. */
function restoreIn({ bootstrap }: TargetView['spec']): Restore {
  return (bootstrap as { readonly restore?: object } | undefined)?.restore ?? {}
}

/** One that is told to take other volumes goes on being ready with those of before until it does so. */
function hasItsData(spec: TargetView['spec'], { restored }: Partial<ClusterStatus>): boolean {
  const { uid, inPlace } = restoreIn(spec)
  return inPlace !== true || (restored?.uid === uid && restored?.formedAt !== undefined)
}
