import type { Cluster } from 'ioredis'
import { connectCluster, type WriterOptions } from './recording-writer.ts'

/** What is written: a key of its own (repeating that is harmless), or the next value of a list (repeating that shows). */
export type EntryKind = 'key' | 'item'

/** What came of a call: `failed` is an error or no answer in time, and says nothing about whether it was carried out. */
export type Outcome = 'confirmed' | 'acknowledged' | 'failed'

/** One call of the writer. The moments are of `performance.now()`. */
export type Entry = {
  readonly lane: number
  readonly kind: EntryKind
  /** Unique in the ledger; it is the value too. */
  readonly value: string
  readonly sentAt: number
  readonly answeredAt: number
  /** `confirmed`: a replica had it too (`WAIT 1`). */
  readonly outcome: Outcome
  readonly error?: string
}

/** What is there afterwards: the keys that were found with their value, and each lane's list as it stands. */
export type ReadBack = { readonly keys: ReadonlySet<string>; readonly lists: readonly (readonly string[])[] }

/** How the writer reaches the cluster, and what tags its keys: one for each shard, so that each lane meets one shard. */
export type LedgerOptions = WriterOptions & { readonly tags: readonly string[] }

/** A writer at work that keeps a ledger of every call. */
export type LedgerWriter = {
  /** All calls that have ended, in the order of their ends. */
  entries(): readonly Entry[]
  /** Ends writing; resolves when every call has ended. */
  finish(): Promise<readonly Entry[]>
  /** Reads everything back, by an ordinary client. */
  readBack(): Promise<ReadBack>
  close(): void
}

/** What an application waits for an answer at most. */
const PATIENCE_MS = 2_000
/** A lane does not pile up calls: what waits behind others would fail for no fault of the servers. */
const AT_ONCE = 4
const ITEMS_EVERY_MS = 50
/** Without it the library never leaves a server that keeps its connections and does not answer. */
const REFRESH_MS = 2_000
/** Answers that say that nothing was carried out, so that the call may be repeated. */
const NOT_DONE = /^(MOVED|ASK|TRYAGAIN|CLUSTERDOWN|LOADING|READONLY|NOREPLICAS) /

/**
 * Writes at a steady rate into every shard: unique keys, several at once, and a list, one value after the other; behind
 * each a short WAIT. Calls are what an ordinary client makes: redirections and refusals are followed by the library, but
 * values of lists are never sent again when the connection broke, so that one that stands there twice was written twice.
 */
export function startLedgerWriter(options: LedgerOptions): LedgerWriter {
  const clients = {
    key: connectCluster(options, { slotsRefreshInterval: REFRESH_MS }),
    item: connectCluster(options, { slotsRefreshInterval: REFRESH_MS, retryDelayOnFailover: 0 }),
  }
  const entries: Entry[] = []
  const underWay = new Set<Promise<void>>()
  let ended = false
  let count = 0
  const call = async (lane: number, kind: EntryKind): Promise<void> => {
    const value = `${kind}:${count++}`
    const sentAt = performance.now()
    const { outcome, error } = await withPatience(write(clients[kind], options.tags[lane] ?? '', kind, value))
    const answeredAt = performance.now()
    entries.push({ lane, kind, value, sentAt, answeredAt, outcome, ...(error === undefined ? {} : { error }) })
  }
  const track = (work: Promise<void>): Promise<void> => {
    const one = work.finally(() => underWay.delete(one))
    underWay.add(one)
    return one
  }
  const lanes = options.tags.map((_, lane) => lane)
  const timers = lanes.map((lane) => {
    let atOnce = 0
    return setInterval(
      () => {
        if (atOnce >= AT_ONCE) return
        atOnce += 1
        void track(call(lane, 'key').finally(() => (atOnce -= 1)))
      },
      (1000 * lanes.length) / options.perSecond,
    )
  })
  const items = lanes.map((lane) => {
    let busy = false
    return setInterval(() => {
      if (busy || ended) return
      busy = true
      void track(call(lane, 'item').finally(() => (busy = false)))
    }, ITEMS_EVERY_MS)
  })
  const stop = (): void => {
    ended = true
    for (const timer of [...timers, ...items]) clearInterval(timer)
  }
  return {
    entries: () => entries,
    finish: async () => {
      stop()
      await Promise.all(underWay)
      return entries
    },
    readBack: () => readBack(clients.key, options.tags, entries),
    close: () => {
      stop()
      clients.key.disconnect()
      clients.item.disconnect()
    },
  }
}

const keyOf = (tag: string, value: string): string => `{${tag}}${value}`
const listOf = (tag: string): string => `{${tag}}list`

type Answer = { readonly outcome: Outcome; readonly error?: string }

/** The write with WAIT behind it on one connection; by itself where the server said that it did nothing. */
async function write(cluster: Cluster, tag: string, kind: EntryKind, value: string): Promise<Answer> {
  const batch = cluster.pipeline()
  const answers = await (kind === 'key' ? batch.set(keyOf(tag, value), value) : batch.rpush(listOf(tag), value))
    .call('WAIT', '1', '50')
    .exec()
  const [written, wait] = answers ?? []
  const refusal = written?.[0]
  if (refusal === null) return { outcome: wait?.[0] === null && Number(wait[1]) >= 1 ? 'confirmed' : 'acknowledged' }
  if (kind === 'item' && !NOT_DONE.test(refusal?.message ?? '')) throw refusal ?? new Error('no answer')
  await (kind === 'key' ? cluster.set(keyOf(tag, value), value) : cluster.rpush(listOf(tag), value))
  return { outcome: 'acknowledged' }
}

async function withPatience(work: Promise<Answer>): Promise<Answer> {
  const { promise: late, resolve } = Promise.withResolvers<Answer>()
  const timer = setTimeout(() => resolve({ outcome: 'failed', error: 'no answer in time' }), PATIENCE_MS)
  const caught = work.catch((error: unknown): Answer => ({
    outcome: 'failed',
    error: error instanceof Error ? error.message : String(error),
  }))
  return Promise.race([caught, late]).finally(() => clearTimeout(timer))
}

async function readBack(cluster: Cluster, tags: readonly string[], entries: readonly Entry[]): Promise<ReadBack> {
  const written = entries.filter(({ kind }) => kind === 'key')
  const found = await Promise.all(
    written.map(async ({ lane, value }) =>
      (await cluster.get(keyOf(tags[lane] ?? '', value))) === value ? [value] : [],
    ),
  )
  const lists = await Promise.all(tags.map((tag) => cluster.lrange(listOf(tag), 0, -1)))
  return { keys: new Set(found.flat()), lists }
}
