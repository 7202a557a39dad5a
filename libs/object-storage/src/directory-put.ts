import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { link, lstat, mkdir, open, rename, unlink } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { atMost } from './bounds.ts'
import type { Bounds } from './bounds.ts'
import { type Digest, digested } from './digested.ts'
import { codeOf, folderOfAnother } from './directory-error.ts'
import { StorageError } from './storage-error.ts'

/** What the names of unfinished files begin with; no key has such a name. */
export const UNFINISHED = '.unfinished-'

/** A volume that hangs may not hold up the news that it does. */
const CLEAN_UP_MS = 5_000

const FRESH = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW
const MODE = 0o750

/** Whether the file is one that a put has not ended; then the name of its object, else null. */
export const nameOfUnfinished = (name: string): string | null =>
  name.startsWith(UNFINISHED) ? name.slice(UNFINISHED.length + 17) : null

/** What a file is to be made of. */
export type FileRequest = {
  readonly chunks: AsyncIterable<Uint8Array>
  /** Where the store is; nothing is made above it. */
  readonly root: string
  readonly ifAbsent: boolean
  readonly bounds: Bounds
}

/** Writes a file under another name, syncs it, gives it its name and syncs the folder; nothing is left on failure. */
export async function writeFileWhole(path: string, { chunks, root, ifAbsent, bounds }: FileRequest): Promise<Digest> {
  if (ifAbsent) await bounds.race(refuseExisting(path))
  const temporary = join(dirname(path), `${UNFINISHED}${randomBytes(8).toString('hex')}-${basename(path)}`)
  const file = await openFresh(temporary, root, bounds)
  const read = digested(chunks)
  let isOpen = true
  try {
    for await (const chunk of read.chunks) await bounds.race(writeAll(file, chunk))
    await bounds.race(file.sync())
    isOpen = false
    await bounds.race(file.close())
    await bounds.race(ifAbsent ? renameToAbsent(temporary, path) : rename(temporary, path))
    await bounds.race(syncFolder(dirname(path)))
    return read.digest()
  } catch (error) {
    await atMost(CLEAN_UP_MS, isOpen ? file.close() : Promise.resolve())
    await atMost(CLEAN_UP_MS, unlink(temporary))
    throw error
  }
}

async function writeAll(file: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let at = 0; at < chunk.length;) at += (await file.write(chunk, at)).bytesWritten
}

/** A delete may take an empty folder away between the two steps; then it is made again. */
async function openFresh(path: string, root: string, bounds: Bounds): Promise<FileHandle> {
  for (let tries = 1; ; tries += 1) {
    const opening = makeFolder(dirname(path), root).then(() => open(path, FRESH, 0o640))
    try {
      return await bounds.race(opening)
    } catch (error) {
      // Called off in the middle it may be there all the same; and where a volume hangs, one day.
      const removal = opening.then((file) => file.close().finally(() => unlink(path)))
      await atMost(
        CLEAN_UP_MS,
        removal.catch(() => undefined),
      )
      if (codeOf(error) !== 'ENOENT' || tries === 5) throw error
    }
  }
}

/** Makes a folder and those above it, below the root, and syncs each that got a new entry. */
async function makeFolder(path: string, root: string): Promise<void> {
  if (path === root) return
  // Not `recursive`: that reports a volume that is read only as a folder that is not there.
  let code = await tryToMake(path)
  if (code === 'ENOENT') {
    await makeFolder(dirname(path), root)
    code = await tryToMake(path)
  }
  if (code === 'EEXIST' && !(await lstat(path)).isDirectory()) throw folderOfAnother(basename(path))
  // Also where it was there: whoever has just made it may not have synced it yet.
  await syncFolder(dirname(path))
}

async function tryToMake(path: string): Promise<string> {
  try {
    await mkdir(path, MODE)
    return ''
  } catch (error) {
    if (codeOf(error) === 'EEXIST' || codeOf(error) === 'ENOENT') return codeOf(error)
    throw error
  }
}

/** Makes the names in a folder outlast a power cut. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

async function refuseExisting(path: string): Promise<void> {
  const found = await lstat(path).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return null
    throw error
  })
  if (found !== null) throw new StorageError('Exists', `${basename(path)} exists already`)
}

/** A link fails where the name is taken, which a rename does not; volumes without links get the look beforehand. */
async function renameToAbsent(temporary: string, path: string): Promise<void> {
  try {
    await link(temporary, path)
  } catch (error) {
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'].includes(codeOf(error))) throw error
    await refuseExisting(path)
    return rename(temporary, path)
  }
  await unlink(temporary)
}
