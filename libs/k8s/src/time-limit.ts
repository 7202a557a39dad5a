import { setTimeout as sleepFor } from 'node:timers/promises'

/** What a call may use: stops when the signal fires, and at the deadline (Unix ms) if one is given. */
export type CallIo = { readonly signal: AbortSignal; readonly deadline?: number }

/** What is left until a deadline, at most `atMost`, at least 1 ms. */
export function remaining(io: CallIo, atMost: number): number {
  return io.deadline === undefined ? atMost : Math.max(1, Math.min(atMost, io.deadline - Date.now()))
}

/** Runs work under a limit of time; `expired` makes the error, an abort by the caller throws the caller's reason. */
export async function withTimeLimit<T>(
  signal: AbortSignal,
  limitMs: number,
  expired: () => Error,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted()
  // Not AbortSignal.any: one signal lives as long as the process, and would collect a dependent for each call.
  const inner = new AbortController()
  const abort = (): void => inner.abort(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  const timer = setTimeout(() => inner.abort(expired()), limitMs)
  try {
    return await work(inner.signal)
  } catch (error) {
    throw inner.signal.aborted ? inner.signal.reason : error
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', abort)
  }
}

/** Waits; returns false when the signal fired first. */
export async function pause(ms: number, signal: AbortSignal): Promise<boolean> {
  try {
    await sleepFor(ms, undefined, { signal })
    return true
  } catch {
    return false
  }
}
