import { decodeLength, ENCODED, lengthSize } from './length.ts'
import { RdbError } from './rdb-error.ts'
import { COMPRESSED, MODULE_NUMBER, MODULE_STRING, OP, type Program, type Step } from './value-grammar.ts'

/** Groups in streams in a compressed string: nothing nests deeper. */
const MAX_DEPTH = 8
const NO_LENGTH = Number.NaN

/**
 * Finds the end of a value, whatever its size and however the bytes are cut. It holds no more than the part of one length
 * (9 bytes) that an earlier chunk ended in, and where it stands in the layout of the value.
 */
export class ValueWalker {
  /** Whether the end of the value was found. */
  done = true
  /** Where the first byte of the chunk stands in the file, for errors. */
  base = 0
  #depth = 0
  readonly #programs: Program[] = Array.from({ length: MAX_DEPTH }, () => [])
  readonly #steps = new Int32Array(MAX_DEPTH)
  readonly #rounds = new Float64Array(MAX_DEPTH)
  /** Bytes yet to be passed over. */
  #skip = 0
  #compressed = 0
  readonly #partial = Buffer.alloc(9)
  #partialSize = 0
  /** Where `#length` has read to. */
  #at = 0

  /** Stands before a value of this layout. */
  begin(program: Program): void {
    this.done = false
    this.#skip = 0
    this.#partialSize = 0
    this.#depth = 0
    this.#programs[0] = program
    this.#steps[0] = 0
    this.#rounds[0] = 1
  }

  /**
   * Walks from `start` on, to the end of the value or of the bytes.
   *
   * @returns where it stands now
   * @throws RdbError `length` or `value`
   */
  walk(bytes: Buffer, start: number, end: number): number {
    let at = start
    for (;;) {
      if (this.#skip > 0) {
        const count = Math.min(this.#skip, end - at)
        at += count
        this.#skip -= count
        if (this.#skip > 0) return at
      }
      const program = this.#programs[this.#depth] as Program
      const index = this.#steps[this.#depth] as number
      const step = program[index]
      if (step === undefined) {
        if (this.#again()) continue
        this.done = true
        return at
      }
      if (step.op === OP.skip) {
        this.#skip = step.size
        this.#steps[this.#depth] = index + 1
      } else if (step.op === OP.textScore) {
        if (at === end) return at
        const size = bytes[at++] as number
        this.#skip = size > 252 ? 0 : size
        this.#steps[this.#depth] = index + 1
      } else {
        const value = this.#length(bytes, at, end)
        at = this.#at
        // Not all of it is there yet.
        if (value !== value) return at
        // A module's value ends by a piece, not by a count.
        if (step.op !== OP.module || value === 0) this.#steps[this.#depth] = index + 1
        this.#take(step, value, at)
      }
    }
  }

  /** The next round of what is repeated, or the end of it: false at the end of the value. */
  #again(): boolean {
    const rounds = (this.#rounds[this.#depth] as number) - 1
    if (rounds > 0) {
      this.#rounds[this.#depth] = rounds
      this.#steps[this.#depth] = 0
      return true
    }
    if (this.#depth === 0) return false
    this.#depth -= 1
    return true
  }

  #enter(program: Program, rounds: number): void {
    this.#depth += 1
    this.#programs[this.#depth] = program
    this.#steps[this.#depth] = 0
    this.#rounds[this.#depth] = rounds
  }

  #take(step: Step, value: number, at: number): void {
    if (step.op === OP.string) {
      if (value >= 0) this.#skip = value
      else this.#takeEncoded(value, at)
      return
    }
    if (value < 0) throw new RdbError('length', 'an encoding stands where a length must', this.base + at)
    switch (step.op) {
      case OP.repeat:
        if (value > 0) this.#enter(step.body, value)
        return
      case OP.container:
        if (value !== 1 && value !== 2)
          throw new RdbError('value', `a node of a list is of kind ${value}, not 1 or 2`, this.base + at)
        return
      case OP.compressedSize:
        this.#compressed = value
        return
      case OP.originalSize:
        this.#skip = this.#compressed
        return
      case OP.module:
        this.#takeModulePiece(value, at)
    }
  }

  #takeEncoded(value: number, at: number): void {
    if (value === ENCODED.lzf) this.#enter(COMPRESSED, 1)
    else if (value === ENCODED.int8) this.#skip = 1
    else if (value === ENCODED.int16) this.#skip = 2
    else if (value === ENCODED.int32) this.#skip = 4
    else throw new RdbError('length', `a string has the unknown encoding ${-1 - value}`, this.base + at)
  }

  /** `RDB_MODULE_OPCODE_...` of `src/rdb.h`, as `rdbLoadCheckModuleValue` in `src/rdb.c` reads them. */
  #takeModulePiece(value: number, at: number): void {
    if (value === 0) return
    if (value === 1 || value === 2) this.#enter(MODULE_NUMBER, 1)
    else if (value === 3) this.#skip = 4
    else if (value === 4) this.#skip = 8
    else if (value === 5) this.#enter(MODULE_STRING, 1)
    else throw new RdbError('value', `a module's value has a piece of the unknown kind ${value}`, this.base + at)
  }

  /** The length at `at`, or NaN if its end is not there yet; `#at` is behind what was read. */
  #length(bytes: Buffer, at: number, end: number): number {
    if (this.#partialSize === 0 && at < end) {
      const size = this.#sizeOf(bytes[at] as number, at)
      if (at + size <= end) {
        this.#at = at + size
        return decodeLength(bytes, at)
      }
    }
    let from = at
    while (from < end) {
      this.#partial[this.#partialSize++] = bytes[from++] as number
      if (this.#partialSize === this.#sizeOf(this.#partial[0] as number, from)) {
        this.#partialSize = 0
        this.#at = from
        return decodeLength(this.#partial, 0)
      }
    }
    this.#at = from
    return NO_LENGTH
  }

  #sizeOf(first: number, at: number): number {
    const size = lengthSize(first)
    if (size === 0)
      throw new RdbError('length', `0x${first.toString(16)} is not the beginning of a length`, this.base + at)
    return size
  }
}
