import { randomBytes } from 'node:crypto'

/** One command, its words as text or bytes. */
export type Words = readonly (string | number | Buffer)[]

/** Sends a command to a server; throws what it refuses. */
export type Ask = (words: Words) => Promise<unknown>

const LATER = 4_102_444_800_000
const LONG_AGO_SET = '0123456789'.repeat(30)

const many = (count: number, word: (index: number) => Words): (string | number | Buffer)[] =>
  Array.from({ length: count }, (_, index) => word(index)).flat()

/** Strings, among them those that are kept as numbers, compressed, empty, or hold any byte. */
const strings: readonly Words[] = [
  ...[0, 63, -1, 127, 128, -129, 32_767, 32_768, 2_147_483_647, 2_147_483_648, '9223372036854775807'].map(
    (number): Words => ['SET', `int:${number}`, number],
  ),
  // Keys that are kept as numbers, and one that is compressed.
  ...[5, -300, 70_000].map((number): Words => ['SET', String(number), 'a number for a key']),
  ['SET', `compressed:${LONG_AGO_SET}`, 'x'],
  ['SET', 'empty', ''],
  ['SET', '', 'the empty key'],
  ['SET', 'short', 'embedded'],
  ['SET', 'raw', randomBytes(100)],
  ['SET', 'repeated', 'abcabcabc'.repeat(500)],
  ['SET', Buffer.from([0, 255, 254, 13, 10, 123, 0, 125]), randomBytes(3)],
  ['SET', 'large', randomBytes(300_000)],
  ['SETBIT', 'bits', 70_000, 1],
  ['PFADD', 'visitors', ...many(2_000, (index) => [`visitor ${index}`])],
  ['PFADD', 'few visitors', 'a', 'b'],
  ...['{tag}1', '{tag}2', 'before{tag}after', '{}none', 'open{', '{{x}}'].map((key): Words => ['SET', key, 'tagged']),
]

const collections: readonly Words[] = [
  ['RPUSH', 'list:small', 'a', '1', '-70000', '', randomBytes(20)],
  ['RPUSH', 'list:large', ...many(3_000, (index) => [`item ${index}`])],
  ['RPUSH', 'list:plain', 'x', randomBytes(20_000), 'y', 'z'.repeat(20_000)],
  ['SADD', 'set:small ints', 1, 2, 3],
  ['SADD', 'set:wide ints', '9223372036854775807', -1, 70_000],
  ['SADD', 'set:words', 'a', 'b', ''],
  ['SADD', 'set:large', ...many(1_000, (index) => [`member ${index}`])],
  ['ZADD', 'zset:small', 1.5, 'a', '-inf', 'b', 'inf', 'c', 0, ''],
  ['ZADD', 'zset:large', ...many(600, (index) => [index / 7, `member ${index}`])],
  ['GEOADD', 'geo', 13.361389, 38.115556, 'Palermo', 15.087269, 37.502669, 'Catania'],
  ['HSET', 'hash:small', 'field', 'value', 'number', 7, 'empty', ''],
  ['HSET', 'hash:large', ...many(700, (index) => [`field ${index}`, index])],
  ['HSET', 'hash:long value', 'field', 'v'.repeat(10_000)],
]

/** Streams: of several nodes, with deleted entries, with groups whose entries wait at several consumers, and empty. */
const streams: readonly Words[] = [
  ...many(250, (index) => [index]).map((index): Words => [
    'XADD',
    'stream:large',
    `${Number(index) + 1}-1`,
    'a',
    index,
    'b',
    'x',
  ]),
  ['XDEL', 'stream:large', '1-1', '100-1'],
  ['XGROUP', 'CREATE', 'stream:large', 'workers', '0'],
  ['XGROUP', 'CREATE', 'stream:large', 'idle', '$'],
  ['XGROUP', 'CREATECONSUMER', 'stream:large', 'workers', 'never read'],
  ['XREADGROUP', 'GROUP', 'workers', 'ann', 'COUNT', 20, 'STREAMS', 'stream:large', '>'],
  ['XREADGROUP', 'GROUP', 'workers', 'bob', 'COUNT', 5, 'STREAMS', 'stream:large', '>'],
  ['XACK', 'stream:large', 'workers', '2-1', '22-1'],
  ['XCLAIM', 'stream:large', 'workers', 'bob', 0, '3-1'],
  ['XADD', 'stream:max id', '18446744073709551615-18446744073709551614', 'a', 'b'],
  ['XGROUP', 'CREATE', 'stream:empty', 'workers', '0', 'MKSTREAM'],
]

const ends: readonly Words[] = [
  ['SET', 'ends', 'x', 'PXAT', LATER + 123],
  ['PEXPIREAT', 'list:large', LATER + 1],
  ['PEXPIREAT', 'stream:empty', LATER + 2],
  ['PEXPIREAT', 'hash:large', LATER + 3],
]

/** Hash fields that end, both kinds of hash. */
const fieldsThatEnd: readonly Words[] = [
  ['HSET', 'fields:small', 'a', 1, 'b', 2, 'c', 3],
  ['HPEXPIREAT', 'fields:small', LATER + 5_000, 'FIELDS', 2, 'a', 'b'],
  ['HSET', 'fields:large', ...many(700, (index) => [`field ${index}`, index])],
  ['HPEXPIREAT', 'fields:large', LATER, 'FIELDS', 2, 'field 1', 'field 2'],
  ['HPEXPIREAT', 'fields:large', LATER + 9, 'FIELDS', 1, 'field 3'],
  ['PEXPIREAT', 'fields:large', LATER + 10_000],
]

const library = (name: string): string =>
  `#!lua name=${name}\nredis.register_function('${name}_f', function(keys, args) return '${name} '..#args end)`

const functions: readonly Words[] = [
  ['FUNCTION', 'LOAD', library('first')],
  ['FUNCTION', 'LOAD', `${library('second')}\n--${' a long remark'.repeat(100)}`],
]

/** What a version has beside what all have. */
function only(engine: string): readonly Words[] {
  if (engine === 'redis-8.0') return [...fieldsThatEnd, ...vectors]
  return engine === 'valkey-9.1' ? fieldsThatEnd : []
}

/** Vector sets: the values of a module that is built in. */
const vectors: readonly Words[] = [
  ['VADD', 'vectors', 'VALUES', 3, 0.1, 1.2, 0.5, 'one'],
  ['VADD', 'vectors', 'VALUES', 3, 0.3, -1.2, 0.25, 'two', 'SETATTR', '{"a":1}'],
]

/** Fills a server with every type and encoding that its version has, and libraries of functions. */
export async function fillServer(engine: string, ask: Ask): Promise<void> {
  // Half of the lists are to have nodes that are compressed in memory, and written like that.
  await ask(['CONFIG', 'SET', 'list-compress-depth', '1'])
  for (const words of [...functions, ...strings, ...collections, ...streams, ...only(engine), ...ends]) await ask(words)
}
