import type { ClusterEvent } from './cluster-events.ts'
import type { Step } from './change-context.ts'
import { counted } from './counted.ts'
import { countSlots, formatRange, intersectRanges, parseSlots, subtractRanges, type SlotRange } from './slot-ranges.ts'

type SlotsEvent = 'SlotsAssigned' | 'SlotsUncovered' | 'SlotsCovered'

/**
 * SlotsUncovered where nobody owns a slot any more, SlotsCovered where somebody does again, SlotsAssigned where a slot
 * is owned for the first time or by another shard.
 */
export const slotChanges = ({ so, after, context }: Step): readonly ClusterEvent[] => {
  const ownedBefore = allSlots(so.topology)
  const ownedAfter = allSlots(after.topology)
  const formed = so.formedAt !== undefined && context.adopted === undefined
  const uncovered = ascending(so.topology).flatMap((shard) =>
    told('SlotsUncovered', shard.shard, subtractRanges(parseSlots(shard.slots), ownedAfter)),
  )
  const gained = ascending(after.topology).flatMap((shard) => {
    const own = parseSlots(so.topology?.find((each) => each.shard === shard.shard)?.slots ?? '')
    const gain = subtractRanges(parseSlots(shard.slots), own)
    const moved = intersectRanges(gain, ownedBefore)
    const fresh = subtractRanges(gain, ownedBefore)
    return [
      ...told('SlotsAssigned', shard.shard, moved, context.adopted !== undefined),
      ...told(formed ? 'SlotsCovered' : 'SlotsAssigned', shard.shard, fresh, context.adopted !== undefined),
    ]
  })
  return [...uncovered, ...gained]
}

type Slots = { readonly shard: number; readonly slots: string }

const ascending = <S extends Slots>(topology: readonly S[] | undefined): readonly S[] =>
  (topology ?? []).toSorted((a, b) => a.shard - b.shard)

const allSlots = (topology: readonly Slots[] | undefined): readonly SlotRange[] =>
  (topology ?? []).flatMap((shard) => parseSlots(shard.slots))

/** Eight ranges an event; more become several events, so that nothing of what is owned is cut. */
const told = (
  type: SlotsEvent,
  shard: number,
  ranges: readonly SlotRange[],
  adopted = false,
): readonly ClusterEvent[] =>
  inEights(ranges).map(({ count, ...part }) => {
    const data = { shard, ...part, count, message: sentence(type, shard, count, adopted) }
    if (type === 'SlotsAssigned' && adopted) return { type, data: { ...data, adopted: true } }
    return { type, data }
  })

const sentence = (type: SlotsEvent, shard: number, count: number, adopted: boolean): string => {
  const slots = counted(count, 'slot')
  if (type === 'SlotsUncovered') return `${slots} of shard ${shard} have no owner`
  if (adopted) return `Shard ${shard} was found owning ${slots}`
  return type === 'SlotsCovered'
    ? `Shard ${shard} owns ${slots} that had no owner`
    : `Shard ${shard} was given ${slots}`
}

/** SlotsRepaired of slots that are no longer remembered as half moved, SlotsLeftOpen of those that newly are. */
export const openSlotChanges = ({ so, after, context }: Step): readonly ClusterEvent[] => {
  const before = parseSlots(so.openSlots ?? '')
  const now = parseSlots(after.openSlots ?? '')
  const keys = context.movedKeys ?? 0
  const moved = keys === 0 ? '' : `, ${counted(keys, 'key')} ${keys === 1 ? 'was' : 'were'} moved`
  return [
    ...inEights(subtractRanges(before, now)).map((part): ClusterEvent => ({
      type: 'SlotsRepaired',
      data: { ...part, keys, message: `${named(part)} ${part.count === 1 ? 'is' : 'are'} whole again${moved}` },
    })),
    ...inEights(subtractRanges(now, before)).map((part): ClusterEvent => ({
      type: 'SlotsLeftOpen',
      data: { ...part, message: `${named(part)} ${part.count === 1 ? 'was' : 'were'} left half moved` },
    })),
  ]
}

const inEights = (ranges: readonly SlotRange[]): readonly { readonly ranges: string[]; readonly count: number }[] =>
  Array.from({ length: Math.ceil(ranges.length / 8) }, (_, index) => {
    const part = ranges.slice(index * 8, index * 8 + 8)
    return { ranges: part.map(formatRange), count: countSlots(part) }
  })

const named = ({ ranges, count }: { readonly ranges: readonly string[]; readonly count: number }): string =>
  `${count === 1 ? 'Slot' : 'Slots'} ${ranges.join(', ')}`
