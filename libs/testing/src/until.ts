import { setTimeout as sleep } from 'node:timers/promises'

const EVERY_MS = 50

/**
 * Looks again and again until a look finds something.
 *
 * @param what what is waited for, for the error
 * @param timeoutMs how long at most, in milliseconds
 * @param look gives undefined, or rejects, for as long as it is to be repeated
 * @returns what was found
 * @throws Error that says what was waited for, and why the last look failed
 */
export async function until<T>(what: string, timeoutMs: number, look: () => Promise<T | undefined>): Promise<T> {
  const end = performance.now() + timeoutMs
  let last: unknown
  for (;;) {
    try {
      const found = await look()
      if (found !== undefined) return found
    } catch (error) {
      last = error
    }
    if (performance.now() > end)
      throw new Error(`${what}: not within ${timeoutMs / 1000} s${last instanceof Error ? ` (${last.message})` : ''}`)
    await sleep(EVERY_MS)
  }
}
