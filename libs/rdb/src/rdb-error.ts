/**
 * What was wrong with a file.
 *
 * - `magic`, `version`: not an RDB file; one of a version that nothing is known of
 * - `opcode`, `type`: a section or a type of value that nothing is known of, or that this version does not have
 * - `length`, `value`: a length or a part of a value that no server writes
 * - `limit`: a key, or something else that has to be held in memory, is larger than was allowed
 * - `database`: a key in a database other than 0, which a cluster does not have
 * - `slots`: the file was written while slots were moving in, so that some of its keys are not the server's own
 * - `truncated`, `trailing`, `checksum`: ends too early, goes on after its end, was altered
 */
export type RdbErrorKind =
  | 'magic'
  | 'version'
  | 'opcode'
  | 'type'
  | 'length'
  | 'value'
  | 'limit'
  | 'database'
  | 'slots'
  | 'truncated'
  | 'trailing'
  | 'checksum'

/** Why an RDB file is refused, and at which byte of it. */
export class RdbError extends Error {
  override readonly name = 'RdbError'
  readonly kind: RdbErrorKind
  /** Bytes from the beginning of the file. */
  readonly offset: number

  constructor(kind: RdbErrorKind, message: string, offset: number) {
    super(`${message} (at byte ${offset})`)
    this.kind = kind
    this.offset = offset
  }
}
