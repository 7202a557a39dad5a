import type { IncomingMessage } from 'node:http'
import type { AzureConnection } from './azure-connection.ts'
import { azureCodeOf, azureError, isTaken } from './azure-error.ts'
import { askAzure } from './azure-request.ts'
import type { BoundedRead } from './bounded-store.ts'
import type { Bounds } from './bounds.ts'
import { anotherPart, type OpenedPart, rangeOf, readOn, replacedWhileRead, type WantedPart } from './resumed-read.ts'
import { StorageError } from './storage-error.ts'

/** Reads an object from one byte to another; goes on where it was when the connection breaks. */
export const getAzure = (
  connection: AzureConnection,
  key: string,
  { bounds, ...part }: BoundedRead,
): AsyncGenerator<Buffer> =>
  readOn({
    ...part,
    key,
    bounds,
    stallMs: connection.stallMs,
    tries: connection.tries,
    open: (wanted) => openRange(connection, key, wanted, bounds),
    explain: (error) => azureError(connection, error, bounds, `reading ${key}`),
  })

/** Null where the object ends before the range begins. */
async function openRange(
  connection: AzureConnection,
  key: string,
  wanted: WantedPart,
  bounds: Bounds,
): Promise<OpenedPart | null> {
  const { at, etag } = wanted
  const range = rangeOf(wanted)
  const headers = {
    ...(range === undefined ? {} : { 'x-ms-range': range }),
    ...(etag === undefined ? {} : { 'if-match': etag }),
  }
  const name = `${connection.prefix}${key}`
  const answer = await askAzure(connection, { method: 'GET', name, headers }, bounds).catch((error: unknown) => {
    if (azureCodeOf(error) === 'InvalidRange' && etag === undefined) return null
    if (isTaken(error)) throw replacedWhileRead(key)
    throw error
  })
  if (answer === null) return null
  if (range !== undefined && answer.headers['content-range']?.startsWith(`bytes ${at}-`) !== true) {
    answer.destroy()
    throw anotherPart(key)
  }
  const chunks = chunksOf(answer, key)
  const bytes = Number(answer.headers['content-length'] ?? 0)
  return { chunks, close: () => answer.destroy(), etag: answer.headers.etag ?? '', bytes }
}

/** A body that breaks off does so with whatever error: it is the connection's. */
async function* chunksOf(body: IncomingMessage, key: string): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of body) yield chunk as Buffer
  } catch {
    throw new StorageError('Unreachable', `reading ${key}: the connection broke`)
  }
}
