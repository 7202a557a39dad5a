import { SLOT_COUNT } from './key-slot.ts'
import type { RdbEnd, RdbHeader, RdbListener, RdbSection } from './rdb-listener.ts'
import type { RdbRecord } from './rdb-record.ts'
import type { RdbFormat } from './rdb-types.ts'
import { packSlotCounts } from './slot-counts.ts'

/** What is in a file, without what is said of the file itself. */
export type RdbContent = {
  readonly format: RdbFormat
  readonly version: number
  readonly keys: number
  /** Keys that end some time. */
  readonly expiring: number
  /** The bytes of all keys with their values. */
  readonly recordBytes: number
  /** Libraries of functions, and the bytes of them all. */
  readonly functions: number
  readonly functionBytes: number
  /** Keys by the name of their type, sorted. */
  readonly types: Readonly<Record<string, number>>
  /** The types of modules that values, or data beside them, are of, sorted. */
  readonly modules: readonly string[]
  /** Keys by slot: see `unpackSlotCounts`. */
  readonly slots: string
}

/** What is in one file that was read to its end, and the file itself. */
export type RdbCounts = RdbContent & {
  /** The size of the file in bytes. */
  readonly size: number
  /** Its CRC64, 16 hex digits, as it was computed. */
  readonly checksum: string
  /** Whether the file carries that checksum too. */
  readonly checksumSaid: boolean
  /** The server that wrote it, as `redis 7.0.15` or `valkey 8.1.1`; null if it does not say. */
  readonly producer: string | null
}

const NO_BYTES = { recordBytes: 0, functionBytes: 0, otherBytes: 0 }

/** Counts what is in a file while it is read. */
export class RdbTally implements RdbListener {
  readonly #slots = new Uint32Array(SLOT_COUNT)
  readonly #types = new Map<string, number>()
  readonly #typeCounts = new Float64Array(256)
  readonly #modules = new Set<string>()
  readonly #bytes = { ...NO_BYTES }
  #belongTo: keyof typeof NO_BYTES = 'otherBytes'
  #header: RdbHeader | null = null
  #end: RdbEnd | null = null
  #producer: string | null = null
  #keys = 0
  #expiring = 0
  #functions = 0

  header(header: RdbHeader): void {
    this.#header = header
  }

  section(section: RdbSection): void {
    this.#belongTo = section.kind === 'function' ? 'functionBytes' : 'otherBytes'
    if (section.kind === 'function') this.#functions += 1
    else if (section.kind === 'moduleAux') this.#modules.add(section.module)
    else if (section.kind === 'aux') {
      const engine = /^(redis|valkey)-ver$/.exec(section.name)?.[1]
      if (engine !== undefined) this.#producer = `${engine} ${section.value.toString('latin1')}`
    }
  }

  record(record: RdbRecord): void {
    this.#belongTo = 'recordBytes'
    this.#keys += 1
    this.#slots[record.slot] = (this.#slots[record.slot] ?? 0) + 1
    if (record.expiresAtMs !== null) this.#expiring += 1
    if (record.module !== null) this.#modules.add(record.module)
    const { number, name } = record.type
    if (this.#typeCounts[number] === 0) this.#types.set(name, number)
    this.#typeCounts[number] = (this.#typeCounts[number] ?? 0) + 1
  }

  bytes(_source: Buffer, start: number, end: number): void {
    this.#bytes[this.#belongTo] += end - start
  }

  end(end: RdbEnd): void {
    this.#end = end
  }

  /** How many keys there are so far. */
  get keys(): number {
    return this.#keys
  }

  /**
   * What was counted.
   *
   * @throws Error if the file was not read to its end: nothing is certain before
   */
  counts(): RdbCounts {
    if (this.#header === null || this.#end === null) throw new Error('the file was not read to its end')
    const types = Array.from(this.#types).toSorted(([a], [b]) => (a < b ? -1 : 1))
    return {
      ...this.#header,
      keys: this.#keys,
      expiring: this.#expiring,
      recordBytes: this.#bytes.recordBytes,
      functions: this.#functions,
      functionBytes: this.#bytes.functionBytes,
      types: Object.fromEntries(types.map(([name, number]) => [name, this.#typeCounts[number] ?? 0])),
      modules: Array.from(this.#modules).toSorted(),
      slots: packSlotCounts(this.#slots),
      size: this.#end.size,
      checksum: this.#end.computed,
      checksumSaid: this.#end.said !== null,
      producer: this.#producer,
    }
  }
}
