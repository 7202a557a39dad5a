const MOST_MS = 5_000

/** How long a connection may take to come about, in milliseconds, where so long nothing may move. */
export const connectMs = (stallMs: number): number => Math.min(stallMs, MOST_MS)
