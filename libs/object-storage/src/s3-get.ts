import { GetObjectCommand } from '@aws-sdk/client-s3'
import type { BoundedRead } from './bounded-store.ts'
import type { Bounds } from './bounds.ts'
import { anotherPart, type OpenedPart, rangeOf, readOn, replacedWhileRead, type WantedPart } from './resumed-read.ts'
import type { S3Connection } from './s3-connection.ts'
import { s3CodeOf, s3Error } from './s3-error.ts'

/** Reads an object from one byte to another; goes on where it was when the connection breaks. */
export const getS3 = (
  connection: S3Connection,
  key: string,
  { bounds, ...part }: BoundedRead,
): AsyncGenerator<Buffer> =>
  readOn({
    ...part,
    key,
    bounds,
    stallMs: connection.stallMs,
    tries: connection.tries,
    open: (wanted) => openRange(connection, `${connection.prefix}${key}`, wanted, bounds),
    explain: (error) => s3Error(connection, error, bounds, `reading ${key}`),
  })

/** Null where the object ends before the range begins. */
async function openRange(
  { reading, bucket }: S3Connection,
  key: string,
  wanted: WantedPart,
  bounds: Bounds,
): Promise<OpenedPart | null> {
  const { at, etag } = wanted
  const range = rangeOf(wanted)
  const part = range === undefined ? {} : { Range: range }
  const same = etag === undefined ? {} : { IfMatch: etag }
  const get = new GetObjectCommand({ Bucket: bucket, Key: key, ...part, ...same })
  const answer = await reading.send(get, { abortSignal: bounds.signal }).catch((error: unknown) => {
    const code = s3CodeOf(error)
    if (code === 'InvalidRange' && etag === undefined) return null
    if (code === 'PreconditionFailed') throw replacedWhileRead(key)
    throw error
  })
  if (answer === null) return null
  const body = answer.Body as (AsyncIterable<Buffer> & { destroy(): void }) | undefined
  if (body === undefined || (range !== undefined && answer.ContentRange?.startsWith(`bytes ${at}-`) !== true)) {
    body?.destroy()
    throw anotherPart(key)
  }
  const chunks = body[Symbol.asyncIterator]()
  return { chunks, close: () => body.destroy(), etag: answer.ETag ?? '', bytes: answer.ContentLength ?? 0 }
}
