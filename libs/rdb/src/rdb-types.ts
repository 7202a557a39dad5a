import { type Program, VALUE } from './value-grammar.ts'

/** Who a file is by: `REDIS....` (Redis, and Valkey before 9), or `VALKEY...` (Valkey 9 and later). */
export type RdbFormat = 'redis' | 'valkey'

/** A type of value. */
export type RdbType = {
  readonly number: number
  /** As `src/rdb.h` names it, without `RDB_TYPE_`, in small letters with dashes. */
  readonly name: string
  /** The first RDB version that has it. */
  readonly since: number
  readonly layout: Program
}

const type = (number: number, name: string, since: number, layout: Program): RdbType => ({
  number,
  name,
  since,
  layout,
})

/** Those that both have: `src/rdb.h` of Redis 7.2 and Valkey 8. */
const SHARED: readonly RdbType[] = [
  type(0, 'string', 1, VALUE.string),
  type(1, 'list', 1, VALUE.strings),
  type(2, 'set', 1, VALUE.strings),
  type(3, 'zset', 1, VALUE.textScores),
  type(4, 'hash', 1, VALUE.pairs),
  type(5, 'zset-2', 8, VALUE.scores),
  type(7, 'module-2', 8, VALUE.module),
  type(9, 'hash-zipmap', 2, VALUE.string),
  type(10, 'list-ziplist', 2, VALUE.string),
  type(11, 'set-intset', 2, VALUE.string),
  type(12, 'zset-ziplist', 2, VALUE.string),
  type(13, 'hash-ziplist', 4, VALUE.string),
  type(14, 'list-quicklist', 7, VALUE.strings),
  type(15, 'stream-listpacks', 9, VALUE.stream1),
  type(16, 'hash-listpack', 10, VALUE.string),
  type(17, 'zset-listpack', 10, VALUE.string),
  type(18, 'list-quicklist-2', 10, VALUE.quicklist),
  type(19, 'stream-listpacks-2', 10, VALUE.stream2),
  type(20, 'set-listpack', 11, VALUE.string),
  type(21, 'stream-listpacks-3', 11, VALUE.stream3),
]

/** `src/rdb.h` of Redis 8.6 (RDB 13). */
const OF_REDIS: readonly RdbType[] = [
  type(22, 'hash-metadata-pre-ga', 12, VALUE.fieldsWithTime),
  type(23, 'hash-listpack-ex-pre-ga', 12, VALUE.string),
  type(24, 'hash-metadata', 12, VALUE.nearestThenFieldsWithTime),
  type(25, 'hash-listpack-ex', 12, VALUE.nearestThenString),
  type(26, 'stream-listpacks-4', 13, VALUE.stream4),
]

/** `src/rdb.h` of Valkey 9.0: the same number as in Redis is something else. */
const OF_VALKEY: readonly RdbType[] = [type(22, 'hash-2', 80, VALUE.fieldsThenTime)]

const byNumber = (types: readonly RdbType[]): readonly (RdbType | undefined)[] =>
  Array.from({ length: 256 }, (_, number) => types.find((one) => one.number === number))

const TYPES: Readonly<Record<RdbFormat, readonly (RdbType | undefined)[]>> = {
  redis: byNumber([...SHARED, ...OF_REDIS]),
  valkey: byNumber([...SHARED, ...OF_VALKEY]),
}

/** The type of this number in files of this format; undefined if nothing is known of it. */
export function rdbType(format: RdbFormat, number: number): RdbType | undefined {
  return TYPES[format][number]
}

/** The versions that are read: from Redis 6 (9) to 8.10 (15), and Valkey 9 (80). */
export const READABLE_VERSIONS: Readonly<Record<RdbFormat, { readonly first: number; readonly last: number }>> = {
  redis: { first: 9, last: 15 },
  valkey: { first: 80, last: 80 },
}

const MODULE_LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

/**
 * The name of a module's type, nine letters, out of the number that stands before its values: six bits a letter, then ten
 * of a version (`moduleTypeNameByID` in `src/module.c`).
 */
export function moduleTypeName(id: bigint): string {
  return Array.from({ length: 9 }, (_, letter) =>
    MODULE_LETTERS.charAt(Number((id >> BigInt(10 + 6 * (8 - letter))) & 63n)),
  ).join('')
}
