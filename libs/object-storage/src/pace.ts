import { setTimeout as delay } from 'node:timers/promises'
import type { Bounds } from './bounds.ts'

/** Waits for as long as so many bytes must wait for their turn. */
export type Pace = (bytes: number, bounds: Bounds) => Promise<void>

/**
 * A pace that all calls of a storage share.
 *
 * @param bytesPerSecond on average, since what is sent at once is a part; no limit when not said
 */
export function paceOf(bytesPerSecond: number | undefined): Pace {
  if (bytesPerSecond === undefined) return async () => undefined
  let free = performance.now()
  return async (bytes, bounds) => {
    const now = performance.now()
    const wait = Math.max(0, free - now)
    free = Math.max(free, now) + (bytes / bytesPerSecond) * 1000
    if (wait > 0) await bounds.race(delay(wait, undefined, { signal: bounds.signal }))
  }
}
