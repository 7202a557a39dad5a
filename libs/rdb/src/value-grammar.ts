/** What one step of a value is made of. */
export const OP = {
  /** So many bytes. */
  skip: 0,
  /** A length, whatever it says. */
  length: 1,
  /** A string in any encoding. */
  string: 2,
  /** A count, then the body so often. */
  repeat: 3,
  /** The kind of a node of a quicklist: 1 plain, 2 packed. */
  container: 4,
  /** A score as text (before RDB 8): one byte says how long; 253 to 255 are NaN and the infinities. */
  textScore: 5,
  /** What a module wrote: each piece behind a length that says what it is, until the one that ends it. */
  module: 6,
  /** The size of a compressed string as it is stored, and as it was. */
  compressedSize: 7,
  originalSize: 8,
} as const

/** One step. All have one shape, for speed: `size` belongs to `skip`, `body` to `repeat`. */
export type Step = { readonly op: number; readonly size: number; readonly body: Program }

/** The steps of a value, in order. */
export type Program = readonly Step[]

const NONE: Program = []
const step = (op: number): Step => ({ op, size: 0, body: NONE })
const skip = (size: number): Step => ({ op: OP.skip, size, body: NONE })
const repeat = (...body: Step[]): Step => ({ op: OP.repeat, size: 0, body })

const length = step(OP.length)
const string = step(OP.string)
const time = skip(8)
const streamId = skip(16)
const idInTwo = [length, length]

/**
 * A stream, by the number at the end of its type: 1 is `RDB_TYPE_STREAM_LISTPACKS`. 2 added first and deleted ids and the
 * counters, 3 when a consumer was last active, 4 what makes XADD idempotent (`rdbSaveObject`, `rdbSaveStreamPEL`,
 * `rdbSaveStreamConsumers` and `rdbSaveStreamIdmpEntries` in `src/rdb.c` of Redis 8.6, where 4 is new).
 */
function stream(generation: 1 | 2 | 3 | 4): Program {
  const pending = repeat(streamId, time, length)
  const consumer = repeat(string, time, ...(generation >= 3 ? [time] : []), repeat(streamId))
  const group = repeat(string, ...idInTwo, ...(generation >= 2 ? [length] : []), pending, consumer)
  const producer = repeat(string, repeat(string, ...idInTwo))
  return [
    repeat(string, string),
    length,
    ...idInTwo,
    ...(generation >= 2 ? [...idInTwo, ...idInTwo, length] : []),
    group,
    ...(generation >= 4 ? [length, length, producer, length, length] : []),
  ]
}

/**
 * How the value of each type is laid out: `rdbSaveObject` and `rdbLoadObject` in `src/rdb.c` of Redis 8.6 and Valkey 9.
 * What is one string here (ziplist, listpack, intset, zipmap) is not looked into.
 */
export const VALUE = {
  string: [string],
  strings: [repeat(string)],
  pairs: [repeat(string, string)],
  textScores: [repeat(string, step(OP.textScore))],
  scores: [repeat(string, skip(8))],
  quicklist: [repeat(step(OP.container), string)],
  stream1: stream(1),
  stream2: stream(2),
  stream3: stream(3),
  stream4: stream(4),
  module: [step(OP.module)],
  /** Redis 7.4: the time left, the field, its value. The nearest end of all fields stands first since its release. */
  fieldsWithTime: [repeat(length, string, string)],
  nearestThenFieldsWithTime: [time, repeat(length, string, string)],
  nearestThenString: [time, string],
  /** Valkey 9 (`RDB_TYPE_HASH_2`): the field, its value, when it ends. */
  fieldsThenTime: [repeat(string, string, time)],
  /** Valkey 9, `clusterRDBSaveSlotImports` in `src/cluster_migrateslots.c`: the name of the job, its ranges of slots. */
  slotImport: [string, repeat(length, length)],
} as const satisfies Record<string, Program>

/** What follows the first byte of a compressed string. */
export const COMPRESSED: Program = [step(OP.compressedSize), step(OP.originalSize)]
/** A number that a module wrote. */
export const MODULE_NUMBER: Program = [length]
/** A string that a module wrote. */
export const MODULE_STRING: Program = [string]
