import type { RedisClusterSpec } from '@slotkeeper/api'
import type { ClusterFinding, Member } from '@slotkeeper/redis-topology'

/** The guard explains itself after three times the node timeout; then everybody has had time to promote a replica. */
const PATIENCE_TIMEOUTS = 4
const LEAST_PATIENCE_MS = 30_000

/**
 * Shards of which every member's container has been running for long with its port closed: each waits in the boot guard for
 * another one that may hold newer data. No time cures that, and only a person can say which data is the best. Before a
 * cluster that began with data was whole, one that waits is enough: nobody is promoted in its place.
 *
 * @param isFormed whether it was whole once
 * @param now Unix ms
 */
export function waitingShards(
  members: readonly Member[],
  { nodeTimeoutMs, bootstrap }: Pick<RedisClusterSpec, 'nodeTimeoutMs' | 'bootstrap'>,
  isFormed: boolean,
  now: number,
): readonly ClusterFinding[] {
  const isReplaceable = isFormed || (bootstrap?.restore ?? bootstrap?.adoptVolumes) === undefined
  const patience = Math.max(LEAST_PATIENCE_MS, PATIENCE_TIMEOUTS * nodeTimeoutMs)
  const waits = ({ contact, kube }: Member): boolean =>
    contact.type === 'refused' && kube?.runningSince !== undefined && now - kube.runningSince > patience
  return [...Map.groupBy(members, ({ shard }) => shard)]
    .filter(([, all]) => (isReplaceable ? all.every(waits) : all.some(waits)))
    .map(([shard, all]) => {
      const pods = all
        .filter(waits)
        .map(({ pod }) => pod)
        .join(', ')
      return {
        type: 'Blocked',
        reason: 'DataMissing',
        about: `shard ${shard}`,
        message: `shard ${shard}: ${pods} run and keep their ports closed, for none of them knows that its data is the newest: their logs say what to do, docs/boot-guard.md why`,
      }
    })
}
