import { checksumText, Crc64 } from './crc64.ts'
import type { RdbEnd } from './rdb-listener.ts'

/** Small pieces are gathered into blocks of this size, so that there is no write per key. */
const BLOCK = 64 * 1024
/** From this size on a piece is passed on as it is. */
const LARGE = 16 * 1024
const END_MARK = 0xff

/**
 * Writes the bytes of an RDB file, and its end with a checksum of its own. Holds at most one block of 64 KiB.
 *
 * What it gives to `write` is either a block that it will not touch again, or a part of what it was given itself.
 */
export class RdbWriter {
  readonly #write: (bytes: Buffer) => void
  readonly #crc = new Crc64()
  #block: Buffer | null = null
  #used = 0
  /** How many bytes were given to `write`. */
  #written = 0

  constructor(write: (bytes: Buffer) => void) {
    this.#write = write
  }

  /** Takes the bytes from `start` to before `end` for the next ones of the file. */
  bytes(source: Buffer, start: number, end: number): void {
    const size = end - start
    if (size >= LARGE) {
      this.#flush()
      this.#give(source.subarray(start, end))
      return
    }
    if (this.#used + size > BLOCK) this.#flush()
    this.#block ??= Buffer.allocUnsafeSlow(BLOCK)
    // Most keys are small, and for those a call into the runtime costs more than a loop.
    if (size < 48) for (let at = start; at < end; at += 1) this.#block[this.#used + at - start] = source[at] as number
    else source.copy(this.#block, this.#used, start, end)
    this.#used += size
  }

  /** Writes the end of the file. */
  end(): RdbEnd {
    this.bytes(Buffer.from([END_MARK]), 0, 1)
    this.#flush()
    const checksum = this.#crc.digest()
    this.#write(checksum)
    this.#written += checksum.length
    const text = checksumText(checksum)
    return { said: text, computed: text, size: this.#written }
  }

  #flush(): void {
    if (this.#block === null || this.#used === 0) return
    this.#give(this.#block.subarray(0, this.#used))
    this.#block = null
    this.#used = 0
  }

  #give(bytes: Buffer): void {
    this.#crc.update(bytes)
    this.#write(bytes)
    this.#written += bytes.length
  }
}
