import type { RdbType } from './rdb-types.ts'

/**
 * One key, as it is met in a file. There is a single one for a whole file, filled anew for each key: copy what is to be
 * kept.
 */
export class RdbRecord {
  type!: RdbType
  /** The hash slot of the key. */
  slot = 0
  db = 0
  /** When the key ends, in milliseconds since 1970; null if it does not. Exact up to 2^53. */
  expiresAtMs: number | null = null
  /** How long it was not used, in seconds, when the server evicts by LRU. */
  idleSeconds: number | null = null
  /** How often it was used, 0 to 255, when the server evicts by LFU. */
  frequency: number | null = null
  /** The name of the module's type that its value is of; null for all other types. */
  module: string | null = null
  /** Where it begins in the file. */
  offset = 0
  /**
   * How many of its bytes come before the value. The byte of the type, the bytes of the value, the version in two bytes and
   * a CRC64 of them are what `DUMP` gives, unless the key has metadata of modules.
   */
  valueOffset = 0
  /** The key stands in here, from `keyStart` to before `keyEnd`, for as long as the listener is called. */
  keySource: Buffer = Buffer.alloc(0)
  keyStart = 0
  keyEnd = 0

  /** A copy of the key. */
  get key(): Buffer {
    return Buffer.from(this.keySource.subarray(this.keyStart, this.keyEnd))
  }
}
