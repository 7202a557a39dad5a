import { follows, ownRow, type Picture } from './assess.ts'
import { common, slotCount, type SlotRange, uncovered } from './slots.ts'
import type { UpMember } from './snapshot.ts'

/** What a node says of a slot that is half moved: which way, and with whom. */
export type SlotMark = {
  readonly slot: number
  readonly direction: 'migrating' | 'importing'
  /** Node id of the other end, as it was when the mark was set. */
  readonly other: string
}

const MARK = /^\[(\d+)-([<>])-(\w+)\]$/

/** The marks that a server which answers as a primary carries. */
export function marksOf(member: UpMember): readonly SlotMark[] {
  return member.contact.view.role === 'primary' ? marksIn(member) : []
}

function marksIn(member: UpMember): readonly SlotMark[] {
  return (ownRow(member)?.open ?? []).flatMap((text): readonly SlotMark[] => {
    const [, slot, way, other] = MARK.exec(text) ?? []
    if (slot === undefined || other === undefined) return []
    return [{ slot: Number(slot), direction: way === '>' ? 'migrating' : 'importing', other }]
  })
}

/**
 * Slots that a replica of this primary marks, and it does not. Valkey tells a mark to the replicas first: of one whose
 * primary died before it had it itself, they keep it, until a primary of theirs is told to drop it.
 */
export function echoedBy(primary: UpMember, up: readonly UpMember[]): readonly number[] {
  if (primary.contact.view.role !== 'primary') return []
  const replicas = up.filter((member) => follows(member, primary.contact.view.nodeId))
  return replicas
    .flatMap((member) => marksIn(member).map((mark) => mark.slot))
    .filter((slot) => markOf(primary, slot) === undefined)
}

/** The slots that are to be made whole: those that a primary shows as half moved, and stranded ones; ascending. */
export function openSlotsOf(up: readonly UpMember[]): readonly number[] {
  const marked = up.flatMap((member) => marksOf(member).map((mark) => mark.slot))
  const stranded = up.flatMap((member) => strandedOn(member, up))
  const echoed = up.flatMap((member) => echoedBy(member, up))
  return [...new Set([...marked, ...stranded, ...echoed])].toSorted((a, b) => a - b)
}

/**
 * Slots of a server that came back after its replica had taken its place without having heard of them: a slot that was
 * moved to it just before it died (SETSLOT NODE travels by gossip). The shard has two primaries then, of which one owns
 * these slots, and the other what the shard is known for.
 */
export function strandedOn(member: UpMember, up: readonly UpMember[]): readonly number[] {
  const main = mainPrimary(member.shard, up)
  if (main === undefined || main === member || member.contact.view.role !== 'primary') return []
  const own = common(ownRow(member)?.slots ?? [], uncovered(ownRow(main)?.slots ?? []))
  return own.flatMap(({ first, last }) => Array.from({ length: last - first + 1 }, (_, index) => first + index))
}

/** The primary of a shard that owns most slots of all its members that answer. */
export function mainPrimary(shard: number, up: readonly UpMember[]): UpMember | undefined {
  const count = (member: UpMember): number => slotCount(ownRow(member)?.slots ?? [])
  return up
    .filter((member) => member.shard === shard && member.contact.view.role === 'primary' && count(member) > 0)
    .toSorted((a, b) => count(b) - count(a) || a.index - b.index)[0]
}

/** The mark of one slot on one server; undefined when it has none. */
export function markOf(member: UpMember, slot: number): SlotMark | undefined {
  return marksOf(member).find((mark) => mark.slot === slot)
}

/** Whether the ranges hold the slot. */
export function holdsSlot(ranges: readonly SlotRange[], slot: number): boolean {
  return ranges.some((range) => range.first <= slot && slot <= range.last)
}

/** The primary by now of the shard that a node belongs or belonged to; undefined when that is unknown or is down. */
export function presentPrimary(picture: Picture, nodeId: string): UpMember | undefined {
  const shard = shardOfNode(picture, nodeId)
  if (shard === undefined || picture.shards[shard]?.primaryUp !== true) return undefined
  const { primaryPod } = picture.shards[shard]
  return picture.up.find((member) => member.pod === primaryPod)
}

/** The number of the shard that a node belongs or belonged to; undefined when nobody knows. */
export function shardOfNode({ shards, podOf }: Picture, nodeId: string): number | undefined {
  const pod = podOf[nodeId]
  return shards.find((shard) => shard.members.some((member) => member.pod === pod))?.shard
}
