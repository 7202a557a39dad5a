import { GetObjectCommand } from '@aws-sdk/client-s3'
import type { Bounds } from './bounds.ts'
import type { Pace } from './pace.ts'
import type { S3Connection } from './s3-connection.ts'
import { s3CodeOf, s3Error } from './s3-error.ts'
import { StorageError } from './storage-error.ts'

type Opened = {
  readonly chunks: AsyncIterator<Buffer>
  readonly close: () => void
  readonly etag: string
  readonly bytes: number
}
type Range = { readonly at: number; readonly to: number; readonly etag: string | undefined }

/** Reads an object from one byte to another; goes on where it was when the connection breaks. */
export async function* getS3(
  connection: S3Connection,
  key: string,
  { from, to, bounds, pace }: { from: number; to: number; bounds: Bounds; pace: Pace },
): AsyncGenerator<Buffer> {
  let at = from
  let etag: string | undefined
  let failures = 0
  while (at < to) {
    let opened: Opened | null = null
    try {
      opened = await openRange(connection, `${connection.prefix}${key}`, { at, to, etag }, bounds)
      if (opened === null) return
      etag = opened.etag
      const end = at + opened.bytes
      for (;;) {
        const next = await bounds.race(opened.chunks.next(), connection.stallMs)
        if (next.done === true) break
        await pace(next.value.length, bounds)
        at += next.value.length
        failures = 0
        yield next.value
      }
      if (at === end) return
      throw new StorageError('Unreachable', `reading ${key}: the connection ended ${end - at} bytes early`)
    } catch (error) {
      const explained = s3Error(error, connection, bounds, `reading ${key}`)
      failures += 1
      // Before the first answer the client itself has tried often enough.
      const isWorthIt = explained instanceof StorageError && explained.mayPass && opened !== null
      if (!isWorthIt || failures >= connection.tries || bounds.signal.aborted) throw explained
    } finally {
      opened?.close()
    }
  }
}

/** Null where the object ends before the range begins. */
async function openRange(
  { reading, bucket }: S3Connection,
  key: string,
  { at, to, etag }: Range,
  bounds: Bounds,
): Promise<Opened | null> {
  const isPart = at > 0 || Number.isFinite(to)
  const range = isPart ? { Range: `bytes=${at}-${Number.isFinite(to) ? to - 1 : ''}` } : {}
  const same = etag === undefined ? {} : { IfMatch: etag }
  const get = new GetObjectCommand({ Bucket: bucket, Key: key, ...range, ...same })
  const answer = await reading.send(get, { abortSignal: bounds.signal }).catch((error: unknown) => {
    const code = s3CodeOf(error)
    if (code === 'InvalidRange' && etag === undefined) return null
    if (code === 'PreconditionFailed')
      throw new StorageError('Refused', `${key} was replaced while it was read`, 'Read it again from the beginning')
    throw error
  })
  if (answer === null) return null
  const body = answer.Body as (AsyncIterable<Buffer> & { destroy(): void }) | undefined
  if (body === undefined || (isPart && answer.ContentRange?.startsWith(`bytes ${at}-`) !== true)) {
    body?.destroy()
    throw new StorageError('Refused', `the server gave another part of ${key} than was asked for`)
  }
  const chunks = body[Symbol.asyncIterator]()
  return { chunks, close: () => body.destroy(), etag: answer.ETag ?? '', bytes: answer.ContentLength ?? 0 }
}
