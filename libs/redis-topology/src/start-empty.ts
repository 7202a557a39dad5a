import { ownRow, shardNamed } from './assess.ts'
import type { ClusterCommand } from './command.ts'
import type { Case } from './diagnose.ts'
import { common, evenRanges, parseRanges, type SlotRange, uncovered } from './slots.ts'
import { isAlone, recalledEpoch } from './recalled-epoch.ts'
import { isUp } from './snapshot.ts'

/**
 * Gives the slots of a shard whose data is gone to one of its empty members. The member takes a new epoch first, so
 * that every view that still names the lost node yields to it: `CLUSTER BUMPEPOCH` goes above what this server has
 * heard of, hence it waits until that is the highest of all (cluster.c, clusterBumpConfigEpochWithoutConsensus). Where no
 * server knows the epochs that the status remembers it is told one above them, or waits until another one that is told has been met.
 * What is owned by a server that answers is never given away.
 */
export function startEmptyCommands(given: Case, target: string, opId: string): readonly ClusterCommand[] {
  const { picture, history, desired } = given
  const shard = shardNamed(picture, target)
  const heir = shard?.members
    .filter(isUp)
    .find((one) => one.contact.view.role === 'primary' && one.contact.view.keys === 0)
  if (shard === undefined || heir === undefined) return []
  const highest = Math.max(...picture.up.map((member) => member.contact.view.currentEpoch))
  if (heir.contact.view.currentEpoch < highest) return []
  const recalled = recalledEpoch(given)
  if (recalled !== undefined && !isAlone(heir)) return []
  const served = picture.up.flatMap((member) => ownRow(member)?.slots ?? [])
  const wanted = wantedRanges(shard.shard, history.slots[shard.shard], desired.shards)
  const ranges = common(wanted, uncovered(served))
  if (ranges.length === 0) return []
  const believed = heir.contact.view.rows.filter((row) => !row.myself).flatMap((row) => row.slots)
  const { pod } = heir
  return [
    {
      type: 'StartEmpty',
      opId,
      shard: shard.shard,
      pod,
      nodeId: heir.contact.view.nodeId,
      ranges,
      release: common(ranges, believed),
      ...(recalled === undefined ? {} : { epoch: recalled.epoch }),
    },
  ]
}

/** The slots that the shard had; where nobody remembers, those of the even split. */
function wantedRanges(shard: number, remembered: string | undefined, shards: number): readonly SlotRange[] {
  if (remembered !== undefined && remembered !== '') return parseRanges(remembered)
  const even = evenRanges(shards)[shard]
  return even === undefined ? [] : [even]
}
