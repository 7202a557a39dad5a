import { commonHeader } from './common-header.ts'
import { checksumText, Crc64 } from './crc64.ts'
import { RdbError } from './rdb-error.ts'
import type { RdbHeader, RdbListener, RdbSection } from './rdb-listener.ts'
import { isKept, RdbPart, slotOf } from './rdb-part.ts'
import type { RdbTally } from './rdb-tally.ts'

/** How files are merged. */
export type RdbMergerOptions = {
  /** What the file is to be, under which the bytes of all sources must mean the same: see `commonHeader`. */
  readonly header: RdbHeader
  /** Which keys are taken, by their slots. */
  readonly has: (slot: number) => boolean
  /**
   * Takes the next bytes of the file. It is called while a source is pushed, with at most as much as was pushed and 64 KiB,
   * and at the end: whoever waits for its writes before the next push holds no more than that. The bytes may be a part of
   * the chunk that was pushed.
   */
  readonly write: (bytes: Buffer) => void
}

/** What stands beside keys, of a kind that is taken of one source alone. */
type Kind = Exclude<RdbSection['kind'], 'database' | 'size' | 'slotSize' | 'slotImport'>

/**
 * Makes one file of the keys of some slots in several files: whole records, byte for byte, in the order of the sources. What
 * stands beside keys is taken of the first source that has such a thing: in a cluster every shard has all functions. Several of
 * these over the same source, each with slots of its own, split it: what stands beside keys is in every part.
 *
 * ```
 * const merger = new RdbMerger({ header, has, write })
 * for (const file of files) {
 *   const parser = new RdbParser(merger.source())
 *   for await (const chunk of file) parser.push(chunk) // and wait for what was written
 *   parser.finish()
 * }
 * merger.end()
 * ```
 */
export class RdbMerger {
  readonly #options: RdbMergerOptions
  readonly #part: RdbPart
  /** Which source each kind is taken of. */
  readonly #takenOf = new Map<Kind, number>()
  readonly #functions: Functions[] = []

  constructor(options: RdbMergerOptions) {
    this.#options = options
    this.#part = new RdbPart(options.write)
    const { format, version } = options.header
    const text =
      format === 'redis' ? `REDIS${String(version).padStart(4, '0')}` : `VALKEY${String(version).padStart(3, '0')}`
    const bytes = Buffer.from(text)
    this.#part.header(options.header)
    this.#part.bytes(bytes, 0, bytes.length)
  }

  /** What has gone into the file. */
  get tally(): RdbTally {
    return this.#part.tally
  }

  /** Whether sources that have ended differ in their functions: those of the first that has any are in the file. */
  get functionsDiffer(): boolean {
    return new Set(this.#functions.map((one) => one.text())).size > 1
  }

  /** Listens to the next source. The one before must have ended well. */
  source(): RdbListener {
    const { header: expected, has } = this.#options
    const part = this.#part
    const functions = new Functions()
    const number = this.#functions.push(functions)
    const isTaken = (kind: Kind): boolean => {
      const of = this.#takenOf.get(kind) ?? number
      this.#takenOf.set(kind, of)
      return of === number
    }
    let isOurs = false
    let isFunction = false
    return {
      header: (header) => {
        const common = commonHeader([header, expected])
        if (common?.format !== expected.format || common.version !== expected.version)
          throw new RdbError(
            'version',
            `it is ${header.format} ${header.version}, and goes into ${expected.format} ${expected.version}`,
            0,
          )
      },
      section: (section, offset) => {
        isFunction = section.kind === 'function'
        if (isFunction) functions.begin()
        isOurs = isKept(section, offset) && isTaken(section.kind as Kind)
        if (isOurs) part.section(section)
      },
      record: (record) => {
        isFunction = false
        isOurs = has(slotOf(record))
        if (isOurs) part.record(record)
      },
      bytes: (source, start, end) => {
        if (isFunction) functions.bytes(source, start, end)
        if (isOurs) part.bytes(source, start, end)
      },
      end: () => undefined,
    }
  }

  /** Writes the end of the file. To be called only when all sources have ended well: a file without an end is refused. */
  end(): void {
    this.#part.end()
  }
}

/** The functions of one source; servers write them in any order. */
class Functions {
  readonly #each: Crc64[] = []

  begin(): void {
    this.#each.push(new Crc64())
  }

  bytes(source: Buffer, start: number, end: number): void {
    this.#each.at(-1)?.update(source, start, end)
  }

  text(): string {
    return this.#each
      .map((crc) => checksumText(crc.digest()))
      .toSorted()
      .join()
  }
}
