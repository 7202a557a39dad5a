import { decodeLength, ENCODED, lengthSize } from './length.ts'
import { decompressLzf } from './lzf.ts'
import { RdbError } from './rdb-error.ts'

/** What `readLength` gives when the bytes end too early. No length and no encoding is that. */
export const MISSING = -1000

/**
 * Reads small things out of bytes that may end too early. Each read says so (false, or `MISSING`) and leaves in `needed`
 * how many bytes from the beginning there must be at least before it is worth another try.
 */
export class ByteReader {
  bytes: Buffer = Buffer.alloc(0)
  start = 0
  end = 0
  /** The next byte. */
  at = 0
  needed = 0
  /** Where byte 0 of `bytes` stands in the file, for errors. */
  base = 0
  /** The last string that was read: these bytes of it. */
  source: Buffer = this.bytes
  from = 0
  to = 0
  readonly #maxString: number

  /** @param maxString how large a string may be, in bytes */
  constructor(maxString: number) {
    this.#maxString = maxString
  }

  /** Stands before `start`. */
  begin(bytes: Buffer, start: number, end: number, base: number): void {
    this.bytes = bytes
    this.start = start
    this.at = start
    this.end = end
    this.base = base
  }

  /** Passes over so many bytes. */
  skip(count: number): boolean {
    if (this.at + count > this.end) {
      this.needed = this.at + count - this.start
      return false
    }
    this.at += count
    return true
  }

  /** A plain length. */
  readLength(): number {
    const value = this.#anyLength()
    if (value < 0 && value !== MISSING) throw this.error('length', 'an encoding stands where a length must')
    return value
  }

  /** A string in any encoding, into `source`, `from` and `to`. */
  readString(): boolean {
    const size = this.#anyLength()
    if (size === MISSING) return false
    if (size < 0) return this.#readEncoded(size)
    this.#checkSize(size)
    if (!this.skip(size)) return false
    this.source = this.bytes
    this.from = this.at - size
    this.to = this.at
    return true
  }

  error(kind: RdbError['kind'], message: string): RdbError {
    return new RdbError(kind, message, this.base + this.at)
  }

  #anyLength(): number {
    if (!this.skip(1)) return MISSING
    const first = this.bytes[this.at - 1] as number
    const size = lengthSize(first)
    if (size === 0) throw this.error('length', `0x${first.toString(16)} is not the beginning of a length`)
    if (!this.skip(size - 1)) return MISSING
    return decodeLength(this.bytes, this.at - size)
  }

  #readEncoded(encoding: number): boolean {
    if (encoding === ENCODED.lzf) return this.#readCompressed()
    const size = encoding === ENCODED.int8 ? 1 : encoding === ENCODED.int16 ? 2 : encoding === ENCODED.int32 ? 4 : 0
    if (size === 0) throw this.error('length', `a string has the unknown encoding ${-1 - encoding}`)
    if (!this.skip(size)) return false
    this.#give(Buffer.from(String(this.bytes.readIntLE(this.at - size, size))))
    return true
  }

  #readCompressed(): boolean {
    const stored = this.readLength()
    if (stored === MISSING) return false
    const size = this.readLength()
    if (size === MISSING) return false
    this.#checkSize(Math.max(stored, size))
    if (!this.skip(stored)) return false
    const plain = decompressLzf(this.bytes, this.at - stored, this.at, size)
    if (plain === null) throw this.error('value', 'a compressed string cannot be read')
    this.#give(plain)
    return true
  }

  #give(string: Buffer): void {
    this.source = string
    this.from = 0
    this.to = string.length
  }

  #checkSize(size: number): void {
    if (size > this.#maxString)
      throw this.error('limit', `a key or aux field of ${size} bytes is larger than ${this.#maxString}`)
  }
}
