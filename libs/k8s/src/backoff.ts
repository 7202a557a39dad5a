/** Growing pauses between tries of what keeps failing. */
export type Backoff = {
  /** The next pause in ms. */
  next(): number
  /** It worked: start again from the shortest. */
  reset(): void
}

/** Doubles from `minMs` to `maxMs`; each pause is drawn between half of it and all of it, so that many clients spread. */
export function createBackoff(options: {
  readonly minMs: number
  readonly maxMs: number
  readonly random: () => number
}): Backoff {
  let step = options.minMs
  return {
    next() {
      const pause = step / 2 + (step / 2) * options.random()
      step = Math.min(step * 2, options.maxMs)
      return pause
    },
    reset() {
      step = options.minMs
    },
  }
}
