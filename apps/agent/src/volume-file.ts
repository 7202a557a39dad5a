import { type FileHandle, open } from 'node:fs/promises'
import { volumeError } from './volume-error.ts'

/** So much is written before the disk is waited for: else the memory of the machine fills, and the end takes long. */
const SYNC_BYTES = 64 * 1024 * 1024
/** Readable and writable for the group, which is all that the pods of agent and server share. */
const FILE_MODE = 0o660

/** A new file of a volume, written from its beginning to its end. */
export class VolumeFile {
  readonly #handle: FileHandle
  #unsynced = 0
  #bytes = 0

  private constructor(handle: FileHandle) {
    this.#handle = handle
  }

  /** Creates a file that must not be there yet, whatever the umask. */
  static async create(path: string): Promise<VolumeFile> {
    return volumeError(`creating ${path}`, async () => {
      const handle = await open(path, 'wx', FILE_MODE)
      try {
        await handle.chmod(FILE_MODE)
        return new VolumeFile(handle)
      } catch (error) {
        await handle.close()
        throw error
      }
    })
  }

  /** How many bytes were written. */
  get bytes(): number {
    return this.#bytes
  }

  /** Writes all of these; what comes next waits for it, and so for the disk. */
  async write(pieces: readonly Buffer[]): Promise<void> {
    if (pieces.length === 0) return
    await volumeError('writing', async () => {
      for (let left = pieces; left.length > 0;) {
        const { bytesWritten } = await this.#handle.writev(left)
        this.#bytes += bytesWritten
        this.#unsynced += bytesWritten
        left = behind(left, bytesWritten)
      }
      if (this.#unsynced < SYNC_BYTES) return
      this.#unsynced = 0
      await this.#handle.datasync()
    })
  }

  /** Waits until all is on the disk, and closes it. */
  async finish(): Promise<void> {
    await volumeError('writing', () => this.#handle.sync())
    await this.close()
  }

  /** Closes it as it is; closing twice is no error. */
  async close(): Promise<void> {
    await this.#handle.close()
  }
}

/** Pieces without their first bytes: a disk that is nearly full takes less than it is given. */
function behind(pieces: readonly Buffer[], bytes: number): readonly Buffer[] {
  let left = bytes
  const index = pieces.findIndex((piece) => {
    if (piece.length > left) return true
    left -= piece.length
    return false
  })
  if (index < 0) return []
  const [first, ...others] = pieces.slice(index)
  return first === undefined ? [] : [first.subarray(left), ...others]
}
