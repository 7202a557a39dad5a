import type { Picture } from './assess.ts'
import type { FirstPrimaries } from './first-primaries.ts'
import type { Desired, Member } from './snapshot.ts'

/**
 * The epoch of an empty server while a cluster is formed. Different ones for all: two nodes of one epoch would have to
 * settle it among themselves. The primary of each shard gets the greatest: a replica speaks with the epoch of its primary,
 * and whoever has heard of a greater one from it takes that for stale (Valkey 9, clusterProcessPacket), and the replica
 * for a primary for ever.
 */
export function formingEpoch(
  { pod, shard, index }: Member,
  first: FirstPrimaries,
  picture: Picture,
  { shards, membersPerShard }: Desired,
): number {
  const primaryPod = first.get(shard)?.pod ?? picture.shards[shard]?.primaryPod
  const primaryIndex = picture.shards[shard]?.members.find((one) => one.pod === primaryPod)?.index ?? 0
  const rank = pod === primaryPod ? membersPerShard - 1 : index - (index > primaryIndex ? 1 : 0)
  return rank * shards + shard + 1
}
