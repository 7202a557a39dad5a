import { StorageError } from './storage-error.ts'

/** How long a call may take: milliseconds, and the signal that calls it off. */
export type Limits = { readonly signal: AbortSignal; readonly deadlineMs: number }

/** The limits of one call at work. */
export class Bounds {
  /** Aborted when the call is over, for either reason. */
  readonly signal: AbortSignal
  readonly #caller: AbortSignal
  readonly #timer: AbortSignal
  readonly #deadlineMs: number

  constructor({ signal, deadlineMs }: Limits) {
    this.#caller = signal
    this.#deadlineMs = deadlineMs
    this.#timer = AbortSignal.timeout(deadlineMs)
    this.signal = AbortSignal.any([signal, this.#timer])
    this.check()
  }

  /** Throws what the call ends with, when it is over. */
  check(): void {
    if (this.signal.aborted) throw this.end()
  }

  /** What a call that is over ends with: the reason of the caller's signal, or `Deadline`. */
  end(): unknown {
    if (this.#caller.aborted) return this.#caller.reason
    return new StorageError('Deadline', `not done within ${this.#deadlineMs / 1000} s, which was all the time it had`)
  }

  /**
   * The result of some work, or an error as soon as the call is over; the work itself may still go on.
   *
   * @param stallMs how long this piece of work may take; `Slow` then
   */
  async race<T>(work: Promise<T>, stallMs?: number): Promise<T> {
    // The loser of the race must not become an unhandled rejection.
    work.catch(() => undefined)
    const { promise, reject } = Promise.withResolvers<never>()
    const over = (): void => reject(this.end())
    if (this.signal.aborted) over()
    this.signal.addEventListener('abort', over, { once: true })
    const timer =
      stallMs === undefined
        ? undefined
        : setTimeout(() => reject(new StorageError('Slow', `nothing moved for ${stallMs / 1000} s`)), stallMs)
    try {
      return await Promise.race([work, promise])
    } finally {
      clearTimeout(timer)
      this.signal.removeEventListener('abort', over)
    }
  }
}

/** Waits for a piece of cleaning up, but not for ever, and whether it succeeds or not. */
export async function atMost(ms: number, work: Promise<unknown>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, ms)
  await Promise.race([work.catch(() => undefined), promise])
  clearTimeout(timer)
}
