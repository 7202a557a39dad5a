import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { SAMPLES } from '../test/every-type.ts'
import {
  aux,
  type Bytes,
  bytes,
  compressed,
  int64,
  length,
  notebook,
  rdbFile,
  read,
  record,
  string,
} from '../test/rdb-file.ts'
import { RdbError } from './rdb-error.ts'
import { RdbParser } from './rdb-parser.ts'

const VALUE = record(0, 'key', string('value'))

/** Something of everything that a file of Redis may hold. */
const FULL = rdbFile(
  'REDIS0013',
  aux('redis-ver', '8.6.0'),
  aux('redis-bits', Buffer.from('64')),
  bytes(0xfa, string('ctime'), 0xc2, 1, 2, 3, 4),
  bytes(0xf7, length(0xffff_ffff_ffff_fc01n), length(2), length(1), length(5), string('aux of a module'), length(0)),
  bytes(0xf5, compressed('f', 150)),
  bytes(0xfe, 0, 0xfb, length(70_000), length(3)),
  bytes(0xf4, length(16_383), length(7), length(0)),
  ...SAMPLES.filter(({ magic }) => magic.startsWith('REDIS')).map((sample) => sample.record),
  bytes(0xfc, int64(1_700_000_000_123), 0xf8, length(300), record(0, '{tag}with both', string('v'))),
  bytes(0xfd, 1, 0, 0, 0x60, 0xf9, 200, record(0, 'old end', string('v'))),
  bytes(
    0xfc,
    int64(-5),
    0xf3,
    length(1),
    'META',
    length(5),
    string('m'),
    length(0),
    record(0, 'metadata', string('v')),
  ),
  bytes(0, 0xc1, 0xd4, 0xfe, string('a number for a key')),
  bytes(0, compressed('k', 40), string('a compressed key')),
  record(0, '', string('the empty key')),
)

/** A smaller one, for what is done with each of its bits. */
const SMALL = rdbFile(
  'REDIS0012',
  aux('redis-ver', '8.0.2'),
  bytes(0xf5, string('#!lua name=a')),
  bytes(0xfe, 0, 0xfb, 2, 1),
  bytes(
    0xfc,
    int64(4_102_444_800_000),
    record(
      21,
      's',
      length(1),
      string(Buffer.alloc(16)),
      string('listpack'),
      ...Array.from({ length: 8 }, () => 1),
      length(1),
      string('g'),
      1,
      1,
      0,
      length(1),
      Buffer.alloc(16),
      int64(5),
      1,
      length(1),
      string('c'),
      int64(1),
      int64(2),
      length(1),
      Buffer.alloc(16),
    ),
  ),
  record(24, 'h', int64(7), length(1), length(1), string('f'), string('v')),
  bytes(0, 0xc0, 7, compressed('x', 60)),
)

function kindOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (error instanceof RdbError) return error.kind
    throw error
  }
  return 'none'
}

test.each(SAMPLES)('$name is walked to its end', ({ name, magic, record: sample }) => {
  const file = rdbFile(magic, 0xfe, 0, sample, VALUE)
  const { told } = read(file)
  const found = told.slice(2)
  expect(found.map((part) => (part.what as { key: string }).key)).toEqual([`key of ${name}`, 'key'])
  expect(found[0]?.what).toMatchObject({ type: name.split(/,| of /)[0] })
  expect(Buffer.from(found[0]?.bytes ?? '', 'latin1').equals(sample)).toBe(true)
  expect(read(file, [1]).told).toEqual(told)
})

test('every part is told, with all that is known of it', () => {
  const { told, end } = read(FULL)
  const whats = told.map(({ what }) => what)
  expect(whats.slice(0, 9)).toMatchObject([
    { format: 'redis', version: 13 },
    { kind: 'aux', name: 'redis-ver', value: Buffer.from('8.6.0') },
    { kind: 'aux', name: 'redis-bits', value: Buffer.from('64') },
    { kind: 'aux', name: 'ctime', value: Buffer.from('67305985') },
    { kind: 'moduleAux', module: '_________' },
    { kind: 'function' },
    { kind: 'database', db: 0 },
    { kind: 'size', keys: 70_000, expiring: 3 },
    { kind: 'slotSize', slot: 16_383, keys: 7, expiring: 0 },
  ])
  const plain = { expiresAtMs: null, idleSeconds: null, frequency: null, module: null, db: 0 }
  expect(whats.slice(-6)).toMatchObject([
    { ...plain, key: '{tag}with both', slot: 8338, expiresAtMs: 1_700_000_000_123, idleSeconds: 300 },
    { ...plain, key: 'old end', expiresAtMs: 0x60000001 * 1000, frequency: 200 },
    { ...plain, key: 'metadata', expiresAtMs: -5 },
    { ...plain, key: '-300' },
    { ...plain, key: 'k'.repeat(40) },
    { ...plain, key: '', slot: 0 },
  ])
  expect(whats).toContainEqual(expect.objectContaining({ type: 'module-2', module: '_________' }))
  expect(end).toEqual({ said: end?.computed, computed: end?.said, size: FULL.length })
})

test('the bytes of all parts are the file up to its end mark, and each record begins where it says', () => {
  const { told } = read(FULL)
  expect(told.map((part) => part.bytes).join('')).toBe(FULL.toString('latin1', 0, FULL.length - 9))
  let at = 0
  for (const { what, bytes: own } of told) {
    expect((what as { offset?: number }).offset ?? 0).toBe(at)
    at += own.length
  }
})

test('however a file is cut, the same is told', () => {
  const whole = read(FULL)
  const sizes = fc.array(fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 5_000 })), {
    minLength: 1,
  })
  fc.assert(
    fc.property(sizes, (cuts) => {
      expect(read(FULL, cuts)).toEqual(whole)
    }),
  )
  expect(read(FULL, [1])).toEqual(whole)
})

test('every flipped bit is refused', () => {
  for (let bit = 0; bit < SMALL.length * 8; bit += 1) {
    const flipped = Buffer.from(SMALL)
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    expect(
      kindOf(() => read(flipped, [64])),
      `bit ${bit}`,
    ).not.toBe('none')
  }
  expect(kindOf(() => read(SMALL))).toBe('none')
})

test('a file that ends too early is refused, wherever it ends', () => {
  for (let size = 0; size < SMALL.length; size += 1)
    expect(
      kindOf(() => read(SMALL.subarray(0, size))),
      `${size} bytes`,
    ).toBe('truncated')
})

describe('what is refused, and how', () => {
  const redis = (version: number, ...parts: Bytes) => rdbFile(`REDIS00${version}`, ...parts)
  test.each<[string, Buffer, string, string]>([
    ['something else', bytes('#!/bin/sh\necho'), 'magic', 'it begins with'],
    ['a header with letters for its version', rdbFile('REDIS00x1'), 'magic', 'it begins with'],
    ['a version that came later', rdbFile('REDIS0016'), 'version', 'REDIS0016 is a version that is not known'],
    ['a version of long ago', rdbFile('REDIS0008'), 'version', 'not known'],
    ['a version of Valkey that came later', rdbFile('VALKEY081'), 'version', 'not known'],
    ['a version of Redis under the name of Valkey', rdbFile('VALKEY011'), 'version', 'not known'],
    ['a type that nobody has', redis(13, VALUE, record(40, 'k')), 'type', 'values of type 40 are not known'],
    ['a type of Redis 8.8', redis(14, record(27, 'k')), 'type', 'type 27'],
    ['the modules of Redis 4.0 RC', redis(10, record(6, 'k')), 'type', 'type 6'],
    ['a type that came with a later version', redis(10, record(20, 'k', string('x'))), 'type', 'came with RDB 11'],
    ['a type of Redis in a file of Valkey', rdbFile('VALKEY080', record(24, 'k')), 'type', 'type 24'],
    ['templates of hashes of Redis 8.10', redis(15, bytes(0xf2, 1)), 'opcode', 'opcode 242'],
    ['functions of Redis 7.0 RC', redis(10, bytes(0xf6, 1)), 'opcode', 'opcode 246'],
    ['metadata of keys before there was any', redis(12, bytes(0xf3, 1, 'META', 0, VALUE)), 'opcode', 'opcode 243'],
    ['an end of no key', redis(12, bytes(0xfc, int64(1), 0xfe, 0)), 'opcode', 'no key follows'],
    ['a byte that begins no length', redis(12, bytes(0, 0x82)), 'length', '0x82'],
    ['a byte in a value that begins no length', redis(12, record(1, 'k', 0x90)), 'length', '0x90'],
    ['a string of an unknown encoding', redis(12, record(0, 'k', 0xc4)), 'length', 'encoding 4'],
    ['a key of an unknown encoding', redis(12, bytes(0, 0xc5)), 'length', 'encoding 5'],
    ['an encoding for a count', redis(12, record(1, 'k', 0xc0, 1)), 'length', 'where a length must'],
    ['an encoding for a database', redis(12, bytes(0xfe, 0xc0, 1)), 'length', 'where a length must'],
    ['an unknown kind of node', redis(12, record(18, 'k', 1, 3, string('x'))), 'value', 'of kind 3'],
    ['an unknown piece of a module', redis(12, record(7, 'k', length(2n ** 63n), 6)), 'value', 'kind 6'],
    ['a compressed key that is none', redis(12, bytes(0, 0xc3, 2, 40, 0xff, 0xff)), 'value', 'cannot be read'],
    ['a key in database 3', redis(12, bytes(0xfe, 3), VALUE), 'database', 'in database 3'],
    ['bytes behind the end', bytes(redis(12, VALUE), 0), 'trailing', '1 bytes follow'],
  ])('%s', (_what, file, kind, words) => {
    for (const sizes of [[file.length], [1]]) {
      expect(kindOf(() => read(file, sizes))).toBe(kind)
      expect(() => read(file, sizes)).toThrow(words)
    }
  })

  test('the error says where', () => {
    const file = redis(12, VALUE, record(40, 'k'))
    expect(() => read(file)).toThrow(`(at byte ${9 + VALUE.length + 1})`)
  })

  test('a wrong checksum, with both', () => {
    const file = rdbFile('REDIS0012', VALUE)
    file[file.length - 1] = (file.at(-1) ?? 0) ^ 1
    expect(kindOf(() => read(file, [7]))).toBe('checksum')
    expect(() => read(file)).toThrow(/says that its checksum is [0-9a-f]{16}, it is [0-9a-f]{16}/)
  })

  test('an error is final', () => {
    const parser = new RdbParser(notebook().listener)
    expect(kindOf(() => parser.push(bytes('no RDB at all')))).toBe('magic')
    expect(kindOf(() => parser.push(rdbFile('REDIS0012')))).toBe('magic')
    expect(kindOf(() => parser.finish())).toBe('magic')
    expect(parser.ended).toBe(false)
  })
})

test('a file without a checksum has none, and is read all the same', () => {
  const file = rdbFile('REDIS0011', VALUE)
  file.fill(0, file.length - 8)
  expect(read(file, [3]).end).toMatchObject({ said: null, computed: expect.stringMatching(/^[0-9a-f]{16}$/) })
})

test('other databases are read where that is asked for', () => {
  const file = rdbFile('REDIS0011', 0xfe, 3, VALUE)
  expect(read(file, [2], { allowDatabases: true }).told.at(-1)?.what).toMatchObject({ db: 3, key: 'key' })
})

test('in a stream, what follows the file is left to the caller', () => {
  const { listener, end } = notebook()
  const parser = new RdbParser(listener, { stopAtEnd: true })
  const file = rdbFile('REDIS0011', VALUE)
  expect(parser.push(file.subarray(0, 20))).toBe(20)
  expect(parser.ended).toBe(false)
  expect(parser.push(bytes(file.subarray(20), 'the mark'))).toBe(file.length - 20)
  expect(parser.ended).toBe(true)
  expect(parser.push(bytes('more'))).toBe(0)
  expect(end()?.size).toBe(file.length)
})

test('a value is passed on as it comes, and never held', () => {
  const size = 512 * 2 ** 20
  const block = Buffer.alloc(2 ** 20, 5)
  const seen = { bytes: 0, largest: 0, records: 0 }
  const { listener } = notebook()
  const parser = new RdbParser({
    ...listener,
    record: () => void (seen.records += 1),
    bytes: (_source, start, end) => {
      seen.bytes += end - start
      seen.largest = Math.max(seen.largest, end - start)
    },
  })
  const head = bytes('REDIS0011', 0, string('k'), length(size))
  parser.push(head)
  const before = process.memoryUsage().arrayBuffers
  for (let pushed = 0; pushed < size; pushed += block.length) {
    parser.push(block)
    expect(seen.bytes).toBe(head.length + pushed + block.length)
  }
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * 2 ** 20)
  expect(seen).toEqual({ bytes: head.length + size, largest: block.length, records: 1 })
})

test('a key that is only announced takes no memory, one that is too large is refused', () => {
  const announced = bytes('REDIS0011', 0, length(500 * 2 ** 20), 'k')
  const before = process.memoryUsage().arrayBuffers
  expect(kindOf(() => read(announced, [4]))).toBe('truncated')
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * 2 ** 20)
  expect(kindOf(() => read(bytes('REDIS0011', 0, length(600 * 2 ** 20), 'k')))).toBe('limit')
  const claimed = bytes('REDIS0011', 0, 0xc3, length(3), length(100 * 2 ** 20), 0, 'k', 0)
  expect(kindOf(() => read(claimed))).toBe('value')
  expect(kindOf(() => read(rdbFile('REDIS0011', VALUE), [9], { maxKeyBytes: 2 }))).toBe('limit')
})
