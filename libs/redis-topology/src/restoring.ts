import { ownRow, type Picture, rowOf } from './assess.ts'
import type { Case } from './diagnose.ts'
import type { ClusterFinding } from './finding.ts'
import { common, formatRanges, type SlotRange } from './slots.ts'
import { type Desired, isUp, type UpMember } from './snapshot.ts'

/** Whether some record says that this cluster was whole once: the status, or the ConfigMap of its members. */
export function isRecorded({ snapshot, history }: Pick<Case, 'snapshot' | 'history'>): boolean {
  return history.formedAt !== undefined || snapshot.recordedFormedAt !== undefined
}

/** Whether there was data before there was this cluster: a restore has filled its volumes, or another cluster left them. */
export function beginsWithData({ restored, adopted }: Desired): boolean {
  return restored || adopted
}

/** Whether this is a cluster that began with data and was not whole yet: its servers start, and slots may be where nobody asked yet. */
export function isRestoring({ desired, snapshot, history }: Pick<Case, 'desired' | 'snapshot' | 'history'>): boolean {
  return beginsWithData(desired) && !isRecorded({ snapshot, history })
}

/** Whether servers are still starting of whom nobody has heard in this cluster: what they will say they own is not known. */
export function isAwaiting(given: Pick<Case, 'desired' | 'snapshot' | 'history'>): boolean {
  return isRestoring(given) && !given.snapshot.members.every(isUp)
}

/**
 * What is wrong with the slots that servers brought with them: two claim the same ones, and must not be introduced, for
 * one of them would delete its keys; or every shard has an owner, and they leave slots out; or there are more shards than
 * there were; or not everybody has heard of all. What does not answer claims nothing yet.
 */
export function restoreFindings({ desired, snapshot, picture }: Case): readonly ClusterFinding[] {
  const source = desired.restored ? 'the restore' : 'the cluster that left these volumes'
  const base = { type: 'HistoryDisputed', about: 'cluster' } as const
  const owners = picture.up.filter((one) => slotsOf(one).length > 0)
  const twice = owners.flatMap((one, place) =>
    owners.slice(place + 1).flatMap((other) => {
      const shared = areStrangers(one, other) ? common(slotsOf(one), slotsOf(other)) : []
      return shared.length === 0 ? [] : [`${one.pod} and ${other.pod} both own ${formatRanges(shared).slice(0, 100)}`]
    }),
  )
  if (twice.length > 0) {
    const message = `${source} gave slots out twice: ${twice.slice(0, 3).join('; ')}: nothing is joined, for one would delete the keys of these slots`
    return [{ ...base, message }]
  }
  const added = newShards(picture)
  const isOwned = picture.unowned.length === 0 && picture.orphaned.length === 0
  if (snapshot.members.every(isUp) && isOwned && added.length > 0) {
    const had = picture.shards.length - added.length
    const message = `${source} had ${had} shards, and spec.shards is ${picture.shards.length}: nothing is joined; delete this cluster, whose volumes stay, and create it with shards: ${had}`
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
  return [{ ...base, message: `${source} left the slots ${missing} without an owner: nothing is assigned` }]
}

function slotsOf(member: UpMember): readonly SlotRange[] {
  return ownRow(member)?.slots ?? []
}

/** Who has heard of the other settles with it who owns what, as after a failover. */
function areStrangers(one: UpMember, other: UpMember): boolean {
  const hasHeard = (a: UpMember, b: UpMember): boolean => rowOf(a, b.contact.view.nodeId) !== undefined
  return !hasHeard(one, other) && !hasHeard(other, one)
}

/** The shards that own nothing while all slots have owners, and of whose members no other shard has heard. */
function newShards({ shards, up }: Picture): readonly number[] {
  if (shards.every((shard) => shard.primaryId === undefined)) return []
  return shards
    .filter(({ shard, primaryId }) => {
      const own = up.filter((one) => one.shard === shard)
      const others = up.filter((one) => one.shard !== shard)
      return primaryId === undefined && own.every((one) => others.every((other) => areStrangers(one, other)))
    })
    .map(({ shard }) => shard)
}
