import type { AzureConnection } from './azure-connection.ts'
import { isTaken } from './azure-error.ts'
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

/**
 * Drops blocks that are no object yet, if all that lie there are fit to be dropped. Azure has no call for it but the end of a
 * put: an empty object is made, on condition that there is none, and deleted, on condition that it is still that one. So
 * nothing of others is ever deleted, and an empty object is seen for a moment.
 *
 * @param name the whole name of the object
 * @param fits asked for each block; one that is not ours does not fit
 * @returns when the first of their puts was begun, or null where nothing was dropped
 */
export async function dropBlocks(
  connection: AzureConnection,
  name: string,
  bounds: Bounds,
  fits: (origin: BlockOrigin) => boolean,
): Promise<Date | null> {
  const query = { comp: 'blocklist', blocklisttype: 'uncommitted' }
  const { text } = await tellAzure(connection, { method: 'GET', name, query }, bounds)
  const origins = Array.from(text.matchAll(/<Name>([^<]*)<\/Name>/g), ([, block = '']) => originOf(block))
  const ours = origins.flatMap((origin) => (origin !== null && fits(origin) ? [origin.began] : []))
  const [first] = ours.toSorted((one, other) => one.getTime() - other.getTime())
  if (first === undefined || ours.length < origins.length) return null
  const empty = listOfBlocks(name, [], { 'if-none-match': '*' })
  const emptied = await tellAzure(connection, empty, bounds).catch((error: unknown) => {
    if (isTaken(error)) return null
    throw error
  })
  const etag = emptied?.headers.etag
  if (etag === undefined) return null
  await tellAzure(connection, { method: 'DELETE', name, headers: { 'if-match': etag } }, bounds)
  return first
}
