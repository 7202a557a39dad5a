/** An inclusive range of hash slots. */
export type SlotRange = readonly [first: number, last: number]

/** Reads `0-10,20,30-40`. Empty text is no slots. */
export const parseSlots = (text: string): readonly SlotRange[] =>
  text === ''
    ? []
    : text.split(',').map((part) => {
        const [first = '', last = first] = part.split('-')
        return [Number(first), Number(last)]
      })

/** One range as text: `7` or `7-9`. */
export const formatRange = ([first, last]: SlotRange): string => (first === last ? `${first}` : `${first}-${last}`)

/** Writes ranges merged and ascending. */
export const formatSlots = (ranges: readonly SlotRange[]): string => mergeRanges(ranges).map(formatRange).join(',')

/** Sorts ranges and joins those that touch or overlap. */
export const mergeRanges = (ranges: readonly SlotRange[]): readonly SlotRange[] => {
  const merged: [number, number][] = []
  for (const [first, last] of ranges.toSorted((a, b) => a[0] - b[0])) {
    const previous = merged.at(-1)
    if (previous && first <= previous[1] + 1) previous[1] = Math.max(previous[1], last)
    else merged.push([first, last])
  }
  return merged
}

/** The slots of `a` that are not in `b`. */
export const subtractRanges = (a: readonly SlotRange[], b: readonly SlotRange[]): readonly SlotRange[] => {
  let rest = mergeRanges(a)
  for (const [first, last] of b) {
    rest = rest.flatMap(([from, to]): SlotRange[] => {
      if (last < from || first > to) return [[from, to]]
      const pieces: SlotRange[] = [
        [from, first - 1],
        [last + 1, to],
      ]
      return pieces.filter(([low, high]) => low <= high)
    })
  }
  return rest
}

/** The slots that are in both. */
export const intersectRanges = (a: readonly SlotRange[], b: readonly SlotRange[]): readonly SlotRange[] =>
  subtractRanges(a, subtractRanges(a, b))

/** How many slots the ranges hold. */
export const countSlots = (ranges: readonly SlotRange[]): number =>
  mergeRanges(ranges).reduce((sum, [first, last]) => sum + last - first + 1, 0)
