import { SLOT_COUNT } from './key-slot.ts'
import type { RdbEnd, RdbHeader, RdbListener, RdbSection } from './rdb-listener.ts'
import { isKept, RdbPart, slotOf } from './rdb-part.ts'
import type { RdbRecord } from './rdb-record.ts'
import type { RdbTally } from './rdb-tally.ts'

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

const TO_ALL = -1
const TO_NONE = -2

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
  readonly #parts: readonly RdbPart[]
  readonly #partOfSlot = new Int32Array(SLOT_COUNT)
  #to = TO_ALL
  #leftOut = 0

  /** @throws RangeError if `partOf` names a part that there is not */
  constructor({ parts, partOf, write }: RdbSplitterOptions) {
    this.#parts = Array.from({ length: parts }, (_, part) => new RdbPart((bytes) => write(part, bytes)))
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
    for (const part of this.#parts) part.header(header)
  }

  section(section: RdbSection, offset: number): void {
    const isForAll = isKept(section, offset)
    this.#to = isForAll ? TO_ALL : TO_NONE
    if (isForAll) for (const part of this.#parts) part.section(section)
  }

  record(record: RdbRecord): void {
    this.#to = this.#partOfSlot[slotOf(record)] ?? TO_NONE
    const part = this.#parts[this.#to]
    if (part === undefined) this.#leftOut += 1
    else part.record(record)
  }

  bytes(source: Buffer, start: number, end: number): void {
    if (this.#to === TO_NONE) return
    if (this.#to === TO_ALL) for (const part of this.#parts) part.bytes(source, start, end)
    else this.#parts[this.#to]?.bytes(source, start, end)
  }

  end(_end: RdbEnd): void {
    for (const part of this.#parts) part.end()
  }
}
