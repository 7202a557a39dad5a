import { createHash, randomBytes } from 'node:crypto'
import { blockName, dropBlocks, listOfBlocks, putName } from './azure-blocks.ts'
import type { AzureConnection } from './azure-connection.ts'
import { azureCodeOf, isTaken } from './azure-error.ts'
import { AzureRefusal } from './azure-answer.ts'
import { type AzureRequest, tellAzure } from './azure-request.ts'
import type { BoundedPut } from './bounded-store.ts'
import type { Bounds } from './bounds.ts'
import { cutEvenly } from './cut-evenly.ts'
import { digested } from './digested.ts'
import { bareEtag } from './etag.ts'
import type { StoredObject } from './object-store.ts'
import { StorageError } from './storage-error.ts'
import { takeBack } from './take-back.ts'

const MOST_BLOCKS = 50_000
const MIB = 1024 * 1024
/** What the server is told to keep beside an object, to know our own put again after its answer was lost. */
const MARK = 'x-ms-meta-slotkeeperput'

type Put = {
  readonly connection: AzureConnection
  /** The whole name of the object. */
  readonly name: string
  readonly mark: string
  readonly ifAbsent: boolean
  readonly bounds: Bounds
}

/**
 * Stores a stream: at once when it is shorter than a block, so that nothing is ever left under the name of a small object;
 * else block by block, one on its way while the next one fills, and what has been sent becomes the object by the list of its
 * blocks, at one moment.
 *
 * @param source of chunks, bounded already
 */
export async function putAzure(
  connection: AzureConnection,
  key: string,
  source: AsyncIterable<Uint8Array>,
  { ifAbsent = false, mostBytes = 0, bounds }: BoundedPut,
): Promise<StoredObject> {
  const mark = putName(new Date(), randomBytes(8))
  const put: Put = { connection, name: `${connection.prefix}${key}`, mark, ifAbsent, bounds }
  const blockBytes = Math.max(connection.blockBytes, Math.ceil(mostBytes / MOST_BLOCKS / MIB) * MIB)
  const read = digested(source)
  const blocks: string[] = []
  let pending: Promise<unknown> = Promise.resolve()
  const stored = (etag = ''): StoredObject => ({ key, ...read.digest(), etag: bareEtag(etag) })
  if (ifAbsent) await refuseExisting(put)
  try {
    for await (const { bytes, isLast } of cutEvenly(read.chunks, blockBytes, 2)) {
      if (isLast && blocks.length === 0) return stored(await conclude(put, wholeOf(put, bytes)))
      await pending
      blocks.push(nameNext(put, blocks.length))
      pending = sendBlock(put, blocks.at(-1) ?? '', bytes)
      pending.catch(() => undefined)
    }
    await pending
    return stored(await conclude(put, listOfBlocks(put.name, blocks, conditionOf(put))))
  } catch (error) {
    const { name } = put
    if (blocks.length > 0)
      await takeBack(pending, (own) => dropBlocks(connection, name, own, (one) => one.put === mark))
    throw error
  }
}

async function refuseExisting(put: Put): Promise<void> {
  const found = await look(put).catch((error: unknown) => {
    // Whoever may only write is not told; the server itself decides then. Of wrong credentials it tells as well.
    const isUnseen = error instanceof AzureRefusal && (error.code === 'BlobNotFound' || error.status === 403)
    if (isUnseen) return null
    throw error
  })
  if (found !== null) throw exists(put)
}

const look = async ({ connection, name, bounds }: Put) =>
  (await tellAzure(connection, { method: 'HEAD', name }, bounds)).headers

const exists = ({ name }: Put): StorageError => new StorageError('Exists', `${name} exists already`)

function nameNext({ name, mark }: Put, index: number): string {
  if (index < MOST_BLOCKS) return blockName(mark, index)
  const remedy = 'Say mostBytes, or use larger blocks'
  throw new StorageError('Refused', `${name} has more than ${MOST_BLOCKS} blocks`, remedy)
}

/** Signed with the request, and compared by the server. */
const digestOf = (body: Buffer) => ({ 'content-md5': createHash('md5').update(body).digest('base64') })

const conditionOf = ({ mark, ifAbsent }: Put): Readonly<Record<string, string>> => ({
  [MARK]: mark,
  ...(ifAbsent ? { 'if-none-match': '*' } : {}),
})

/** The request that stores an object at once. */
function wholeOf(put: Put, body: Buffer): AzureRequest {
  const headers = { ...conditionOf(put), ...digestOf(body), 'x-ms-blob-type': 'BlockBlob' }
  return { method: 'PUT', name: put.name, headers, body }
}

async function sendBlock({ connection, name, bounds }: Put, block: string, body: Buffer): Promise<void> {
  const headers = digestOf(body)
  const query = { comp: 'block', blockid: block }
  await tellAzure(connection, { method: 'PUT', name, query, headers, body }, bounds)
}

/** The last step of a put, on condition where that is asked; knows when its own answer was lost and it succeeded. */
async function conclude(put: Put, asked: AzureRequest): Promise<string | undefined> {
  const { connection, mark, ifAbsent, bounds } = put
  try {
    return (await tellAzure(connection, asked, bounds)).headers.etag
  } catch (error) {
    // The blocks are gone once another put of the same name has ended.
    const mayBeThere = isTaken(error) || azureCodeOf(error) === 'InvalidBlockList'
    const found = mayBeThere ? await look(put).catch(() => null) : null
    if (found?.[MARK] === mark) return found.etag
    if (found !== null && ifAbsent) throw exists(put)
    throw error
  }
}
