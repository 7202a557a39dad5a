/** What is told of samples. */
export type Summary = {
  readonly count: number
  readonly min: number
  readonly median: number
  readonly p99: number
  readonly max: number
}

/** Sums samples up; throws when there is none, for a figure without samples says nothing. */
export function summaryOf(samples: readonly number[]): Summary {
  const sorted = samples.toSorted((a, b) => a - b)
  const [min, max] = [sorted[0], sorted.at(-1)]
  if (min === undefined || max === undefined) throw new Error('no samples')
  const middle = (sorted.length - 1) / 2
  const low = sorted[Math.floor(middle)] ?? min
  const high = sorted[Math.ceil(middle)] ?? max
  // The nearest rank: a value that really occurred.
  const p99 = sorted[Math.ceil(sorted.length * 0.99) - 1] ?? max
  return { count: sorted.length, min, median: (low + high) / 2, p99, max }
}
