import {
  AbortMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
} from '@aws-sdk/client-s3'
import { boundedStore, type Unfinished } from './bounded-store.ts'
import type { Bounds } from './bounds.ts'
import type { ObjectFacts, ObjectStore, SweptUpload } from './object-store.ts'
import { repeats } from './repeats.ts'
import { connectS3 } from './s3-connection.ts'
import type { S3Connection, S3Options } from './s3-connection.ts'
import { s3CodeOf, s3Error } from './s3-error.ts'
import { s3StatusOf } from './s3-status.ts'
import { bareEtag } from './etag.ts'
import { getS3 } from './s3-get.ts'
import { putS3 } from './s3-put.ts'
import { StorageError } from './storage-error.ts'

const MOST_DELETES = 1000
/**
 * What servers answer that do not delete several at once, or not with this checksum: Google's 501 or 400; and Ceph's 403 to
 * whom a policy allows to delete, which it does not apply there. Whoever is right to refuse refuses a single delete too.
 */
const REFUSES_TOGETHER: ReadonlySet<number> = new Set([400, 403, 405, 501])

/**
 * Keeps objects in a bucket of S3. Connects to nothing before the first call.
 *
 * @throws StorageError for an endpoint that can be none
 */
export function openS3(options: S3Options): ObjectStore {
  const connection = connectS3(options)
  const calls = {
    description: connection.description,
    permissions: {
      write: 's3:PutObject',
      read: 's3:GetObject',
      list: 's3:ListBucket',
      delete: 's3:DeleteObject',
      sweep: 's3:ListBucketMultipartUploads and s3:AbortMultipartUpload',
    },
    put: putS3.bind(null, connection),
    get: getS3.bind(null, connection),
    head: headS3.bind(null, connection),
    list: listS3.bind(null, connection),
    delete: deleteS3.bind(null, connection),
    sweep: sweepS3.bind(null, connection),
    explain: s3Error.bind(null, connection),
    close() {
      connection.client.destroy()
      connection.reading.destroy()
    },
  }
  return boundedStore(calls, options.maxBytesPerSecond)
}

async function headS3({ client, bucket, prefix }: S3Connection, key: string, { signal }: Bounds): Promise<ObjectFacts> {
  const head = new HeadObjectCommand({ Bucket: bucket, Key: `${prefix}${key}` })
  const { ContentLength, LastModified, ETag } = await client
    .send(head, { abortSignal: signal })
    .catch(async (error) => {
      // The answer to HEAD has no body that would say what is not there.
      if (s3StatusOf(error) === 404)
        await client.send(new HeadBucketCommand({ Bucket: bucket }), { abortSignal: signal }).catch(noBucket)
      throw error
    })
  return { key, bytes: ContentLength ?? 0, modified: LastModified ?? new Date(0), etag: bareEtag(ETag) }
}

function noBucket(error: unknown): void {
  if (s3StatusOf(error) === 404) throw new StorageError('NoBucket', 'the bucket is not there')
}

async function* listS3({ client, bucket, prefix }: S3Connection, below: string, bounds: Bounds) {
  const isRepeated = repeats()
  for (let token: string | undefined; ;) {
    const page = {
      Bucket: bucket,
      Prefix: `${prefix}${below}`,
      ...(token === undefined ? {} : { ContinuationToken: token }),
    }
    const answer = await client.send(new ListObjectsV2Command(page), { abortSignal: bounds.signal })
    for (const { Key, Size, LastModified, ETag } of answer.Contents ?? []) {
      bounds.check()
      // An object with a slash at its end is how some tools draw a folder.
      if (Key === undefined || Key.endsWith('/')) continue
      yield {
        key: Key.slice(prefix.length),
        bytes: Size ?? 0,
        modified: LastModified ?? new Date(0),
        etag: bareEtag(ETag),
      }
    }
    if (answer.IsTruncated !== true) return
    if (answer.NextContinuationToken === undefined || isRepeated(answer.NextContinuationToken))
      throw new StorageError('Refused', `listing ${below}*: the server says that there is more, and not where`)
    token = answer.NextContinuationToken
  }
}

async function deleteS3(connection: S3Connection, keys: AsyncIterable<string>, bounds: Bounds): Promise<void> {
  let batch: string[] = []
  for await (const key of keys) {
    batch.push(key)
    if (batch.length < MOST_DELETES) continue
    await deleteBatch(connection, batch, bounds)
    batch = []
  }
  if (batch.length > 0) await deleteBatch(connection, batch, bounds)
}

async function deleteBatch({ client, bucket, prefix }: S3Connection, keys: readonly string[], { signal }: Bounds) {
  const objects = keys.map((key) => ({ Key: `${prefix}${key}` }))
  const together = new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects: objects, Quiet: true } })
  const answer = await client.send(together, { abortSignal: signal }).catch((error: unknown) => {
    if (!REFUSES_TOGETHER.has(s3StatusOf(error))) throw error
    return null
  })
  const left = answer === null ? objects : (answer.Errors ?? []).filter(({ Code }) => Code !== 'NoSuchKey')
  for (const { Key } of left)
    await client.send(new DeleteObjectCommand({ Bucket: bucket, Key }), { abortSignal: signal })
}

async function sweepS3(
  { client, bucket, prefix }: S3Connection,
  below: string,
  { olderThan, only }: Unfinished,
  { signal }: Bounds,
): Promise<readonly SweptUpload[]> {
  const swept: SweptUpload[] = []
  const isRepeated = repeats()
  for (let from: { KeyMarker?: string; UploadIdMarker?: string } = {}; ;) {
    const page = new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: `${prefix}${below}`, ...from })
    const answer = await client.send(page, { abortSignal: signal })
    for (const { Key, UploadId, Initiated } of answer.Uploads ?? []) {
      if (Key === undefined || UploadId === undefined || Initiated === undefined || Initiated >= olderThan) continue
      if (!only(Key.slice(prefix.length))) continue
      const abort = new AbortMultipartUploadCommand({ Bucket: bucket, Key, UploadId })
      await client.send(abort, { abortSignal: signal }).catch((error: unknown) => {
        if (s3CodeOf(error) !== 'NoSuchUpload') throw error
      })
      swept.push({ key: Key.slice(prefix.length), began: Initiated })
    }
    const { IsTruncated, NextKeyMarker, NextUploadIdMarker } = answer
    if (IsTruncated !== true || NextKeyMarker === undefined) return swept
    // Many uploads of one object go on at the same key. What a list that goes round leaves out, the next sweep may find.
    if (isRepeated(`${NextKeyMarker} ${NextUploadIdMarker ?? ''}`)) return swept
    from = {
      KeyMarker: NextKeyMarker,
      ...(NextUploadIdMarker === undefined ? {} : { UploadIdMarker: NextUploadIdMarker }),
    }
  }
}
