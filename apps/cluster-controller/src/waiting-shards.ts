import type { ClusterFinding, Member } from '@slotkeeper/redis-topology'

/** The guard explains itself after three times the node timeout; then everybody has had time to promote a replica. */
const PATIENCE_TIMEOUTS = 4
const LEAST_PATIENCE_MS = 30_000

/**
 * Shards of which every member's container has been running for long with its port closed: each waits in the boot guard for
 * another one that may hold newer data. No time cures that, and only a person can say which data is the best.
 *
 * @param now Unix ms
 */
export function waitingShards(
  members: readonly Member[],
  nodeTimeoutMs: number,
  now: number,
): readonly ClusterFinding[] {
  const patience = Math.max(LEAST_PATIENCE_MS, PATIENCE_TIMEOUTS * nodeTimeoutMs)
  const waits = ({ contact, kube }: Member): boolean =>
    contact.type === 'refused' && kube?.runningSince !== undefined && now - kube.runningSince > patience
  return [...Map.groupBy(members, ({ shard }) => shard)]
    .filter(([, all]) => all.every(waits))
    .map(([shard, all]) => {
      const pods = all.map(({ pod }) => pod).join(', ')
      return {
        type: 'Blocked',
        reason: 'DataMissing',
        about: `shard ${shard}`,
        message: `shard ${shard}: ${pods} run and keep their ports closed, for none of them knows that its data is the newest: their logs say what to do, docs/boot-guard.md why`,
      }
    })
}
