import { setTimeout as pause } from 'node:timers/promises'
import { connectCluster, type WriterOptions } from '@slotkeeper/testing'
import { longestGap } from './longest-gap.ts'

/** What an application saw since a moment. */
export type ClientView = {
  /** Calls that ended in an error, or not at all. */
  readonly failed: number
  /** The longest time without an answer other than an error, in milliseconds; of the worst lane. */
  readonly gapMs: number
  /** Acknowledged writes that are not there afterwards. */
  readonly lost: number
}

/** An ordinary client at work: single SETs by ioredis, each lane to one shard. */
export type PlainClient = {
  /** Whether every lane has got an answer since that moment of `performance.now()`. */
  answeredSince(moment: number): boolean
  /** Ends it; what it saw since that moment. */
  finish(since: number): Promise<ClientView>
  close(): void
}

/** Writes of each lane per second. */
export const LANE_PER_SECOND = 100
const PATIENCE_MS = 10_000
const READ_AT_ONCE = 500

/** Without it the client asks for the map of slots only after an error, and waits for ever for a server that is silent. */
const REFRESH_MS = 1_000

/** Starts to write with ioredis: its own retries, no pipelines, no WAIT. One lane for each tag. */
export function startPlainClient(
  options: Omit<WriterOptions, 'perSecond'>,
  tags: readonly string[],
  signal: AbortSignal,
): PlainClient {
  const cluster = connectCluster(options, { slotsRefreshInterval: REFRESH_MS })
  const answered = tags.map((): number[] => [])
  const written: string[] = []
  const failed: number[] = []
  const underWay = new Set<Promise<void>>()
  let count = 0
  const write = async (lane: number): Promise<void> => {
    const key = `{${tags[lane]}}${count++}`
    try {
      await cluster.set(key, key)
      answered[lane]?.push(performance.now())
      written.push(key)
    } catch {
      failed.push(performance.now())
    }
  }
  const timers = tags.map((_, lane) =>
    setInterval(() => {
      const one = write(lane).finally(() => underWay.delete(one))
      underWay.add(one)
    }, 1000 / LANE_PER_SECOND),
  )
  const stop = (): void => timers.forEach((timer) => clearInterval(timer))
  return {
    answeredSince: (moment) => answered.every((lane) => (lane.at(-1) ?? 0) > moment),
    finish: async (since) => {
      stop()
      const end = performance.now()
      const patience = new AbortController()
      const late = pause(PATIENCE_MS, undefined, { signal: AbortSignal.any([signal, patience.signal]) })
      await Promise.race([Promise.all(underWay), late.catch(() => undefined)])
      patience.abort()
      return {
        failed: failed.filter((at) => at > since).length + underWay.size,
        gapMs: Math.max(...answered.map((lane) => longestGap(lane, since, end))),
        lost: await missing(written, (key) => cluster.get(key)),
      }
    },
    close: () => {
      stop()
      cluster.disconnect()
    },
  }
}

async function missing(keys: readonly string[], read: (key: string) => Promise<string | null>): Promise<number> {
  let count = 0
  for (let from = 0; from < keys.length; from += READ_AT_ONCE) {
    const some = keys.slice(from, from + READ_AT_ONCE)
    const values = await Promise.all(some.map(read))
    count += values.filter((value, index) => value !== some[index]).length
  }
  return count
}
