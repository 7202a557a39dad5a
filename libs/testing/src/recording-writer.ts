import { Cluster, type ClusterOptions } from 'ioredis'
import { connectorThrough, type Dial } from './connect-server.ts'

/** What a writer remembers: what it may claim to have written. */
export type WriteRecord = {
  readonly acknowledged: ReadonlySet<string>
  /** Of those, the ones that a replica confirmed (`WAIT 1`). */
  readonly confirmed: ReadonlySet<string>
  /** Calls that ended in an error other than a redirection. */
  readonly failed: number
  /** Longest time between two acknowledgements, in milliseconds. */
  readonly longestGapMs: number
}

/** How the writer reaches the cluster. */
export type WriterOptions = {
  readonly dial: Dial
  readonly startAt: readonly { readonly host: string; readonly port: number }[]
  readonly password: string
  /** Writes started per second. */
  readonly perSecond: number
}

/** How long a server may owe an answer before the connection is taken for lost. */
const SILENCE_MS = 10_000

/** A writer at work. */
export type RecordingWriter = {
  record(): WriteRecord
  /** Ends writing; resolves when every write has been answered. */
  finish(): Promise<WriteRecord>
  /** Reads every acknowledged key back; gives those that are not there. */
  missing(): Promise<{ readonly acknowledged: readonly string[]; readonly confirmed: readonly string[] }>
  close(): void
}

/**
 * Makes an ordinary ioredis Cluster client that opens its connections through `dial`.
 *
 * @param options of ioredis, where the defaults are not what an application would take
 */
export function connectCluster(
  { dial, startAt, password }: Omit<WriterOptions, 'perSecond'>,
  options: Pick<ClusterOptions, 'retryDelayOnFailover' | 'slotsRefreshInterval'> = {},
): Cluster {
  const redisOptions = {
    password,
    Connector: connectorThrough(dial) as never,
    connectTimeout: 1_000,
    // A machine that is lost closes no connection: what was sent to it would be waited for until TCP gives up.
    socketTimeout: SILENCE_MS,
  }
  const cluster = new Cluster([...startAt], {
    ...options,
    redisOptions,
    clusterRetryStrategy: () => 50,
    slotsRefreshTimeout: 1_000,
    dnsLookup: (address, done) => done(null, address),
  })
  // Trouble of single connections is expected while servers die; each call tells of its own.
  cluster.on('error', () => undefined)
  return cluster
}

/** Writes unique keys at a steady rate, each with WAIT 1 behind it on the same connection, and records what was answered. */
export function startWriter(options: WriterOptions): RecordingWriter {
  const cluster = connectCluster(options)
  const acknowledged = new Set<string>()
  const confirmed = new Set<string>()
  const underWay = new Set<Promise<void>>()
  let failed = 0
  let count = 0
  let lastAt = performance.now()
  let longestGapMs = 0
  const write = async (key: string): Promise<void> => {
    const answers = await cluster
      .pipeline()
      .set(key, key)
      .call('WAIT', '1', '1000')
      .exec()
      .catch(() => null)
    const [set, wait] = answers ?? []
    const moved = set?.[0]?.message.startsWith('MOVED') === true
    // A redirection is no failure: ioredis follows it for a single call, but not for a pipeline of two.
    const written = moved ? await cluster.set(key, key).catch(() => null) : set?.[0] === null
    if (written === null || written === false) {
      failed += 1
      return
    }
    const now = performance.now()
    longestGapMs = Math.max(longestGapMs, now - lastAt)
    lastAt = now
    acknowledged.add(key)
    if (!moved && wait?.[0] === null && Number(wait[1]) >= 1) confirmed.add(key)
  }
  const timer = setInterval(() => {
    const key = `write:${count++}`
    const one = write(key).finally(() => underWay.delete(one))
    underWay.add(one)
  }, 1000 / options.perSecond)
  const record = (): WriteRecord => ({ acknowledged, confirmed, failed, longestGapMs })
  return {
    record,
    finish: async () => {
      clearInterval(timer)
      await Promise.all(underWay)
      return record()
    },
    missing: async () => {
      const absent: string[] = []
      for (const key of acknowledged) if ((await cluster.get(key)) !== key) absent.push(key)
      return { acknowledged: absent, confirmed: absent.filter((key) => confirmed.has(key)) }
    },
    close: () => {
      clearInterval(timer)
      cluster.disconnect()
    },
  }
}
