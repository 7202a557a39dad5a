import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startCephStorage, startObjectStorage } from '@slotkeeper/testing'
import type { AzureStorage, RequestFault, S3Server, SeenRequest } from '@slotkeeper/testing'
import { openAzure, openDirectory, openS3, StorageError } from '../src/index.ts'
import type { AzureOptions, Limits, ObjectStore, S3Options } from '../src/index.ts'

/** Bytes of a part in these tests, the least that Amazon takes. */
export const PART = 5 * 1024 * 1024

/** Whether the server is Ceph's gateway (`make test-storage`) instead of versitygw. */
export const isCeph = process.env['S3_SERVER'] === 'ceph'

/** Starts the S3 server that this run is about. */
export const startS3: (options?: { readonly users: Readonly<Record<string, readonly string[]>> }) => Promise<S3Server> =
  isCeph ? startCephStorage : startObjectStorage

/** Limits that a test never reaches, unless it is about them. */
export const limits = (deadlineMs = 60_000, signal: AbortSignal = new AbortController().signal): Limits => ({
  signal,
  deadlineMs,
})

/** The bucket of a server under a prefix of its own. */
export const openBucket = (storage: S3Server, options: Partial<S3Options> = {}): ObjectStore =>
  openS3({
    endpoint: storage.endpoint,
    bucket: storage.bucket,
    prefix: `test-${randomUUID()}`,
    credentials: storage.admin,
    partBytes: PART,
    ...options,
  })

/** The container of a server under a prefix of its own. */
export const openContainer = (
  { account, accountKey, container, endpoint }: AzureStorage,
  options: Partial<AzureOptions> = {},
): ObjectStore =>
  openAzure({
    account,
    container,
    endpoint,
    prefix: `test-${randomUUID()}`,
    credentials: { accountKey },
    blockBytes: PART,
    ...options,
  })

/** A fault for the first few requests of a kind. */
export const first = (times: number, fits: (seen: SeenRequest) => boolean, fault: RequestFault) => {
  let left = times
  return (seen: SeenRequest): RequestFault | undefined => (fits(seen) && left-- > 0 ? fault : undefined)
}

/** A directory of its own; `remove` takes it away. */
export async function openFreshDirectory(): Promise<{ store: ObjectStore; path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'slotkeeper-objects-'))
  return { store: openDirectory({ directory: path }), path, remove: () => rm(path, { recursive: true, force: true }) }
}

/** Bytes that differ from place to place, in chunks of an odd length. */
export async function* streamOf(bytes: Buffer, chunk = 77_777): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += chunk) yield bytes.subarray(at, at + chunk)
}

/** All that a stream gives. */
export async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = []
  for await (const chunk of chunks) all.push(chunk)
  return Buffer.concat(all)
}

/** Everything that an iteration gives. */
export async function listed<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

/** The kind of a call's failure, or what else came of it. */
export async function faultOf(call: Promise<unknown>): Promise<string> {
  try {
    await call
    return 'none'
  } catch (error) {
    return error instanceof StorageError ? error.fault : String(error)
  }
}

/** Uploads that were begun and not ended; they are gone afterwards. */
export const unfinished = async (store: ObjectStore): Promise<readonly string[]> =>
  (await store.sweep('', new Date(Date.now() + 3_600_000), limits())).map(({ key }) => key)
