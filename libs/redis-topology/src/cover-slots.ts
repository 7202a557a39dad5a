import { follows, rowOf, type Picture, type ShardPicture } from './assess.ts'
import type { ClusterCommand } from './command.ts'
import type { ClusterFinding } from './finding.ts'
import { openSlotsOf } from './open-slots.ts'
import { common, formatRanges, slotCount, type SlotRange, uncovered } from './slots.ts'

/**
 * Slots that no primary of a formed cluster claims, though every primary answers: somebody took them away by hand
 * (`CLUSTER DELSLOTS`). The other nodes go on listing them with their owner, for who no longer claims a slot does not
 * lose it in their view (cluster_legacy.c, clusterUpdateSlotsConfigWith): to it they are given back. Of slots that no
 * view lists nobody knows whose they were.
 */
export function slotsWithoutOwner(picture: Picture): readonly ClusterFinding[] {
  const settled = openSlotsOf(picture.up).length === 0 && picture.shards.every((shard) => shard.primaryUp)
  if (!settled || picture.unowned.length === 0) return []
  const taken = picture.shards.flatMap((shard): readonly ClusterFinding[] => {
    const ranges = takenFrom(picture, shard)
    if (ranges.length === 0) return []
    const about = `shard ${shard.shard}`
    const message = `${about}: ${slotCount(ranges)} of its slots were taken from it and have no owner`
    return [{ type: 'SlotsUnassigned', about, shard: shard.shard, message }]
  })
  const listed = picture.up.flatMap((one) => one.contact.view.rows.flatMap((row) => row.slots))
  const strange = common(picture.unowned, uncovered(listed))
  if (strange.length === 0) return taken
  const message = `nobody owns the slots ${formatRanges(strange).slice(0, 100)}, and nothing says whose they were: give them to a primary with CLUSTER ADDSLOTSRANGE`
  return [...taken, { type: 'HistoryDisputed', about: 'cluster', message }]
}

/** Of the slots that nobody claims, those that other nodes list with the shard's primary, and none with another node. */
export function takenFrom({ unowned, up }: Picture, { primaryId }: ShardPicture): readonly SlotRange[] {
  if (primaryId === undefined || unowned.length === 0) return []
  const others = up.flatMap((one) => one.contact.view.rows.filter((row) => row.nodeId !== primaryId))
  const here = up.flatMap((one) => rowOf(one, primaryId)?.slots ?? [])
  return common(common(unowned, here), uncovered(others.flatMap((row) => row.slots)))
}

/**
 * Gives a shard's primary the slots back that were taken from it; its keys are still there. Its replicas noted that nobody
 * claimed them (`owner_not_claiming_slot`), and Redis 7.0 keeps that note when such a replica is promoted: the last
 * message of its predecessor then takes the slots from it, and it deletes their keys (cluster.c 7.0.15: clusterAddSlot
 * clears no note, clusterUpdateSlotsConfigWith trusts it). A slot that is listed anew loses the note.
 */
export function coverSlotsCommands(
  picture: Picture,
  shard: ShardPicture | undefined,
  opId: string,
): readonly ClusterCommand[] {
  if (shard?.primaryPod === undefined || shard.primaryId === undefined || !shard.primaryUp) return []
  const ranges = takenFrom(picture, shard)
  if (ranges.length === 0) return []
  const { primaryId: nodeId, primaryPod: pod } = shard
  const replicas = picture.up.flatMap((one) =>
    follows(one, nodeId) ? [{ pod: one.pod, nodeId: one.contact.view.nodeId }] : [],
  )
  return [{ type: 'CoverSlots', opId, shard: shard.shard, pod, nodeId, ranges, replicas }]
}
