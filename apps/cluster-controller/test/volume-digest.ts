import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** What lies on a volume, by content. */
export async function volumeDigest(data: string): Promise<string> {
  const names = (await readdir(data, { recursive: true, withFileTypes: true })).filter((one) => one.isFile())
  const hash = createHash('sha256')
  for (const one of names.toSorted((a, b) => (a.name < b.name ? -1 : 1)))
    hash.update(`${one.name}\0`).update(await readFile(join(one.parentPath, one.name)))
  return hash.digest('hex')
}
