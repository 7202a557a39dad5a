/** A stop of the whole process: it slept, was paused, or one piece of work held it up. */
export type Jump = { readonly lostMs: number }

const LOOK_EACH_MS = 250

/** Calls back after each time that the event loop stood still, or the wall clock leapt, for more than `thresholdMs`. */
export function watchEventLoop(options: {
  readonly onJump: (jump: Jump) => void
  readonly thresholdMs?: number
  readonly signal: AbortSignal
}): void {
  const threshold = options.thresholdMs ?? 1_000
  let [monotonic, wall] = [performance.now(), Date.now()]
  const timer = setInterval(() => {
    const [nowMonotonic, nowWall] = [performance.now(), Date.now()]
    // A sleeping machine stops the monotonic clock: only the wall clock shows it.
    const lostMs = Math.max(nowMonotonic - monotonic, nowWall - wall) - LOOK_EACH_MS
    ;[monotonic, wall] = [nowMonotonic, nowWall]
    if (lostMs > threshold) options.onJump({ lostMs })
  }, LOOK_EACH_MS)
  timer.unref()
  options.signal.addEventListener('abort', () => clearInterval(timer), { once: true })
}
