import { dropBlocks, leftEmpty } from './azure-blocks.ts'
import { type AzureConnection, type AzureOptions, connectAzure } from './azure-connection.ts'
import { azureCodeOf, azureError } from './azure-error.ts'
import { getAzure } from './azure-get.ts'
import { putAzure } from './azure-put.ts'
import { tellAzure } from './azure-request.ts'
import { boundedStore, type Unfinished } from './bounded-store.ts'
import type { Bounds } from './bounds.ts'
import { bareEtag } from './etag.ts'
import type { ObjectFacts, ObjectStore, SweptUpload } from './object-store.ts'
import { repeats } from './repeats.ts'
import { StorageError } from './storage-error.ts'

/**
 * Keeps objects as block blobs in a container of Azure. Connects to nothing before the first call.
 *
 * @throws StorageError for an endpoint that can be none
 */
export function openAzure(options: AzureOptions): ObjectStore {
  const connection = connectAzure(options)
  const calls = {
    description: connection.description,
    permissions: { write: 'Create and Write', read: 'Read', list: 'List', delete: 'Delete', sweep: 'List' },
    put: putAzure.bind(null, connection),
    get: getAzure.bind(null, connection),
    head: headAzure.bind(null, connection),
    list: listAzure.bind(null, connection),
    delete: deleteAzure.bind(null, connection),
    sweep: sweepAzure.bind(null, connection),
    explain: azureError.bind(null, connection),
    close: () => connection.agent.destroy(),
  }
  return boundedStore(calls, options.maxBytesPerSecond)
}

async function headAzure(connection: AzureConnection, key: string, bounds: Bounds): Promise<ObjectFacts> {
  const { headers } = await tellAzure(connection, { method: 'HEAD', name: `${connection.prefix}${key}` }, bounds)
  const modified = new Date(headers['last-modified'] ?? 0)
  return { key, bytes: Number(headers['content-length'] ?? 0), modified, etag: bareEtag(headers.etag) }
}

async function* listAzure(connection: AzureConnection, below: string, bounds: Bounds): AsyncGenerator<ObjectFacts> {
  for await (const { key, blob } of blobsBelow(connection, below, {}, bounds)) {
    const modified = new Date(textIn(blob, 'Last-Modified'))
    yield { key, bytes: Number(textIn(blob, 'Content-Length')), modified, etag: bareEtag(textIn(blob, 'Etag')) }
  }
}

/** What is listed of objects by key, in XML. */
async function* blobsBelow(
  connection: AzureConnection,
  below: string,
  options: Readonly<Record<string, string>>,
  bounds: Bounds,
): AsyncGenerator<{ readonly key: string; readonly blob: string }> {
  const query = { restype: 'container', comp: 'list', prefix: `${connection.prefix}${below}`, ...options }
  const isRepeated = repeats()
  for (let marker = ''; ;) {
    const page = { method: 'GET', query: marker === '' ? query : { ...query, marker } } as const
    const { text } = await tellAzure(connection, page, bounds, 'EnumerationResults')
    for (const [, blob = ''] of text.matchAll(/<Blob>(.*?)<\/Blob>/gs)) {
      bounds.check()
      const name = textIn(blob, 'Name')
      // A folder of some kinds of accounts, or as some tools draw one; and no object has a name that is none in XML.
      if (name === '' || name.endsWith('/') || textIn(blob, 'ResourceType') === 'directory') continue
      yield { key: name.slice(connection.prefix.length), blob }
    }
    const next = textIn(text, 'NextMarker')
    if (next === '') return
    if (isRepeated(next))
      throw new StorageError('Refused', `listing ${below}*: the server says that there is more, and not where`)
    marker = next
  }
}

const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', quot: '"', apos: "'", '#39': "'", amp: '&' }

/** What stands in an element that has no others in it; empty where it is not there. */
const textIn = (xml: string, element: string): string =>
  (new RegExp(`<${element}>([^<]*)</${element}>`).exec(xml)?.[1] ?? '').replaceAll(
    /&([a-z#0-9]+);/g,
    (whole, entity: string) => ENTITIES[entity] ?? whole,
  )

async function deleteAzure(connection: AzureConnection, keys: AsyncIterable<string>, bounds: Bounds): Promise<void> {
  for await (const key of keys)
    await tellAzure(connection, { method: 'DELETE', name: `${connection.prefix}${key}` }, bounds).catch(
      (error: unknown) => {
        if (azureCodeOf(error) !== 'BlobNotFound') throw error
      },
    )
}

async function sweepAzure(
  connection: AzureConnection,
  below: string,
  { olderThan, only }: Unfinished,
  bounds: Bounds,
): Promise<readonly SweptUpload[]> {
  const swept: SweptUpload[] = []
  const include = 'uncommittedblobs,metadata'
  for await (const { key, blob } of blobsBelow(connection, below, { include }, bounds)) {
    // What has blocks and is no object yet is listed with no bytes; which others are as well.
    if (Number(textIn(blob, 'Content-Length')) > 0 || !only(key)) continue
    const made = new Date(textIn(blob, 'Last-Modified'))
    const [, metadata = ''] = /<Metadata>(.*)<\/Metadata>/s.exec(blob) ?? []
    const left = leftEmpty(metadata, bareEtag(textIn(blob, 'Etag')), made)
    if (left !== null && made >= olderThan) continue
    const name = `${connection.prefix}${key}`
    const began = await dropBlocks(connection, name, bounds, (origin) => origin.began < olderThan, left)
    if (began !== null) swept.push({ key, began })
  }
  return swept
}
