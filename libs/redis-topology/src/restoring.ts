import { ownRow, type Picture, rowOf } from './assess.ts'
import type { Case } from './diagnose.ts'
import type { ClusterFinding } from './finding.ts'
import { common, formatRanges, type SlotRange } from './slots.ts'
import { isUp, type UpMember } from './snapshot.ts'

/** Whether some record says that this cluster was whole once: the status, or the ConfigMap of its members. */
export function isRecorded({ snapshot, history }: Pick<Case, 'snapshot' | 'history'>): boolean {
  return history.formedAt !== undefined || snapshot.recordedFormedAt !== undefined
}

/** Whether this is a cluster of a restore that was not whole yet: its servers start, and slots may be where nobody asked yet. */
export function isRestoring({ desired, snapshot, history }: Pick<Case, 'desired' | 'snapshot' | 'history'>): boolean {
  return desired.restored && !isRecorded({ snapshot, history })
}

/**
 * What is wrong with the slots that a restore gave out: two servers claim the same ones, and must not be introduced, for
 * one of them would delete its keys; or every shard has an owner, and they leave slots out; or not everybody has heard of
 * all. What does not answer claims nothing yet.
 */
export function restoreFindings({ snapshot, picture }: Case): readonly ClusterFinding[] {
  const base = { type: 'HistoryDisputed', about: 'cluster' } as const
  const owners = picture.up.filter((one) => slotsOf(one).length > 0)
  const twice = owners.flatMap((one, place) =>
    owners.slice(place + 1).flatMap((other) => {
      const shared = areStrangers(one, other) ? common(slotsOf(one), slotsOf(other)) : []
      return shared.length === 0 ? [] : [`${one.pod} and ${other.pod} both own ${formatRanges(shared).slice(0, 100)}`]
    }),
  )
  if (twice.length > 0) {
    const message = `the restore gave slots out twice: ${twice.slice(0, 3).join('; ')}: nothing is joined, for one would delete the keys of these slots`
    return [{ ...base, message }]
  }
  const settled = snapshot.members.every(isUp) && picture.shards.every((shard) => shard.primaryId !== undefined)
  if (!settled) return []
  if (picture.unowned.length === 0) {
    const agreed = picture.viewsAgree && picture.up.every((one) => one.contact.view.clusterOk)
    const message = 'not every node has heard of all slots yet'
    return agreed ? [] : [{ type: 'SlotsUnassigned', about: 'cluster', message }]
  }
  const missing = formatRanges(picture.unowned).slice(0, 100)
  return [{ ...base, message: `the restore left the slots ${missing} without an owner: nothing is assigned` }]
}

function slotsOf(member: UpMember): readonly SlotRange[] {
  return ownRow(member)?.slots ?? []
}

/** Who has heard of the other settles with it who owns what, as after a failover. */
function areStrangers(one: UpMember, other: UpMember): boolean {
  const hasHeard = (a: UpMember, b: UpMember): boolean => rowOf(a, b.contact.view.nodeId) !== undefined
  return !hasHeard(one, other) && !hasHeard(other, one)
}

/** Whether any server of this cluster owns slots, by what was seen. */
export function ownsAnything({ shards }: Picture): boolean {
  return shards.some((shard) => shard.ranges.length > 0)
}
