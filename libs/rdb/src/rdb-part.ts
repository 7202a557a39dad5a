import { RdbError } from './rdb-error.ts'
import type { RdbHeader, RdbSection } from './rdb-listener.ts'
import type { RdbRecord } from './rdb-record.ts'
import { RdbTally } from './rdb-tally.ts'
import { RdbWriter } from './rdb-writer.ts'

/**
 * What is said at the top of a file and holds for files that are made of it as well. All else is left out: the sizes are
 * other ones, and with the replication id and offset a server would take itself for a replica that has all the data.
 */
const KEPT_AUX = new Set(['redis-ver', 'valkey-ver', 'redis-bits', 'ctime'])

const SELECT_DATABASE_0 = Buffer.from([254, 0])

/** A file that is made of the sections and records of others, byte for byte, and what has gone into it. */
export class RdbPart {
  readonly tally = new RdbTally()
  readonly #writer: RdbWriter
  #isSelected = false

  /** @param write takes the next bytes: a block that is not touched again, or a part of what `bytes` was given */
  constructor(write: (bytes: Buffer) => void) {
    this.#writer = new RdbWriter(write)
  }

  /** A header begins; its bytes come next. */
  header(header: RdbHeader): void {
    this.tally.header(header)
  }

  /** A section that `isKept` begins. */
  section(section: RdbSection): void {
    this.tally.section(section)
  }

  /** A record of database 0 begins. */
  record(record: RdbRecord): void {
    if (!this.#isSelected) {
      this.#isSelected = true
      this.#writer.bytes(SELECT_DATABASE_0, 0, SELECT_DATABASE_0.length)
    }
    this.tally.record(record)
  }

  /** Bytes of what was begun last. */
  bytes(source: Buffer, start: number, end: number): void {
    this.#writer.bytes(source, start, end)
    this.tally.bytes(source, start, end)
  }

  /** Writes the end of the file, with a checksum of its own. */
  end(): void {
    this.tally.end(this.#writer.end())
  }
}

/**
 * Whether a section goes into files that are made of this one.
 *
 * Keys of slots that are just being moved in are in the file of the server that takes them (`clusterRDBSaveSlotImports` of
 * Valkey 9, `cluster-asm-task` of Redis 8.4), and in that of the one that gives them: restored, they would be there twice.
 *
 * @param offset where it begins
 * @throws RdbError `slots` if slots were being moved in
 */
export function isKept(section: RdbSection, offset: number): boolean {
  const isOpen =
    section.kind === 'slotImport' ||
    (section.kind === 'aux' && section.name === 'cluster-asm-task' && section.value.length > 0)
  if (isOpen) throw new RdbError('slots', 'the file was written while slots were being moved in', offset)
  if (section.kind === 'aux') return KEPT_AUX.has(section.name)
  return section.kind === 'function' || section.kind === 'moduleAux'
}

/**
 * The slot of a key that may go into another file.
 *
 * @throws RdbError `database` for a key that has none
 */
export function slotOf({ db, slot, offset }: RdbRecord): number {
  if (db !== 0) throw new RdbError('database', `a key is in database ${db}; only 0 has slots`, offset)
  return slot
}
