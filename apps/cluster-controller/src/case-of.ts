import { assess, type Case, type Desired, type History } from '@slotkeeper/redis-topology'
import type { ClusterObject } from './cluster-object.ts'
import type { Observed } from './observe.ts'
import { liveSettings } from './resources/redis-conf.ts'

/** The case of the topology: what is desired, seen and remembered. */
export function caseOf(object: ClusterObject, observed: Observed, mayStartEmpty: readonly number[]): Case {
  const desired: Desired = {
    shards: object.spec.shards,
    membersPerShard: object.spec.replicasPerShard + 1,
    nodeTimeoutMs: object.spec.nodeTimeoutMs,
    settings: liveSettings(object.spec),
    mayStartEmpty,
  }
  const topology = object.status?.topology ?? []
  const history: History = {
    ...(object.status?.formedAt === undefined ? {} : { formedAt: object.status.formedAt }),
    ...(object.status?.operation === undefined ? {} : { operation: object.status.operation }),
    nodes: Object.assign({}, ...topology.map((shard) => shard.nodes)) as Record<string, string>,
    slots: Object.fromEntries(topology.map((shard) => [shard.shard, shard.slots])),
    attached: topology.flatMap((shard) => shard.attached ?? []),
    incarnations: Object.assign({}, ...topology.map((shard) => shard.incarnations ?? {})) as Record<string, string>,
  }
  return { desired, snapshot: observed.snapshot, history, picture: assess(desired, observed.snapshot, history) }
}
