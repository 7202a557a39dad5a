import { constants } from 'node:fs'
import { lstat, open, readdir, realpath, rmdir, unlink } from 'node:fs/promises'
import { dirname, join, sep } from 'node:path'
import { Bounds } from './bounds.ts'
import type { Limits } from './bounds.ts'
import { byteRange } from './byte-range.ts'
import { codeOf, directoryError } from './directory-error.ts'
import { nameOfUnfinished, syncFolder, writeFileWhole } from './directory-put.ts'
import { checkKey, checkPrefix } from './object-key.ts'
import type { GetOptions, ObjectFacts, ObjectStore, PutOptions, StoredObject, SweptUpload } from './object-store.ts'
import { paceOf } from './pace.ts'
import { bounded, boundedSource } from './source.ts'
import { StorageError } from './storage-error.ts'

/** A directory that is there already, for example where a volume is mounted. */
export type DirectoryOptions = { readonly directory: string; readonly maxBytesPerSecond?: number }

const READ_BYTES = 256 * 1024

/** Keeps objects as files of a directory. No path leaves it, neither by its name nor over a symbolic link. */
export function openDirectory({ directory, maxBytesPerSecond }: DirectoryOptions): ObjectStore {
  const pace = paceOf(maxBytesPerSecond)
  const within = async <T>(limits: Limits, doing: string, work: (bounds: Bounds, root: string) => Promise<T>) => {
    const bounds = new Bounds(limits)
    try {
      const root = await bounds.race(rootOf(directory))
      return await bounds.race(work(bounds, root))
    } catch (error) {
      throw directoryError(error, bounds, doing)
    }
  }
  return {
    description: `the directory ${directory}`,
    permissions: {
      write: 'to create files and folders',
      read: 'to read files',
      list: 'to list folders',
      delete: 'to delete files',
      sweep: 'to list folders and delete files',
    },
    put: (key: string, chunks: AsyncIterable<Uint8Array>, options: PutOptions): Promise<StoredObject> =>
      putting(options, `storing ${key}`, directory, async (bounds, root) => {
        const path = await bounds.race(insidePath(root, checkKey(key)))
        const source = boundedSource(chunks, bounds, pace)
        const ifAbsent = options.ifAbsent === true
        const written = await writeFileWhole(path, { chunks: source, root, ifAbsent, bounds })
        return { key, ...written, etag: (await bounds.race(factsOf(key, path))).etag }
      }),
    get: (key: string, options: GetOptions) => readFile(directory, key, options, pace),
    head: (key, limits) =>
      within(limits, `looking at ${key}`, async (_bounds, root) => factsOf(key, await insidePath(root, checkKey(key)))),
    async *list(prefix, limits) {
      const bounds = new Bounds(limits)
      try {
        const root = await bounds.race(rootOf(directory))
        for await (const { key, path, isUnfinished } of filesBelow(root, '', checkPrefix(prefix), bounds)) {
          const facts = isUnfinished ? null : await bounds.race(factsOf(key, path)).catch(goneAlready)
          if (facts !== null) yield facts
        }
      } catch (error) {
        throw directoryError(error, bounds, `listing ${prefix}*`)
      }
    },
    delete: (keys, limits) =>
      within(limits, 'deleting', async (bounds, root) => {
        const changed = new Set<string>()
        for await (const key of bounded(keys, bounds)) {
          changed.add(await removeFile(root, await insidePath(root, checkKey(key))))
        }
        for (const folder of changed) await bounds.race(syncFolder(folder).catch(goneAlready))
      }),
    sweep: (prefix, olderThan, { only = () => true, ...limits }) =>
      within(limits, `sweeping ${prefix}*`, async (bounds, root) => {
        const swept: SweptUpload[] = []
        for await (const { key, path, isUnfinished } of filesBelow(root, '', checkPrefix(prefix), bounds)) {
          const facts = isUnfinished && only(key) ? await lstat(path).catch(goneAlready) : null
          if (facts === null || facts.mtime >= olderThan) continue
          await syncFolder(await removeFile(root, path)).catch(goneAlready)
          swept.push({ key, began: facts.birthtime })
        }
        return swept
      }),
    close: () => undefined,
  }
}

/** As for the others, but it ends only once its unfinished file is gone; each of its steps ends by the deadline. */
async function putting<T>(
  limits: Limits,
  doing: string,
  directory: string,
  work: (bounds: Bounds, root: string) => Promise<T>,
): Promise<T> {
  const bounds = new Bounds(limits)
  try {
    return await work(bounds, await bounds.race(rootOf(directory)))
  } catch (error) {
    throw directoryError(error, bounds, doing)
  }
}

async function rootOf(directory: string): Promise<string> {
  try {
    return await realpath(directory)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT' && codeOf(error) !== 'ENOTDIR') throw error
    throw new StorageError(
      'NoBucket',
      `the directory ${directory} is not there`,
      'Mount the volume, or correct the path',
    )
  }
}

/** The path of a key; refuses one that a symbolic link leads elsewhere. */
async function insidePath(root: string, key: string): Promise<string> {
  const path = join(root, key)
  for (let folder = dirname(path); folder !== root; folder = dirname(folder)) {
    const real = await realpath(folder).catch((error: unknown) => {
      if (codeOf(error) === 'ENOENT') return null
      throw error
    })
    if (real === null) continue
    if (real !== folder)
      throw new StorageError('Refused', `${key} leads over a symbolic link`, 'Remove the link from the volume')
    break
  }
  return path
}

async function factsOf(key: string, path: string): Promise<ObjectFacts> {
  const stat = await lstat(path, { bigint: true })
  if (!stat.isFile()) throw new StorageError('NotFound', `${key} is no file`)
  const etag = `"${stat.ino.toString(16)}-${stat.size.toString(16)}-${stat.mtimeNs.toString(16)}"`
  return { key, bytes: Number(stat.size), modified: stat.mtime, etag }
}

const goneAlready = (error: unknown): null => {
  if (codeOf(error) === 'ENOENT' || (error instanceof StorageError && error.fault === 'NotFound')) return null
  throw error
}

async function* readFile(
  directory: string,
  key: string,
  options: GetOptions,
  pace: ReturnType<typeof paceOf>,
): AsyncGenerator<Buffer> {
  const bounds = new Bounds(options)
  try {
    const { from, to } = byteRange(options)
    const path = await bounds.race(rootOf(directory).then((root) => insidePath(root, checkKey(key))))
    await bounds.race(factsOf(key, path))
    const file = await bounds.race(open(path, constants.O_RDONLY | constants.O_NOFOLLOW))
    try {
      for (let at = from; at < to;) {
        const buffer = Buffer.alloc(Math.min(READ_BYTES, to - at))
        const { bytesRead } = await bounds.race(file.read(buffer, 0, buffer.length, at))
        if (bytesRead === 0) return
        await pace(bytesRead, bounds)
        at += bytesRead
        yield buffer.subarray(0, bytesRead)
      }
    } finally {
      // Not waited for: on a volume that hangs it would hold up whoever has called it off.
      void file.close().catch(() => undefined)
    }
  } catch (error) {
    throw directoryError(error, bounds, `reading ${key}`)
  }
}

type Found = { readonly key: string; readonly path: string; readonly isUnfinished: boolean }

/** Files below a folder in the order of their keys, for which a folder's name counts with its slash. */
async function* filesBelow(folder: string, above: string, prefix: string, bounds: Bounds): AsyncGenerator<Found> {
  const entries = await bounds.race(readdir(folder, { withFileTypes: true })).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT' && above !== '') return []
    throw error
  })
  const names = entries
    .filter((entry) => entry.isFile() || entry.isDirectory())
    .map((entry) => ({ entry, sortedBy: `${entry.name}${entry.isDirectory() ? '/' : ''}` }))
    .toSorted((one, other) => (one.sortedBy < other.sortedBy ? -1 : 1))
  for (const { entry } of names) {
    bounds.check()
    const path = join(folder, entry.name)
    const unfinished = entry.isFile() ? nameOfUnfinished(entry.name) : null
    const key = `${above}${unfinished ?? entry.name}`
    if (entry.isDirectory()) {
      const below = `${key}/`
      if (!below.startsWith(prefix) && !prefix.startsWith(below)) continue
      if (!entry.name.startsWith('.')) yield* filesBelow(path, below, prefix, bounds)
    } else if (key.startsWith(prefix) && (unfinished !== null || !entry.name.startsWith('.'))) {
      yield { key, path, isUnfinished: unfinished !== null }
    }
  }
}

/** Removes a file, and the folders that are empty then; gives the folder that is to be synced. */
async function removeFile(root: string, path: string): Promise<string> {
  await unlink(path).catch((error: unknown) => {
    if (codeOf(error) !== 'ENOENT' && codeOf(error) !== 'ENOTDIR') throw error
  })
  let folder = dirname(path)
  while (folder.startsWith(`${root}${sep}`)) {
    // Refused where a file is left in it.
    const isRemoved = await rmdir(folder).then(
      () => true,
      () => false,
    )
    if (!isRemoved) break
    folder = dirname(folder)
  }
  return folder
}
