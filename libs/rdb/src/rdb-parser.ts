import { checksumText, Crc64 } from './crc64.ts'
import { RdbError } from './rdb-error.ts'
import type { RdbListener } from './rdb-listener.ts'
import { SectionReader } from './section-reader.ts'
import { ValueWalker } from './value-walker.ts'

/** How a file is read. */
export type RdbParserOptions = {
  /**
   * How large a key, or another string that has to be held in memory, may be, in bytes. Memory is taken as the bytes
   * arrive, not as they are announced. 512 MiB when not said, which is what a server takes at most (`proto-max-bulk-len`).
   */
  readonly maxKeyBytes?: number
  /** Whether keys may be in other databases than 0. Not when not said: a cluster has only that. */
  readonly allowDatabases?: boolean
  /**
   * Whether something else may follow the file, as in a replication stream: `push` then says how many bytes of the last
   * chunk were the file's. When not said, bytes after the end are an error.
   */
  readonly stopAtEnd?: boolean
}

const CHECKSUM_BYTES = 8
const DEFAULT_MAX_KEY = 512 * 2 ** 20
const EMPTY = Buffer.alloc(0)

/**
 * Reads an RDB file of Redis 6 to 8.6 or Valkey 7.2 to 9.1 as it arrives, checks all that can be checked without its
 * server, and tells a listener its parts. The layout is that of `rdbSaveRio` and `rdbLoadRioWithLoadingCtx` in `src/rdb.c` of
 * either; what newer ones add is refused by name, since what is not understood cannot be vouched for.
 *
 * Memory: one key, or one aux field, that a chunk ended in; of values nothing but at most nine bytes. An error is final:
 * every later call throws it again.
 */
export class RdbParser {
  readonly #listener: RdbListener
  readonly #options: RdbParserOptions
  readonly #reader: SectionReader
  readonly #walker = new ValueWalker()
  readonly #crc = new Crc64()
  #state: 'sections' | 'body' | 'checksum' | 'end' = 'sections'
  #failure: unknown = null
  /** Bytes of the file before the chunk at hand. */
  #base = 0
  /** The beginning of a section that an earlier chunk ended in. */
  #part = EMPTY
  #partSize = 0
  #checksum = EMPTY

  constructor(listener: RdbListener, options: RdbParserOptions = {}) {
    this.#listener = listener
    this.#options = options
    this.#reader = new SectionReader(options.maxKeyBytes ?? DEFAULT_MAX_KEY)
  }

  /** Whether the end was reached, and all was well. */
  get ended(): boolean {
    return this.#state === 'end' && this.#failure === null
  }

  /**
   * Takes the next bytes, as many as there are, and calls the listener for what they hold. To go slower, push later.
   *
   * @returns how many of them belong to the file: all, unless it ended and `stopAtEnd` is set
   * @throws RdbError, and what the listener throws
   */
  push(chunk: Uint8Array): number {
    return this.#orFail(() => {
      const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
      this.#walker.base = this.#base
      let at = 0
      while (at < bytes.length) {
        if (this.#state === 'sections') at = this.#partSize > 0 ? this.#complete(bytes, at) : this.#sections(bytes, at)
        else if (this.#state === 'body') at = this.#body(bytes, at)
        else if (this.#state === 'checksum') at = this.#end(bytes, at)
        else break
      }
      if (this.#state === 'sections' || this.#state === 'body') this.#crc.update(bytes)
      if (at < bytes.length && this.#options.stopAtEnd !== true)
        throw new RdbError('trailing', `${bytes.length - at} bytes follow the end of the file`, this.#base + at)
      this.#base += at
      return at
    })
  }

  /**
   * Says that there is no more.
   *
   * @throws RdbError `truncated` if the file has not ended
   */
  finish(): void {
    this.#orFail(() => {
      if (this.#state !== 'end') throw new RdbError('truncated', 'the file ends before its end mark', this.#base)
    })
  }

  #orFail<T>(run: () => T): T {
    if (this.#failure !== null) throw this.#failure
    try {
      return run()
    } catch (error) {
      this.#failure = error
      throw error
    }
  }

  /** Sections and records that begin in this chunk. */
  #sections(bytes: Buffer, start: number): number {
    const reader = this.#reader
    let at = start
    while (at < bytes.length) {
      reader.begin(bytes, at, bytes.length, this.#base)
      if (!reader.read()) {
        this.#part = Buffer.from(bytes.subarray(at))
        this.#partSize = bytes.length - at
        return bytes.length
      }
      if (reader.isEnd) return this.#endMark(bytes, reader.at)
      this.#announce()
      let to = reader.at
      const hasBody = reader.body.length > 0
      if (hasBody) {
        this.#walker.begin(reader.body)
        to = this.#walker.walk(bytes, to, bytes.length)
      }
      this.#listener.bytes(bytes, at, to)
      at = to
      if (hasBody && !this.#walker.done) {
        this.#state = 'body'
        return at
      }
    }
    return at
  }

  /** A section whose beginning came with an earlier chunk: never takes more than it needs. */
  #complete(bytes: Buffer, start: number): number {
    const reader = this.#reader
    const missing = Math.max(reader.needed - this.#partSize, 1)
    const count = Math.min(missing, bytes.length - start)
    this.#hold(bytes, start, start + count)
    const at = start + count
    if (count < missing) return at
    reader.begin(this.#part, 0, this.#partSize, this.#base + at - this.#partSize)
    if (!reader.read()) return at
    const part = this.#part
    const size = this.#partSize
    this.#part = EMPTY
    this.#partSize = 0
    this.#announce()
    this.#listener.bytes(part, 0, size)
    if (reader.body.length > 0) {
      this.#walker.begin(reader.body)
      this.#state = 'body'
    }
    return at
  }

  #hold(bytes: Buffer, start: number, end: number): void {
    const size = this.#partSize + end - start
    if (size > this.#part.length) {
      const larger = Buffer.allocUnsafe(Math.max(size, 2 * this.#part.length))
      this.#part.copy(larger, 0, 0, this.#partSize)
      this.#part = larger
    }
    bytes.copy(this.#part, this.#partSize, start, end)
    this.#partSize = size
  }

  #body(bytes: Buffer, start: number): number {
    const to = this.#walker.walk(bytes, start, bytes.length)
    this.#listener.bytes(bytes, start, to)
    if (this.#walker.done) this.#state = 'sections'
    return to
  }

  #announce(): void {
    const { section, record, isRecord, header } = this.#reader
    if (isRecord) {
      if (record.db !== 0 && this.#options.allowDatabases !== true)
        throw new RdbError('database', `a key is in database ${record.db}; a cluster has only 0`, record.offset)
      this.#listener.record(record)
    } else if (section !== null) this.#listener.section(section, this.#reader.base + this.#reader.start)
    else if (header !== null) this.#listener.header(header)
  }

  #endMark(bytes: Buffer, at: number): number {
    this.#crc.update(bytes, 0, at)
    this.#state = 'checksum'
    return at
  }

  #end(bytes: Buffer, start: number): number {
    const to = Math.min(bytes.length, start + CHECKSUM_BYTES - this.#checksum.length)
    this.#checksum = Buffer.concat([this.#checksum, bytes.subarray(start, to)])
    if (this.#checksum.length < CHECKSUM_BYTES) return to
    const computed = checksumText(this.#crc.digest())
    const said = this.#checksum.every((byte) => byte === 0) ? null : checksumText(this.#checksum)
    if (said !== null && said !== computed)
      throw new RdbError(
        'checksum',
        `the file says that its checksum is ${said}, it is ${computed}`,
        this.#base + start,
      )
    this.#state = 'end'
    this.#listener.end({ said, computed, size: this.#base + to })
    return to
  }
}
