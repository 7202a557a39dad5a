import type { Input } from '@slotkeeper/controller'
import { assess, type Case, type Desired, type History } from '@slotkeeper/redis-topology'
import type { ClusterObject } from './cluster-object.ts'
import type { Observed } from './observe.ts'
import { mayStartEmpty } from './override.ts'
import { liveSettings } from './resources/redis-conf.ts'

/** The case of the topology: what is desired, seen and remembered. `nodeLossMs`: how long a lost machine is waited for. */
export function caseOf(
  { object, observed, now }: Input<ClusterObject, Observed>,
  consented: readonly number[],
  nodeLossMs: number,
): Case {
  const desired: Desired = {
    shards: object.spec.shards,
    membersPerShard: object.spec.replicasPerShard + 1,
    nodeTimeoutMs: object.spec.nodeTimeoutMs,
    settings: liveSettings(object.spec),
    mayStartEmpty: mayStartEmpty(object, consented),
    releasePodsAfterMs: object.spec.storage === undefined ? nodeLossMs : null,
    restored: object.spec.bootstrap?.restore !== undefined,
    adopted: object.spec.bootstrap?.adoptVolumes !== undefined && object.spec.bootstrap.restore === undefined,
    consented,
  }
  const topology = object.status?.topology ?? []
  const history: History = {
    ...(object.status?.formedAt === undefined ? {} : { formedAt: object.status.formedAt }),
    ...(object.status?.operation === undefined ? {} : { operation: object.status.operation }),
    unreadyMs: unreadyMs(object, now),
    nodes: Object.assign({}, ...topology.map((shard) => shard.nodes)) as Record<string, string>,
    slots: Object.fromEntries(topology.map((shard) => [shard.shard, shard.slots])),
    epochs: Object.fromEntries(topology.map(({ shard, epoch = 0 }) => [shard, epoch])),
    attached: topology.flatMap((shard) => shard.attached ?? []),
    hosts: Object.assign({}, ...topology.map((shard) => shard.hosts ?? {})) as Record<string, string>,
    incarnations: Object.assign({}, ...topology.map((shard) => shard.incarnations ?? {})) as Record<string, string>,
  }
  return { desired, snapshot: observed.snapshot, history, picture: assess(desired, observed.snapshot, history) }
}

function unreadyMs(object: ClusterObject, now: number): number {
  const ready = object.status?.conditions?.find((one) => one.type === 'Ready')
  return ready?.status === 'False' ? Math.max(0, now - Date.parse(ready.lastTransitionTime)) : 0
}
