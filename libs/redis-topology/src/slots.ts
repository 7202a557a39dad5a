/** The number of hash slots of a cluster (Redis Cluster specification). */
export const SLOT_COUNT = 16384

/** Slots from first to last, both included. */
export type SlotRange = { readonly first: number; readonly last: number }

/** The even split of all slots over so many shards, in order of shards; sizes differ by at most one. */
export function evenRanges(shards: number): readonly SlotRange[] {
  return Array.from({ length: shards }, (_, shard) => ({
    first: Math.round((shard * SLOT_COUNT) / shards),
    last: Math.round(((shard + 1) * SLOT_COUNT) / shards) - 1,
  }))
}

/** Ranges sorted, without overlap, and joined where they touch. */
export function normalise(ranges: readonly SlotRange[]): readonly SlotRange[] {
  const out: SlotRange[] = []
  for (const range of ranges.toSorted((a, b) => a.first - b.first)) {
    const last = out.at(-1)
    if (last !== undefined && range.first <= last.last + 1)
      out[out.length - 1] = { first: last.first, last: Math.max(last.last, range.last) }
    else out.push(range)
  }
  return out
}

/** How many slots the ranges hold; they must not overlap. */
export function slotCount(ranges: readonly SlotRange[]): number {
  return ranges.reduce((sum, range) => sum + range.last - range.first + 1, 0)
}

/** Ranges as people and the status write them: `0-5460,5462`; empty for none. */
export function formatRanges(ranges: readonly SlotRange[]): string {
  return normalise(ranges)
    .map((range) => (range.first === range.last ? `${range.first}` : `${range.first}-${range.last}`))
    .join(',')
}

/** The ranges of a text that `formatRanges` wrote. */
export function parseRanges(text: string): readonly SlotRange[] {
  if (text === '') return []
  return text.split(',').map((part) => {
    const [first, last] = part.split('-').map(Number)
    if (first === undefined || !Number.isInteger(first)) throw new Error(`not a slot range: ${part}`)
    return { first, last: last ?? first }
  })
}

/** The slots that are in both. */
export function common(a: readonly SlotRange[], b: readonly SlotRange[]): readonly SlotRange[] {
  const [left, right] = [normalise(a), normalise(b)]
  const out: SlotRange[] = []
  for (let i = 0, j = 0; i < left.length && j < right.length;) {
    const [one, other] = [left[i], right[j]]
    if (one === undefined || other === undefined) break
    const range = { first: Math.max(one.first, other.first), last: Math.min(one.last, other.last) }
    if (range.first <= range.last) out.push(range)
    if (one.last < other.last) i++
    else j++
  }
  return out
}

/** The slots of 0..16383 that the ranges leave out. */
export function uncovered(ranges: readonly SlotRange[]): readonly SlotRange[] {
  const out: SlotRange[] = []
  let next = 0
  for (const range of normalise(ranges)) {
    if (range.first > next) out.push({ first: next, last: range.first - 1 })
    next = range.last + 1
  }
  if (next < SLOT_COUNT) out.push({ first: next, last: SLOT_COUNT - 1 })
  return out
}
