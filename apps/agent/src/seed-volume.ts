import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { AgentError } from './agent-error.ts'
import { codeOf, volumeError } from './volume-error.ts'
import { VolumeFile } from './volume-file.ts'

/** Whose volume it is to be. */
export type Claim = {
  /** Where it is mounted. */
  readonly folder: string
  /** The uid of the restore. */
  readonly restore: string
  readonly shard: number
}

/** As what the data are loaded: an RDB file, or the base of an append-only file. */
export type Persistence = 'rdb' | 'aof'

const MARKER = 'slotkeeper.marker'
const NEW_MARKER = 'slotkeeper.marker.new'
const NODES = 'nodes.conf'
const RDB = 'dump.rdb'
const AOF_FOLDER = 'appendonlydir'
const AOF = {
  base: 'appendonly.aof.1.base.rdb',
  next: 'appendonly.aof.1.incr.aof',
  manifest: 'appendonly.aof.manifest',
}
/** As the servers write it (`getAofManifestAsString` in `src/aof.c`). */
const AOF_MANIFEST = `file ${AOF.base} seq 1 type b\nfile ${AOF.next} seq 1 type i\n`
/** What the boot guard leaves behind a server that has ended in order: so it does not wait for anybody. */
const ENDED_IN_ORDER = ['slotkeeper.clean', 'slotkeeper.ended']
const OURS: ReadonlySet<string> = new Set([MARKER, NEW_MARKER, NODES, RDB, AOF_FOLDER, ...ENDED_IN_ORDER])
/** Every file system of the ext family has it. */
const IGNORED = 'lost+found'
/** All for the group, and what is made in it belongs to that group: the server may run as another user. */
const FOLDER_MODE = 0o2770

/**
 * The volume of a primary that was never started. Its marker says `<restore> <shard> seeding` before anything else is
 * written, and `seeded` once all is on the disk: what is in between is nothing that a server may start with.
 */
export class SeedVolume {
  readonly #claim: Claim
  /** The marker that was written here; held open, so that its inode is nobody else's. */
  readonly #marker: FileHandle

  private constructor(claim: Claim, marker: FileHandle) {
    this.#claim = claim
    this.#marker = marker
  }

  /**
   * Marks a volume that is empty, or was left by an earlier attempt for the same shard of the same restore; of that nothing
   * stays.
   *
   * @throws AgentError `VolumeInUse` for any other, and then nothing was touched; `VolumeTooSmall`
   */
  static async claim(claim: Claim): Promise<SeedVolume> {
    return volumeError('claiming it', async () => {
      await checkFree(claim)
      await writeMarker(claim, 'seeding')
      const volume = new SeedVolume(claim, await open(join(claim.folder, MARKER), 'r'))
      try {
        for (const name of OURS)
          if (name !== MARKER) await rm(join(claim.folder, name), { recursive: true, force: true })
        await syncFolder(claim.folder)
        return volume
      } catch (error) {
        await volume.close()
        throw error
      }
    })
  }

  /** How many bytes may be written. */
  async room(): Promise<number> {
    return volumeError('looking for room', async () => {
      const { bavail, bsize } = await statfs(this.#claim.folder)
      return bavail * bsize
    })
  }

  /** Creates the file for the data. */
  async createData(persistence: Persistence): Promise<VolumeFile> {
    const { folder } = this.#claim
    if (persistence === 'rdb') return VolumeFile.create(join(folder, RDB))
    const within = join(folder, AOF_FOLDER)
    await volumeError(`creating ${within}`, async () => {
      await mkdir(within)
      await chmodFolder(within)
    })
    return VolumeFile.create(join(within, AOF.base))
  }

  /**
   * Writes what is needed beside the data, which must be on the disk, and marks the volume as seeded.
   *
   * @param nodes the text of nodes.conf
   */
  async seal(persistence: Persistence, nodes: string): Promise<void> {
    const { folder } = this.#claim
    await this.#checkOurs()
    if (persistence === 'aof') {
      const within = join(folder, AOF_FOLDER)
      await writeNew(join(within, AOF.next), '')
      await writeNew(join(within, AOF.manifest), AOF_MANIFEST)
      await syncFolder(within)
    }
    await writeNew(join(folder, NODES), nodes)
    for (const name of ENDED_IN_ORDER) await writeNew(join(folder, name), '')
    await syncFolder(folder)
    await this.#checkOurs()
    await volumeError('marking it as seeded', () => writeMarker(this.#claim, 'seeded'))
  }

  /** Lets go of it, as it is. */
  async close(): Promise<void> {
    await this.#marker.close()
  }

  /** An attempt that was given up and still lives must not say of another's files that they are whole. */
  async #checkOurs(): Promise<void> {
    const [held, there] = await volumeError('looking at its marker', () =>
      Promise.all([this.#marker.stat(), stat(join(this.#claim.folder, MARKER))]),
    )
    if (held.ino !== there.ino) throw new AgentError('Interrupted', 'another attempt has begun on the same volume')
  }
}

async function checkFree({ folder, restore, shard }: Claim): Promise<void> {
  const inUse = (what: string): AgentError =>
    new AgentError(
      'VolumeInUse',
      `the volume of shard ${shard} ${what}: nothing was touched. Delete its claim if nobody needs what is on it`,
    )
  const names = (await readdir(folder)).filter((name) => name !== IGNORED)
  const marker = await readFile(join(folder, MARKER), 'utf8').catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return null
    throw error
  })
  if (marker === null) {
    const others = names.filter((name) => name !== NEW_MARKER)
    if (others.length > 0) throw inUse(`holds ${named(others)}, which no marker claims`)
    return
  }
  const [, owner, number, state] = /^(\S+) (\d+) (\S+)\s*$/.exec(marker) ?? []
  if (owner !== restore) throw inUse(`belongs to ${owner ?? 'somebody else'}`)
  if (number !== String(shard)) throw inUse(`belongs to shard ${number} of this restore`)
  if (state !== 'seeding' && state !== 'seeded') throw inUse(`is ${state}: a server has been started on it`)
  const others = names.filter((name) => !OURS.has(name))
  if (others.length > 0) throw inUse(`holds ${named(others)} beside what this restore has written`)
}

const named = (names: readonly string[]): string =>
  names.length > 3 ? `${names.slice(0, 3).join(', ')} and ${names.length - 3} more` : names.join(', ')

async function writeMarker({ folder, restore, shard }: Claim, state: 'seeding' | 'seeded'): Promise<void> {
  const path = join(folder, NEW_MARKER)
  await rm(path, { recursive: true, force: true })
  await writeNew(path, `${restore} ${shard} ${state}\n`)
  await rename(path, join(folder, MARKER))
  await syncFolder(folder)
}

async function writeNew(path: string, text: string): Promise<void> {
  const file = await VolumeFile.create(path)
  try {
    await file.write(text === '' ? [] : [Buffer.from(text)])
    await file.finish()
  } finally {
    await file.close()
  }
}

async function chmodFolder(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.chmod(FOLDER_MODE)
  } finally {
    await handle.close()
  }
}

/** Names are on the disk only when their folder is. */
async function syncFolder(path: string): Promise<void> {
  await volumeError('writing', async () => {
    const handle = await open(path, 'r')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  })
}
