import type { Clock, Timers } from './contract.ts'

const tickMs = 250
const jumpMs = 1000

/** Whether this process stood still while it was watched: a paused machine, a long computation, a stepped clock. */
export type LoopWatch = {
  /** A jump that is only now noticed included. Stays true. */
  jumped(): boolean
  /** Ends the watch. */
  stop(): void
}

/**
 * Watches the event loop until it is stopped. A pass that was under way across a jump holds beliefs that are as old as
 * the jump was long, so it must not act on them. Between passes nobody watches: a process at rest sleeps.
 */
export function watchLoop(clock: Clock, timers: Timers): LoopWatch {
  let jumped = false
  let last = clock.now()
  let cancel: () => void = () => undefined
  const look = (): void => {
    const now = clock.now()
    jumped ||= Math.abs(now - last) > jumpMs + tickMs
    last = now
  }
  const tick = (): void => {
    look()
    cancel = timers.after(tickMs, tick)
  }
  cancel = timers.after(tickMs, tick)
  return {
    jumped: () => {
      look()
      return jumped
    },
    stop: () => cancel(),
  }
}
