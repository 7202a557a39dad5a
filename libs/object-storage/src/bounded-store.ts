import { Bounds } from './bounds.ts'
import type { Limits } from './bounds.ts'
import { byteRange } from './byte-range.ts'
import { checkKey, checkPrefix } from './object-key.ts'
import type {
  ObjectFacts,
  ObjectStore,
  Permissions,
  PutOptions,
  StoredObject,
  SweepOptions,
  SweptUpload,
} from './object-store.ts'
import { type Pace, paceOf } from './pace.ts'
import { bounded, boundedSource } from './source.ts'

/** What is read, how fast, and until when. */
export type BoundedRead = { readonly from: number; readonly to: number; readonly bounds: Bounds; readonly pace: Pace }

/** How to store, and until when. */
export type BoundedPut = PutOptions & { readonly bounds: Bounds }

/** Which unfinished uploads are taken back. */
export type Unfinished = { readonly olderThan: Date; readonly only: (key: string) => boolean }

/** The calls of one kind of server; keys are checked, and the streams that were handed in end with the bounds. */
export type ServerCalls = {
  readonly description: string
  readonly permissions: Permissions
  put(key: string, chunks: AsyncIterable<Uint8Array>, options: BoundedPut): Promise<StoredObject>
  get(key: string, options: BoundedRead): AsyncIterable<Buffer>
  head(key: string, bounds: Bounds): Promise<ObjectFacts>
  list(prefix: string, bounds: Bounds): AsyncIterable<ObjectFacts>
  delete(keys: AsyncIterable<string>, bounds: Bounds): Promise<void>
  sweep(prefix: string, which: Unfinished, bounds: Bounds): Promise<readonly SweptUpload[]>
  close(): void
  /** What the caller is told of an error; `doing` is for the sentence. */
  explain(error: unknown, bounds: Bounds, doing: string): unknown
}

/** An {@link ObjectStore} over the calls of a server. */
export function boundedStore(calls: ServerCalls, maxBytesPerSecond: number | undefined): ObjectStore {
  const pace = paceOf(maxBytesPerSecond)
  const within = async <T>(limits: Limits, doing: string, work: (bounds: Bounds) => Promise<T>): Promise<T> => {
    const bounds = new Bounds(limits)
    try {
      return await work(bounds)
    } catch (error) {
      throw calls.explain(error, bounds, doing)
    }
  }
  return {
    description: calls.description,
    permissions: calls.permissions,
    put: (key, chunks, options) =>
      within(options, `storing ${key}`, (bounds) =>
        calls.put(checkKey(key), boundedSource(chunks, bounds, pace), { ...options, bounds }),
      ),
    async *get(key, options) {
      yield* calls.get(checkKey(key), { ...byteRange(options), bounds: new Bounds(options), pace })
    },
    head: (key, limits) => within(limits, `looking at ${key}`, (bounds) => calls.head(checkKey(key), bounds)),
    async *list(prefix, limits) {
      const bounds = new Bounds(limits)
      try {
        yield* calls.list(checkPrefix(prefix), bounds)
      } catch (error) {
        throw calls.explain(error, bounds, `listing ${prefix}*`)
      }
    },
    delete: (keys, limits) =>
      within(limits, 'deleting', (bounds) => calls.delete(checked(bounded(keys, bounds)), bounds)),
    sweep: (prefix, olderThan, { only = () => true, ...limits }: SweepOptions) =>
      within(limits, `sweeping ${prefix}*`, (bounds) => calls.sweep(checkPrefix(prefix), { olderThan, only }, bounds)),
    close: () => calls.close(),
  }
}

async function* checked(keys: AsyncIterable<string>): AsyncGenerator<string> {
  for await (const key of keys) yield checkKey(key)
}
