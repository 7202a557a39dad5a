import type { Key } from './contract.ts'
import { nameOf } from './queue.ts'

/** How long to wait after failures. `jitter` answers between 0 and 1; the wait lies between half and all of the step. */
export type BackoffOptions = { readonly baseMs: number; readonly maxMs: number; readonly jitter: () => number }

/** Waits that double per key and failure, up to a limit. */
export type Backoff = {
  /** The wait after one more failure of this key. */
  next(key: Key): number
  /** Forgets the failures of this key. */
  reset(key: Key): void
}

/** Makes a backoff that has seen no failure. */
export function createBackoff(options: BackoffOptions): Backoff {
  const failures = new Map<string, number>()
  return {
    next: (key) => {
      const name = nameOf(key)
      const count = failures.get(name) ?? 0
      failures.set(name, count + 1)
      // 2 ** 30 is past any sensible limit; the exponent is held there so that the product stays a number.
      const stepMs = Math.min(options.maxMs, options.baseMs * 2 ** Math.min(count, 30))
      return Math.round(stepMs / 2 + (stepMs / 2) * options.jitter())
    },
    reset: (key) => void failures.delete(nameOf(key)),
  }
}
