import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Looks again and again until a look finds something.
 *
 * @param what what is waited for, for the error
 * @param timeoutMs how long at most, in milliseconds
 * @param look gives undefined, or rejects, for as long as it is to be repeated
 * @param options pause between two looks, 50 ms when not said, and what ends the waiting
 * @returns what was found
 * @throws Error that says what was waited for, and why the last look failed
 */
export async function until<T>(
  what: string,
  timeoutMs: number,
  look: () => Promise<T | undefined>,
  { everyMs = 50, signal }: { readonly everyMs?: number; readonly signal?: AbortSignal } = {},
): Promise<T> {
  const end = performance.now() + timeoutMs
  let last: unknown
  for (;;) {
    signal?.throwIfAborted()
    try {
      const found = await look()
      if (found !== undefined) return found
    } catch (error) {
      last = error
    }
    if (performance.now() > end)
      throw new Error(`${what}: not within ${timeoutMs / 1000} s${last instanceof Error ? ` (${last.message})` : ''}`)
    await sleep(everyMs, undefined, signal === undefined ? {} : { signal })
  }
}
