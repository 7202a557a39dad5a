import { createHash } from 'node:crypto'

/** Draws that follow from a seed alone. */
export type Random = {
  /** A whole number from 0 on, below that bound. */
  below(bound: number): number
  /** One of these; throws when there is none. */
  pick<T>(from: readonly T[]): T
  /** These in another order. */
  shuffle<T>(from: readonly T[]): readonly T[]
}

/** Makes the draws of a seed: the same text gives the same draws, whatever else was drawn before. */
export function randomOf(seed: string): Random {
  let drawn = 0
  const below = (bound: number): number =>
    createHash('sha256').update(`${seed}:${drawn++}`).digest().readUInt32BE() % bound
  const pick = <T>(from: readonly T[]): T => {
    if (from.length === 0) throw new Error('nothing to pick from')
    return from[below(from.length)] as T
  }
  const shuffle = <T>(from: readonly T[]): readonly T[] =>
    from
      .map((one) => ({ one, at: below(2 ** 32) }))
      .toSorted((a, b) => a.at - b.at)
      .map(({ one }) => one)
  return { below, pick, shuffle }
}
