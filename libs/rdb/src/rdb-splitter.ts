import { SLOT_COUNT } from './key-slot.ts'
import { RdbError } from './rdb-error.ts'
import type { RdbEnd, RdbHeader, RdbListener, RdbSection } from './rdb-listener.ts'
import type { RdbRecord } from './rdb-record.ts'
import { RdbTally } from './rdb-tally.ts'
import { RdbWriter } from './rdb-writer.ts'

/** How a file is split. One part and a null for most slots makes a filter of it. */
export type RdbSplitterOptions = {
  /** How many files are made. */
  readonly parts: number
  /** Which of them, from 0 on, has the keys of a slot; null if none has. Asked once for each slot, at the beginning. */
  readonly partOf: (slot: number) => number | null
  /**
   * Takes the next bytes of a part. It is called while the source is pushed, with at most as much as was pushed and 64 KiB a
   * part: whoever waits for its writes before the next push holds no more than that. The bytes may be a part of the
   * chunk that was pushed.
   */
  readonly write: (part: number, bytes: Buffer) => void
}

/**
 * What is said at the top of a file and holds for its parts as well. All else is left out: the sizes are other ones, and
 * with the replication id and offset a server would take itself for a replica that has all the data.
 */
const KEPT_AUX = new Set(['redis-ver', 'valkey-ver', 'redis-bits', 'ctime'])

const SELECT_DATABASE_0 = Buffer.from([254, 0])
const TO_ALL = -1
const TO_NONE = -2

type Part = { readonly writer: RdbWriter; readonly tally: RdbTally; isSelected: boolean }

/**
 * Listens to one file and writes several, each with the keys of some slots: whole records, byte for byte, under a header of
 * the same version; functions, and what modules keep beside keys, in every part; a checksum of its own. No part has an
 * end before the source has ended well, so a part of a file that turns out to be broken is refused by servers too.
 *
 * ```
 * const writes: Promise<void>[] = []
 * const parser = new RdbParser(new RdbSplitter({ parts, partOf, write: (part, bytes) => void writes.push(save(part, bytes)) }))
 * for await (const chunk of source) {
 *   parser.push(chunk)
 *   await Promise.all(writes.splice(0))
 * }
 * parser.finish()
 * ```
 */
export class RdbSplitter implements RdbListener {
  readonly #parts: readonly Part[]
  readonly #partOfSlot = new Int32Array(SLOT_COUNT)
  #to = TO_ALL
  #leftOut = 0

  /** @throws RangeError if `partOf` names a part that there is not */
  constructor({ parts, partOf, write }: RdbSplitterOptions) {
    this.#parts = Array.from({ length: parts }, (_, part) => ({
      writer: new RdbWriter((bytes) => write(part, bytes)),
      tally: new RdbTally(),
      isSelected: false,
    }))
    for (let slot = 0; slot < SLOT_COUNT; slot += 1) {
      const part = partOf(slot) ?? TO_NONE
      if (part !== TO_NONE && this.#parts[part] === undefined)
        throw new RangeError(`slot ${slot} goes to part ${part} of ${parts}`)
      this.#partOfSlot[slot] = part
    }
  }

  /** What went into each part. */
  get tallies(): readonly RdbTally[] {
    return this.#parts.map(({ tally }) => tally)
  }

  /** How many keys were in slots that no part has. */
  get leftOut(): number {
    return this.#leftOut
  }

  header(header: RdbHeader): void {
    this.#to = TO_ALL
    for (const { tally } of this.#parts) tally.header(header)
  }

  section(section: RdbSection, offset: number): void {
    refuseOpenSlots(section, offset)
    const isKept =
      section.kind === 'function' ||
      section.kind === 'moduleAux' ||
      (section.kind === 'aux' && KEPT_AUX.has(section.name))
    this.#to = isKept ? TO_ALL : TO_NONE
    if (isKept) for (const { tally } of this.#parts) tally.section(section)
  }

  record(record: RdbRecord): void {
    if (record.db !== 0)
      throw new RdbError('database', `a key is in database ${record.db}; only 0 has slots`, record.offset)
    this.#to = this.#partOfSlot[record.slot] ?? TO_NONE
    const part = this.#parts[this.#to]
    if (part === undefined) {
      this.#leftOut += 1
      return
    }
    if (!part.isSelected) {
      part.isSelected = true
      part.writer.bytes(SELECT_DATABASE_0, 0, SELECT_DATABASE_0.length)
    }
    part.tally.record(record)
  }

  bytes(source: Buffer, start: number, end: number): void {
    if (this.#to === TO_NONE) return
    if (this.#to !== TO_ALL) {
      const part = this.#parts[this.#to] as Part
      part.writer.bytes(source, start, end)
      part.tally.bytes(source, start, end)
      return
    }
    for (const { writer, tally } of this.#parts) {
      writer.bytes(source, start, end)
      tally.bytes(source, start, end)
    }
  }

  end(_end: RdbEnd): void {
    for (const { writer, tally } of this.#parts) tally.end(writer.end())
  }
}

/**
 * Keys of slots that are just being moved in are in the file of the server that takes them (`clusterRDBSaveSlotImports` of
 * Valkey 9, `cluster-asm-task` of Redis 8.4), and in that of the one that gives them: restored, they would be there twice.
 */
function refuseOpenSlots(section: RdbSection, offset: number): void {
  const isOpen =
    section.kind === 'slotImport' ||
    (section.kind === 'aux' && section.name === 'cluster-asm-task' && section.value.length > 0)
  if (isOpen) throw new RdbError('slots', 'the file was written while slots were being moved in', offset)
}
