import { randomUUID } from 'node:crypto'
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  HeadObjectCommand,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import type { CompletedPart } from '@aws-sdk/client-s3'
import type { BoundedPut } from './bounded-store.ts'
import type { Bounds } from './bounds.ts'
import { cutEvenly } from './cut-evenly.ts'
import { digested } from './digested.ts'
import type { StoredObject } from './object-store.ts'
import type { S3Connection } from './s3-connection.ts'
import { s3CodeOf, s3Error } from './s3-error.ts'
import { s3StatusOf } from './s3-status.ts'
import { bareEtag } from './etag.ts'
import { StorageError } from './storage-error.ts'
import { takeBack } from './take-back.ts'

const MOST_PARTS = 10_000
const MIB = 1024 * 1024
/** What the server is told to keep beside an object, to know our own put again after its answer was lost. */
const MARK = 'slotkeeper-put'

type Target = { readonly Bucket: string; readonly Key: string }
type Put = { readonly target: Target; readonly mark: string; readonly ifAbsent: boolean; readonly bounds: Bounds }
type Upload = { readonly id: string; readonly parts: CompletedPart[]; pending: Promise<CompletedPart> | null }

/**
 * Stores a stream: at once when it is shorter than a part, else part by part, one on its way while the next one fills.
 *
 * @param source of chunks, bounded already
 */
export async function putS3(
  connection: S3Connection,
  key: string,
  source: AsyncIterable<Uint8Array>,
  { ifAbsent = false, mostBytes = 0, bounds }: BoundedPut,
): Promise<StoredObject> {
  const target = { Bucket: connection.bucket, Key: `${connection.prefix}${key}` }
  const put: Put = { target, mark: randomUUID(), ifAbsent, bounds }
  const partBytes = Math.max(connection.partBytes, Math.ceil(mostBytes / MOST_PARTS / MIB) * MIB)
  const read = digested(source)
  let upload: Upload | null = null
  const stored = (etag: string): StoredObject => ({ key, ...read.digest(), etag })
  if (ifAbsent) await refuseExisting(connection, put)
  try {
    for await (const { bytes: part, isLast } of cutEvenly(read.chunks, partBytes, 2)) {
      if (isLast && upload === null) return stored(await putWhole(connection, put, part))
      upload ??= await beginUpload(connection, put)
      await addPart(connection, put, upload, part)
    }
    return stored(upload === null ? '' : await completeUpload(connection, put, upload))
  } catch (error) {
    if (upload !== null) await abortUpload(connection, put, upload)
    throw error
  }
}

async function refuseExisting({ client }: S3Connection, { target, bounds }: Put): Promise<void> {
  const found = await client
    .send(new HeadObjectCommand(target), { abortSignal: bounds.signal })
    .catch((error: unknown) => {
      // Whoever may only write is not told; the server itself decides then.
      if ([403, 404].includes(s3StatusOf(error))) return null
      throw error
    })
  if (found !== null) throw new StorageError('Exists', `${target.Key} exists already`)
}

async function putWhole({ client }: S3Connection, put: Put, body: Buffer): Promise<string> {
  const { target, mark, bounds } = put
  const asked = { ...target, Body: body, ContentLength: body.length, Metadata: { [MARK]: mark } }
  return conditionally({ client }, put, async (condition) => {
    const answer = await client.send(new PutObjectCommand({ ...asked, ...condition }), { abortSignal: bounds.signal })
    return bareEtag(answer.ETag)
  })
}

async function beginUpload({ client }: S3Connection, { target, mark, bounds }: Put): Promise<Upload> {
  const begin = new CreateMultipartUploadCommand({ ...target, Metadata: { [MARK]: mark } })
  const { UploadId } = await client.send(begin, { abortSignal: bounds.signal })
  if (UploadId === undefined) throw new StorageError('Refused', `the server began no upload of ${target.Key}`)
  return { id: UploadId, parts: [], pending: null }
}

/** Waits for the part before, and sends this one on its way. */
async function addPart({ client }: S3Connection, { target, bounds }: Put, upload: Upload, body: Buffer): Promise<void> {
  if (upload.pending !== null) upload.parts.push(await upload.pending)
  const number = upload.parts.length + 1
  if (number > MOST_PARTS)
    throw new StorageError(
      'Refused',
      `${target.Key} has more than ${MOST_PARTS} parts`,
      'Say mostBytes, or use larger parts',
    )
  const part = { ...target, UploadId: upload.id, PartNumber: number, Body: body, ContentLength: body.length }
  upload.pending = client
    .send(new UploadPartCommand(part), { abortSignal: bounds.signal })
    .then(({ ETag }) => ({ PartNumber: number, ETag: ETag ?? '' }))
  upload.pending.catch(() => undefined)
}

async function completeUpload({ client }: S3Connection, put: Put, upload: Upload): Promise<string> {
  if (upload.pending !== null) upload.parts.push(await upload.pending)
  upload.pending = null
  const asked = { ...put.target, UploadId: upload.id, MultipartUpload: { Parts: upload.parts } }
  return conditionally({ client }, put, async (condition) => {
    const complete = new CompleteMultipartUploadCommand({ ...asked, ...condition })
    return bareEtag((await client.send(complete, { abortSignal: put.bounds.signal })).ETag)
  })
}

/** The last step of a put, on condition where that is asked; knows when its own answer was lost and it succeeded. */
async function conditionally(
  { client }: Pick<S3Connection, 'client'>,
  { target, mark, ifAbsent, bounds }: Put,
  send: (condition: { readonly IfNoneMatch?: '*' }) => Promise<string>,
): Promise<string> {
  try {
    return await send(ifAbsent ? { IfNoneMatch: '*' } : {})
  } catch (error) {
    const code = s3CodeOf(error)
    // Some servers have no conditional write, and say so; a condition that is none of theirs they may call an argument.
    if (ifAbsent && (code === 'NotImplemented' || code === 'InvalidArgument')) return send({})
    if (code !== 'PreconditionFailed' && code !== 'NoSuchUpload') throw error
    const found = await client.send(new HeadObjectCommand(target), { abortSignal: bounds.signal }).catch(() => null)
    if (found?.Metadata?.[MARK] === mark) return bareEtag(found.ETag)
    throw error
  }
}

/** Aborts an upload, so that no part is paid for. */
const abortUpload = (connection: S3Connection, { target }: Put, upload: Upload): Promise<void> =>
  takeBack(upload.pending ?? Promise.resolve(), async (own) => {
    const abort = new AbortMultipartUploadCommand({ ...target, UploadId: upload.id })
    await connection.client.send(abort, { abortSignal: own.signal }).catch((error: unknown) => {
      throw s3Error(connection, error, own, `aborting an upload of ${target.Key}`)
    })
  })
