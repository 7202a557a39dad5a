import { type RdbContent, unpackSlotCounts } from '@slotkeeper/rdb'
import { type SlotRange, uncovered } from '@slotkeeper/redis-topology'

/** The slots that a file has keys of although its shard did not own them, ascending. */
export function strangeSlots({ slots }: Pick<RdbContent, 'slots'>, owned: readonly SlotRange[]): readonly number[] {
  const counts = unpackSlotCounts(slots)
  return uncovered(owned).flatMap(({ first, last }) =>
    Array.from({ length: last - first + 1 }, (_, index) => first + index).filter((slot) => (counts[slot] ?? 0) > 0),
  )
}
