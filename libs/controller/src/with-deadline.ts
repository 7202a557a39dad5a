import type { Clock, Io, Timers } from './contract.ts'

/** What limits an I/O: whose clock, which timers, and the signal of the work it belongs to. */
export type Limits = { readonly clock: Clock; readonly timers: Timers; readonly signal: AbortSignal }

/** Runs an I/O whose signal aborts with the outer one or after `ms`, and waits until it has ended. */
export async function withDeadline<T>(limits: Limits, ms: number, run: (io: Io) => Promise<T>): Promise<T> {
  const own = new AbortController()
  const abort = (): void => own.abort(limits.signal.reason)
  const cancel = limits.timers.after(ms, () => own.abort(new DOMException(`no answer in ${ms} ms`, 'TimeoutError')))
  limits.signal.addEventListener('abort', abort, { once: true })
  if (limits.signal.aborted) abort()
  try {
    return await run({ signal: own.signal, deadline: limits.clock.now() + ms })
  } finally {
    cancel()
    limits.signal.removeEventListener('abort', abort)
  }
}
