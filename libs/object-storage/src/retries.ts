/** How a try failed that may succeed later. */
export type FailedTry = {
  /** Whether the server said that too much is asked of it. */
  readonly isBusy: boolean
  /** For how long the server asked to be left alone; 0 where it said nothing. */
  readonly retryAfterMs: number
}

/** How often a request is tried, and for how long at least where the server is busy. */
export type Patience = { readonly tries: number; readonly busyMs: number }

/** How long a busy server is asked again when nothing is said; it is also the longest that it may make a request wait. */
export const BUSY_MS = 60_000

const LEAST_PAUSE_MS = 500
const MOST_PAUSE_MS = 8_000
const PASSING: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504])

/** Whether a request that was answered so may succeed when it is sent again. */
export const isPassing = (status: number): boolean => PASSING.has(status)

/** Whether a server that answers so has too much to do, or asks too much of itself. */
export const isBusyStatus = (status: number): boolean => status === 429 || status === 503

/** What `Retry-After` asks for, seconds or a date, in milliseconds; 0 where it is neither. */
export function retryAfterMs(header: string | undefined): number {
  const text = header?.trim() ?? ''
  const asked = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now()
  return Number.isFinite(asked) ? Math.max(0, asked) : 0
}

/** Counts the tries of one request. */
export class Retries {
  readonly #patience: Patience
  #tried = 0
  #failedFirst = 0

  constructor(patience: Patience) {
    this.#patience = patience
  }

  /** How long to wait before the next try, in milliseconds; null where there is none. */
  pauseAfter({ isBusy, retryAfterMs }: FailedTry): number | null {
    const { tries, busyMs } = this.#patience
    this.#tried += 1
    if (this.#tried === 1) this.#failedFirst = performance.now()
    const left = Math.max(0, this.#failedFirst + busyMs - performance.now())
    if (this.#tried >= tries && !(isBusy && left > 0)) return null
    const own = Math.min(MOST_PAUSE_MS, LEAST_PAUSE_MS * 2 ** (this.#tried - 1)) * (0.5 + Math.random() / 2)
    return Math.max(own, Math.min(retryAfterMs, left))
  }
}
