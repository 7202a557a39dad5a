import type { Clock, Timers } from './contract.ts'

/** The clock and timers of the machine. */
export const systemTime: { readonly clock: Clock; readonly timers: Timers } = {
  clock: { now: () => Date.now() },
  timers: {
    after: (ms, run) => {
      const timer = setTimeout(run, ms)
      return () => clearTimeout(timer)
    },
  },
}
