import { ByteReader, MISSING } from './byte-reader.ts'
import { keySlot } from './key-slot.ts'
import type { RdbHeader, RdbSection } from './rdb-listener.ts'
import { RdbError } from './rdb-error.ts'
import { RdbRecord } from './rdb-record.ts'
import { moduleTypeName, READABLE_VERSIONS, rdbType } from './rdb-types.ts'
import { type Program, VALUE } from './value-grammar.ts'

/** Opcodes: `RDB_OPCODE_...` in `src/rdb.h`. */
const OPCODE = {
  keyMetadata: 243,
  slotImport: 243,
  slotInfo: 244,
  function: 245,
  moduleAux: 247,
  idle: 248,
  frequency: 249,
  aux: 250,
  resize: 251,
  expireMs: 252,
  expire: 253,
  database: 254,
  end: 255,
} as const

/** Opcodes that are known by name only, and refused. */
const REFUSED: Readonly<Record<number, string>> = {
  242: 'templates of hashes of Redis 8.10, or commands among the keys of Valkey after 9.1',
  243: 'metadata of keys of Redis 8.6, or slots being moved in of Valkey 9',
  246: 'functions of release candidates of Redis 7.0',
}

/** The first RDB version of Redis with metadata of keys. */
const KEY_METADATA_SINCE = 13
const MODULE_TYPE = 7
const NOTHING: Program = []

/**
 * Reads what must be there as a whole before anything can be said of it: the header; sections, but for the code of a
 * function and what a module wrote; of a record all up to its value.
 */
export class SectionReader extends ByteReader {
  header: RdbHeader | null = null
  /** What was read last, unless it was the header, a record or the end. */
  section: RdbSection | null = null
  /** The record that was read last; `isRecord` says whether it was. */
  readonly record = new RdbRecord()
  isRecord = false
  isEnd = false
  /** How what follows is laid out. */
  body: Program = NOTHING
  #db = 0

  /** @returns false if the bytes end before it is whole: `needed` says how many there must be */
  read(): boolean {
    this.section = null
    this.isRecord = false
    this.isEnd = false
    this.body = NOTHING
    if (this.header === null) return this.#readHeader()
    if (!this.skip(1)) return false
    const first = this.bytes[this.at - 1] as number
    switch (first) {
      case OPCODE.end:
        this.isEnd = true
        return true
      case OPCODE.aux:
        return this.#readAux()
      case OPCODE.database:
        return this.#readDatabase()
      case OPCODE.resize:
        return this.#readSize()
      case OPCODE.slotInfo:
        return this.#readSlotSize()
      case OPCODE.function:
        this.section = { kind: 'function' }
        this.body = VALUE.string
        return true
      case OPCODE.moduleAux:
        return this.#readModuleAux()
      case OPCODE.slotImport:
        if (this.header.format === 'redis') return this.#readRecord(first)
        this.section = { kind: 'slotImport' }
        this.body = VALUE.slotImport
        return true
      default:
        return this.#readRecord(first)
    }
  }

  #readHeader(): boolean {
    if (!this.skip(9)) return false
    const text = this.bytes.toString('latin1', this.at - 9, this.at)
    const match = /^(?:REDIS(\d{4})|VALKEY(\d{3}))$/.exec(text)
    if (match === null) throw new RdbError('magic', `not an RDB file: it begins with ${JSON.stringify(text)}`, 0)
    const format = match[1] === undefined ? 'valkey' : 'redis'
    const version = Number(match[1] ?? match[2])
    const { first, last } = READABLE_VERSIONS[format]
    if (version < first || version > last)
      throw new RdbError('version', `${text} is a version that is not known; those from ${first} to ${last} are`, 0)
    this.header = { format, version }
    return true
  }

  #readAux(): boolean {
    if (!this.readString()) return false
    const name = this.source.toString('latin1', this.from, this.to)
    if (!this.readString()) return false
    this.section = { kind: 'aux', name, value: Buffer.from(this.source.subarray(this.from, this.to)) }
    return true
  }

  #readDatabase(): boolean {
    const db = this.readLength()
    if (db === MISSING) return false
    this.#db = db
    this.section = { kind: 'database', db }
    return true
  }

  #readSize(): boolean {
    const keys = this.readLength()
    if (keys === MISSING) return false
    const expiring = this.readLength()
    if (expiring === MISSING) return false
    this.section = { kind: 'size', keys, expiring }
    return true
  }

  #readSlotSize(): boolean {
    const slot = this.readLength()
    if (slot === MISSING) return false
    const keys = this.readLength()
    if (keys === MISSING) return false
    const expiring = this.readLength()
    if (expiring === MISSING) return false
    this.section = { kind: 'slotSize', slot, keys, expiring }
    return true
  }

  /** `rdbSaveSingleModuleAux` in `src/rdb.c`: the id, then pieces, of which the first says when it was written. */
  #readModuleAux(): boolean {
    const module = this.#readModuleName()
    if (module === null) return false
    this.section = { kind: 'moduleAux', module }
    this.body = VALUE.module
    return true
  }

  #readModuleName(): string | null {
    const at = this.at
    if (this.readLength() === MISSING) return null
    // Nine letters need all 64 bits, which a number does not hold.
    return this.at - at === 9 ? moduleTypeName(this.bytes.readBigUInt64BE(at + 1)) : moduleTypeName(0n)
  }

  /** `rdbSaveKeyValuePair` in `src/rdb.c`: when it ends, how it was used, metadata, type, key, value. */
  #readRecord(first: number): boolean {
    const { record } = this
    record.expiresAtMs = null
    record.idleSeconds = null
    record.frequency = null
    record.module = null
    record.offset = this.base + this.start
    let number = first
    while (number >= OPCODE.keyMetadata) {
      if (!this.#readAttribute(number)) return false
      if (!this.skip(1)) return false
      number = this.bytes[this.at - 1] as number
    }
    const type = this.#typeOf(number)
    if (!this.readString()) return false
    record.type = type
    record.db = this.#db
    record.keySource = this.source
    record.keyStart = this.from
    record.keyEnd = this.to
    record.valueOffset = this.at - this.start
    if (number === MODULE_TYPE) {
      record.module = this.#readModuleName()
      if (record.module === null) return false
    }
    record.slot = keySlot(record.keySource, record.keyStart, record.keyEnd)
    this.body = type.layout
    this.isRecord = true
    return true
  }

  #typeOf(number: number) {
    const { format, version } = this.header as RdbHeader
    const type = rdbType(format, number)
    if (type === undefined) {
      const named = REFUSED[number]
      if (named !== undefined) throw this.error('opcode', `opcode ${number} is not read: ${named}`)
      throw this.error('type', `values of type ${number} are not known in RDB ${version} of ${format}`)
    }
    if (type.since > version)
      throw this.error('type', `type ${number} (${type.name}) came with RDB ${type.since}, the file is of ${version}`)
    return type
  }

  #readAttribute(opcode: number): boolean {
    const { record } = this
    switch (opcode) {
      case OPCODE.expireMs:
        if (!this.skip(8)) return false
        record.expiresAtMs = this.bytes.readUInt32LE(this.at - 8) + this.bytes.readInt32LE(this.at - 4) * 2 ** 32
        return true
      case OPCODE.expire:
        if (!this.skip(4)) return false
        record.expiresAtMs = this.bytes.readInt32LE(this.at - 4) * 1000
        return true
      case OPCODE.idle: {
        const idle = this.readLength()
        record.idleSeconds = idle
        return idle !== MISSING
      }
      case OPCODE.frequency:
        if (!this.skip(1)) return false
        record.frequency = this.bytes[this.at - 1] as number
        return true
      default:
        return this.#readKeyMetadata(opcode)
    }
  }

  /** `rdbSaveKeyMetadata` in `src/keymeta.c` of Redis 8.6: for each class four bytes, then pieces up to the end mark. */
  #readKeyMetadata(opcode: number): boolean {
    const { format, version } = this.header as RdbHeader
    if (opcode !== OPCODE.keyMetadata || format !== 'redis' || version < KEY_METADATA_SINCE) {
      const named = REFUSED[opcode] ?? 'no key follows what is said of one'
      throw this.error('opcode', `opcode ${opcode} is not read: ${named}`)
    }
    const classes = this.readLength()
    if (classes === MISSING) return false
    for (let index = 0; index < classes; index += 1) {
      if (!this.skip(4)) return false
      for (;;) {
        const piece = this.readLength()
        if (piece === MISSING) return false
        if (piece === 0) break
        if (!this.#readModulePiece(piece)) return false
      }
    }
    return true
  }

  #readModulePiece(piece: number): boolean {
    if (piece === 1 || piece === 2) return this.readLength() !== MISSING
    if (piece === 3) return this.skip(4)
    if (piece === 4) return this.skip(8)
    if (piece === 5) return this.readString()
    throw this.error('value', `a module's metadata has a piece of the unknown kind ${piece}`)
  }
}
