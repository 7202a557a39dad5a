import type { Ask } from './fill-server.ts'

/** What a key holds and when it ends, to be compared. Tables come in an order of their own; all else is compared as it is dumped. */
export async function valueOf(ask: Ask, key: Buffer): Promise<unknown> {
  const end = Number(await ask(['PEXPIRETIME', key]))
  const type = String(await ask(['TYPE', key]))
  if (type === 'vectorset') return { end, vectors: await vectorsOf(ask, key) }
  if (String(await ask(['OBJECT', 'ENCODING', key])) !== 'hashtable')
    return { end, dump: ((await ask(['DUMP', key])) as Buffer | null)?.toString('hex') }
  const hex = (words: unknown): string[] => (words as Buffer[]).map((word) => word.toString('hex'))
  if (type === 'set') return { end, members: hex(await ask(['SMEMBERS', key])).toSorted() }
  const words = (await ask(['HGETALL', key])) as Buffer[]
  const fields = words.filter((_, index) => index % 2 === 0)
  const ends = await ask(['HPEXPIRETIME', key, 'FIELDS', fields.length, ...fields]).catch(() => [])
  const rows = fields.map((field, index) =>
    [...hex([field, words[2 * index + 1]]), String((ends as unknown[])[index])].join(' '),
  )
  return { end, fields: rows.toSorted() }
}

const vectorsOf = async (ask: Ask, key: Buffer): Promise<readonly string[]> =>
  Promise.all(
    ((await ask(['VRANDMEMBER', key, 100])) as Buffer[]).map(async (member) =>
      [member, await ask(['VEMB', key, member]), await ask(['VGETATTR', key, member])].map(String).join(' '),
    ),
  ).then((rows) => rows.toSorted())

/** The libraries of functions of a server, to be compared. */
export const librariesOf = async (ask: Ask): Promise<readonly string[]> =>
  ((await ask(['FUNCTION', 'LIST', 'WITHCODE'])) as unknown[])
    .map((library) => JSON.stringify((library as unknown[]).map(String)))
    .toSorted()
