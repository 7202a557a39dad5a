import { randomBytes } from 'node:crypto'
import type { AzureConnection } from './azure-connection.ts'
import { azureCodeOf, isTaken } from './azure-error.ts'
import { tellAzure } from './azure-request.ts'
import type { Bounds } from './bounds.ts'

/** Blocks of all puts of an object lie together, and their names must have the same length. */
const NAME = /^slotkeeper\.(\d{15})\.([0-9a-f]{16})\.\d{5}$/

/** A block as its name tells: of which put, and when that was begun. */
export type BlockOrigin = { readonly put: string; readonly began: Date }

/** What a put is known by: when it was begun, and something drawn. */
export const putName = (began: Date, drawn: Buffer): string =>
  `${String(began.getTime()).padStart(15, '0')}.${drawn.toString('hex')}`

/** The name of a block of a put, as Azure wants it. */
export const blockName = (put: string, index: number): string =>
  Buffer.from(`slotkeeper.${put}.${String(index).padStart(5, '0')}`).toString('base64')

function originOf(name: string): BlockOrigin | null {
  const [, began, drawn] = NAME.exec(Buffer.from(name, 'base64').toString()) ?? []
  return began === undefined ? null : { put: `${began}.${drawn}`, began: new Date(Number(began)) }
}

/** The request by which blocks become an object, at one moment. */
export const listOfBlocks = (name: string, blocks: readonly string[], headers: Readonly<Record<string, string>>) => {
  const items = blocks.map((block) => `<Latest>${block}</Latest>`).join('')
  const body = Buffer.from(`<?xml version="1.0" encoding="utf-8"?><BlockList>${items}</BlockList>`)
  return { method: 'PUT', name, query: { comp: 'blocklist' }, headers, body } as const
}

/** What an empty object is known by that was made to drop blocks. */
const EMPTY_MARK = 'slotkeeperempty'

/** An empty object that dropping blocks has left behind, by its etag, and when it was made. */
export type LeftEmpty = { readonly etag: string; readonly made: Date }

/** What is left behind, of an object as it is listed: its metadata in XML, its etag and when it was made. */
export const leftEmpty = (metadata: string, etag: string, made: Date): LeftEmpty | null =>
  metadata.includes(`<${EMPTY_MARK}>`) ? { etag: `"${etag}"`, made } : null

/**
 * Drops blocks that are no object yet, if all that lie there are fit to be dropped. Azure has no call for it but the end of a
 * put: an empty object with a mark is made, on condition that there is none, and deleted, on condition that it is still that
 * one. So nothing of others is ever deleted, and an empty object is seen for a moment; or until the next sweep, where we end
 * in between.
 *
 * @param name the whole name of the object
 * @param fits asked for each block; one that is not ours does not fit
 * @param left what an earlier time has left there, which is deleted then
 * @returns when the first of their puts was begun, or what was left was made; null where nothing was dropped
 */
export async function dropBlocks(
  connection: AzureConnection,
  name: string,
  bounds: Bounds,
  fits: (origin: BlockOrigin) => boolean,
  left: LeftEmpty | null = null,
): Promise<Date | null> {
  const origins = await blocksOf(connection, name, bounds)
  const ours = origins.flatMap((origin) => (origin !== null && fits(origin) ? [origin.began] : []))
  const [first] = ours.toSorted((one, other) => one.getTime() - other.getTime())
  const began = left?.made ?? first
  if (began === undefined || ours.length < origins.length) return null
  const etag = left?.etag ?? (await makeEmpty(connection, name, bounds))
  if (etag === undefined) return null
  await tellAzure(connection, { method: 'DELETE', name, headers: { 'if-match': etag } }, bounds).catch(
    (error: unknown) => {
      // Gone, as after an answer that was lost, or another one by now.
      if (azureCodeOf(error) !== 'BlobNotFound' && azureCodeOf(error) !== 'ConditionNotMet') throw error
    },
  )
  return began
}

/** Of which puts the blocks are that lie there and are no object; null for those of others. */
async function blocksOf(
  connection: AzureConnection,
  name: string,
  bounds: Bounds,
): Promise<readonly (BlockOrigin | null)[]> {
  const query = { comp: 'blocklist', blocklisttype: 'uncommitted' }
  const answer = await tellAzure(connection, { method: 'GET', name, query }, bounds, 'BlockList').catch(
    (error: unknown) => {
      // Gone since it was listed.
      if (azureCodeOf(error) !== 'BlobNotFound') throw error
      return { text: '' }
    },
  )
  return Array.from(answer.text.matchAll(/<Name>([^<]*)<\/Name>/g), ([, block = '']) => originOf(block))
}

/** The etag of an empty object in place of the blocks, nothing where there is another object; knows its own after a lost answer. */
async function makeEmpty(connection: AzureConnection, name: string, bounds: Bounds): Promise<string | undefined> {
  const header = `x-ms-meta-${EMPTY_MARK}`
  const mark = randomBytes(8).toString('hex')
  const empty = listOfBlocks(name, [], { 'if-none-match': '*', [header]: mark })
  try {
    return (await tellAzure(connection, empty, bounds)).headers.etag
  } catch (error) {
    if (!isTaken(error)) throw error
    const found = await tellAzure(connection, { method: 'HEAD', name }, bounds).catch(() => null)
    return found?.headers[header] === mark ? found.headers.etag : undefined
  }
}
