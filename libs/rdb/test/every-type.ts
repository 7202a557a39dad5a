import { type Bytes, bytes, compressed, int64, length, record, string } from './rdb-file.ts'

/** One record of each type and encoding that is read, by name: the version of its file, and its bytes. */
export type Sample = { readonly name: string; readonly magic: string; readonly record: Buffer }

const id = Buffer.alloc(16, 7)
const blob = string(Buffer.alloc(200, 3))
const nodes = bytes(length(2), string(id), blob, string(id), blob)
const ids = bytes(length(2n ** 64n - 1n), length(70_000))
const numbersOf2 = bytes(ids, length(0), length(1), length(300))
const pending = bytes(length(2), id, int64(1_700_000_000_000), length(1), id, int64(5), length(300))
const mine = bytes(length(1), id)

const group = (offset: boolean, active: boolean): Buffer =>
  bytes(
    length(2),
    ...['one', 'two'].map((name) =>
      bytes(
        string(name),
        ids,
        offset ? length(17) : '',
        pending,
        length(2),
        ...['ann', 'bob'].map((consumer) => bytes(string(consumer), int64(9), active ? int64(8) : '', mine)),
      ),
    ),
  )

const producers = bytes(length(1), string('producer'), length(2), string('a'), ids, string('b'), ids)
const moduleNumbers = bytes(length(1), length(2n ** 64n - 5n), length(2), length(70_000))
const moduleFloats = bytes(length(3), Buffer.alloc(4), length(4), Buffer.alloc(8))
const moduleStrings = bytes(length(5), string('text'), length(5), compressed('m', 90))
const module = bytes(length(0xffff_ffff_ffff_fc01n), moduleNumbers, moduleFloats, moduleStrings, length(0))

const sample = (name: string, magic: string, type: number, ...value: Bytes): Sample => ({
  name,
  magic,
  record: record(type, `key of ${name}`, ...value),
})

/** All of them. */
export const SAMPLES: readonly Sample[] = [
  sample('string', 'REDIS0009', 0, string('value')),
  sample('string, empty', 'REDIS0009', 0, string('')),
  sample('string, 14 bits', 'REDIS0009', 0, string('v'.repeat(16_383))),
  sample('string, 32 bits', 'REDIS0009', 0, string('v'.repeat(20_000))),
  sample('string, 64 bits', 'REDIS0009', 0, 0x81, Buffer.alloc(7), 3, 'abc'),
  sample('string, int8', 'REDIS0009', 0, 0xc0, 0xff),
  sample('string, int16', 'REDIS0009', 0, 0xc1, 1, 2),
  sample('string, int32', 'REDIS0009', 0, 0xc2, 1, 2, 3, 4),
  sample('string, compressed', 'REDIS0009', 0, compressed('a', 200)),
  sample('list', 'REDIS0009', 1, length(3), string('a'), bytes(0xc0, 1), compressed('a', 100)),
  sample('set', 'REDIS0009', 2, length(2), string('a'), string('')),
  sample(
    'zset',
    'REDIS0009',
    3,
    length(4),
    string('a'),
    255,
    string('b'),
    254,
    string('c'),
    253,
    string('d'),
    3,
    '1.5',
  ),
  sample('hash', 'REDIS0009', 4, length(2), string('a'), string('1'), string('b'), compressed('b', 50)),
  sample('zset-2', 'REDIS0009', 5, length(2), string('a'), Buffer.alloc(8), string('b'), Buffer.alloc(8, 0xff)),
  sample('module-2', 'REDIS0009', 7, module),
  sample('hash-zipmap', 'REDIS0009', 9, blob),
  sample('list-ziplist', 'REDIS0009', 10, blob),
  sample('set-intset', 'REDIS0009', 11, blob),
  sample('zset-ziplist', 'REDIS0009', 12, blob),
  sample('hash-ziplist', 'REDIS0009', 13, compressed('z', 120)),
  sample('list-quicklist', 'REDIS0009', 14, length(2), blob, compressed('q', 120)),
  sample('stream-listpacks', 'REDIS0009', 15, nodes, length(4), ids, group(false, false)),
  sample('hash-listpack', 'REDIS0010', 16, blob),
  sample('zset-listpack', 'REDIS0010', 17, blob),
  sample('list-quicklist-2', 'REDIS0010', 18, length(2), length(1), blob, length(2), compressed('q', 120)),
  sample('stream-listpacks-2', 'REDIS0010', 19, nodes, length(4), ids, numbersOf2, group(true, false)),
  sample('set-listpack', 'REDIS0011', 20, blob),
  sample('stream-listpacks-3', 'REDIS0011', 21, nodes, length(4), ids, numbersOf2, group(true, true)),
  sample(
    'stream-listpacks-3, empty',
    'REDIS0011',
    21,
    length(0),
    ...Array.from({ length: 8 }, () => length(0)),
    length(0),
  ),
  sample('hash-metadata-pre-ga', 'REDIS0012', 22, length(1), length(1_700_000_000_000), string('a'), string('b')),
  sample('hash-listpack-ex-pre-ga', 'REDIS0012', 23, blob),
  sample(
    'hash-metadata',
    'REDIS0012',
    24,
    int64(5),
    length(2),
    length(0),
    string('a'),
    string('b'),
    length(9),
    string('c'),
    string('d'),
  ),
  sample('hash-listpack-ex', 'REDIS0012', 25, int64(5), blob),
  sample(
    'stream-listpacks-4',
    'REDIS0013',
    26,
    nodes,
    length(4),
    ids,
    numbersOf2,
    group(true, true),
    length(100),
    length(50),
    producers,
    length(3),
    length(4),
  ),
  sample('string of Valkey', 'VALKEY080', 0, string('value')),
  sample(
    'hash-2',
    'VALKEY080',
    22,
    length(2),
    string('a'),
    string('b'),
    int64(-1),
    string('c'),
    string('d'),
    int64(1_700_000_000_000),
  ),
]
