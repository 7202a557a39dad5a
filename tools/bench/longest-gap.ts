/**
 * The longest time in which nothing happened.
 *
 * @param moments when something did, in ascending order
 * @param since the gap in the middle of which this lies is the first that counts
 * @param end when looking ended; in the unit of the moments, as the result is
 */
export function longestGap(moments: readonly number[], since: number, end: number): number {
  const first = moments.findLastIndex((one) => one <= since)
  const counted = [...moments.slice(Math.max(0, first)), end]
  return counted.reduce(
    (longest, at, index) => Math.max(longest, at - (counted[index - 1] ?? (first < 0 ? since : at))),
    0,
  )
}
