import type { Clock, Timers } from './contract.ts'

const tickMs = 250
const jumpMs = 1000

/** Counts the times this process stood still: a paused machine, a long computation, a stepped clock. */
export type LoopWatch = {
  /** Jumps so far, one that is only now noticed included. */
  jumps(): number
}

/**
 * Watches the event loop until the signal aborts. A pass that was under way across a jump holds beliefs that are as
 * old as the jump was long, so it must not act on them.
 */
export function watchLoop(clock: Clock, timers: Timers, signal: AbortSignal): LoopWatch {
  let jumps = 0
  let last = clock.now()
  const look = (): void => {
    const now = clock.now()
    if (Math.abs(now - last) > jumpMs + tickMs) jumps += 1
    last = now
  }
  const tick = (): void => {
    look()
    if (!signal.aborted) timers.after(tickMs, tick)
  }
  timers.after(tickMs, tick)
  return {
    jumps: () => {
      look()
      return jumps
    },
  }
}
