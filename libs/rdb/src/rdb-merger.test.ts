import fc from 'fast-check'
import { expect, test } from 'vitest'
import { SAMPLES } from '../test/every-type.ts'
import { aux, bytes, compressed, int64, length, rdbFile, read, record, string } from '../test/rdb-file.ts'
import { keySlot } from './key-slot.ts'
import type { RdbHeader } from './rdb-listener.ts'
import { RdbMerger, type RdbMergerOptions } from './rdb-merger.ts'
import { RdbParser } from './rdb-parser.ts'
import { RdbTally } from './rdb-tally.ts'

const SELECT = bytes(0xfe, 0)
const redis12 = { format: 'redis', version: 12 } as const

/** What is made of files that come in pieces of so many bytes. */
function merge(files: readonly Buffer[], options: Partial<RdbMergerOptions> = {}, size = 100) {
  const written: Buffer[] = []
  const merger = new RdbMerger({
    header: redis12,
    has: () => true,
    write: (slice) => void written.push(Buffer.from(slice)),
    ...options,
  })
  for (const file of files) {
    const parser = new RdbParser(merger.source())
    for (let at = 0; at < file.length; at += size) parser.push(file.subarray(at, at + size))
    parser.finish()
  }
  merger.end()
  return { file: Buffer.concat(written), merger }
}

/** A split of one file: as many hear it as there are parts, each has the slots of its own. */
const split = (file: Buffer, parts: number, partOf: (slot: number) => number, size?: number) =>
  Array.from({ length: parts }, (_, part) => merge([file], { has: (slot) => partOf(slot) === part }, size))

const functionOf = (name: string): Buffer => bytes(0xf5, string(`#!lua name=${name}`))
const keyed = (key: string, value = 'v'): Buffer => record(0, key, string(value))
const countsOf = (file: Buffer) => {
  const tally = new RdbTally()
  const parser = new RdbParser(tally)
  parser.push(file)
  parser.finish()
  return tally.counts()
}

const recordsOf = (file: Buffer): readonly { readonly slot: number; readonly bytes: string }[] =>
  read(file).told.flatMap(({ what, bytes: own }) =>
    (what as { key?: string }).key === undefined ? [] : [{ slot: (what as { slot: number }).slot, bytes: own }],
  )

test('records of several files stand in one, byte for byte, under one header, with one end', () => {
  const samples = SAMPLES.filter(({ magic }) => magic.startsWith('REDIS') && magic <= 'REDIS0012')
  const large = keyed('large', 'x'.repeat(200_000))
  const one = rdbFile(
    'REDIS0012',
    aux('redis-ver', '8.0.2'),
    SELECT,
    bytes(0xfb, length(9), length(1)),
    ...samples.map((sample) => sample.record),
  )
  const other = rdbFile('REDIS0012', aux('redis-ver', '8.0.3'), aux('repl-id', 'x'), SELECT, large, keyed('foo'))
  for (const size of [1, 777, 1_000_000]) {
    const { file, merger } = merge([one, other], {}, size)
    expect(file).toEqual(
      rdbFile(
        'REDIS0012',
        aux('redis-ver', '8.0.2'),
        SELECT,
        ...samples.map((sample) => sample.record),
        large,
        keyed('foo'),
      ),
    )
    expect(merger.tally.counts()).toEqual(countsOf(file))
  }
})

test('files of earlier versions go into one of a later one', () => {
  const earlier = rdbFile('REDIS0010', SELECT, keyed('1'))
  const redis = rdbFile('REDIS0011', SELECT, keyed('2'))
  expect(merge([earlier, redis]).file).toEqual(rdbFile('REDIS0012', SELECT, keyed('1'), keyed('2')))
  const valkey = merge([redis, earlier], { header: { format: 'valkey', version: 80 } })
  expect(valkey.file).toEqual(rdbFile('VALKEY080', SELECT, keyed('2'), keyed('1')))
})

test('only keys of the slots that are asked for are taken', () => {
  const keys = Array.from({ length: 100 }, (_, index) => `key ${index}`)
  const has = (slot: number): boolean => slot % 3 === 0
  const files = [keys.slice(0, 40), keys.slice(40)].map((some) =>
    rdbFile('REDIS0012', SELECT, ...some.map((key) => keyed(key))),
  )
  const expected = keys.filter((key) => has(keySlot(Buffer.from(key))))
  expect(expected.length).toBeGreaterThan(10)
  expect(merge(files, { has }).file).toEqual(rdbFile('REDIS0012', SELECT, ...expected.map((key) => keyed(key))))
})

test('what stands beside keys is of the first file that has it', () => {
  const [a, b, c] = [functionOf('a'), functionOf('b'), functionOf('c')]
  const moduleAux = (when: number): Buffer =>
    bytes(0xf7, length(0xffff_ffff_ffff_fc01n), length(2), length(when), length(0))
  const files = [
    rdbFile('REDIS0012', SELECT, keyed('1')),
    rdbFile('REDIS0012', a, b, moduleAux(1), SELECT, keyed('2'), moduleAux(2)),
    rdbFile('REDIS0012', aux('ctime', '9'), b, a, moduleAux(1), SELECT, keyed('3')),
  ]
  const first = merge(files)
  expect(first.file).toEqual(
    rdbFile(
      'REDIS0012',
      SELECT,
      keyed('1'),
      a,
      b,
      moduleAux(1),
      keyed('2'),
      moduleAux(2),
      aux('ctime', '9'),
      keyed('3'),
    ),
  )
  expect(first.merger.tally.counts().functions).toBe(2)
  // The order is not told apart; what is missing, and what is another, is.
  expect(merge(files.slice(1)).merger.functionsDiffer).toBe(false)
  expect(first.merger.functionsDiffer).toBe(true)
  const others = [files[1] as Buffer, rdbFile('REDIS0012', a, c, SELECT)]
  expect(merge(others).merger.functionsDiffer).toBe(true)
})

test.each([
  [{ format: 'redis', version: 9 }, 'REDIS0009'],
  [{ format: 'redis', version: 12 }, 'REDIS0012'],
  [{ format: 'valkey', version: 80 }, 'VALKEY080'],
] as const)('without a key it is a file all the same: %o', (header, magic) => {
  const { file, merger } = merge([], { header })
  expect(file).toEqual(rdbFile(magic))
  expect(read(file).end?.size).toBe(file.length)
  expect(merger.tally.counts()).toMatchObject({ ...header, keys: 0 })
})

test.each([
  ['a later version', rdbFile('REDIS0013', SELECT, keyed('1')), 'version'],
  ['another format', rdbFile('VALKEY080', SELECT, keyed('1')), 'version'],
  ['a file that ends early', rdbFile('REDIS0012', SELECT, keyed('1')).subarray(0, -9), 'truncated'],
])('refused: %s', (_what, file, kind) => {
  expect(() => merge([rdbFile('REDIS0012', SELECT, keyed('0')), file])).toThrow(expect.objectContaining({ kind }))
})

test.each<[string, RdbHeader, Buffer]>([
  [
    'Valkey',
    { format: 'valkey', version: 80 },
    rdbFile('VALKEY080', bytes(0xf3, string('j'.repeat(40)), 1, length(100), length(200)), SELECT),
  ],
  ['Redis', redis12, rdbFile('REDIS0012', aux('cluster-asm-task', 'task'), SELECT)],
])('a file of %s that was written while slots moved in is refused, but can be read', (_engine, header, file) => {
  expect(read(file, [1]).end?.size).toBe(file.length)
  expect(() => merge([file], { header })).toThrow(expect.objectContaining({ kind: 'slots', offset: 9 }))
})

test('keys of other databases are refused', () => {
  const merger = new RdbMerger({ header: redis12, has: () => true, write: () => undefined })
  const parser = new RdbParser(merger.source(), { allowDatabases: true })
  const file = rdbFile('REDIS0012', 0xfe, 1, keyed('k'))
  expect(() => parser.push(file)).toThrow(expect.objectContaining({ kind: 'database', offset: 11 }))
})

test('of a broken source there is no file with an end', () => {
  const broken = rdbFile('REDIS0012', SELECT, keyed('k', 'v'.repeat(50_000)))
  broken[100] = 0
  const written: Buffer[] = []
  const write = (slice: Buffer): void => void written.push(slice)
  const files = [rdbFile('REDIS0012', SELECT, keyed('0')), broken]
  expect(() => merge(files, { write }, 100_000)).toThrow(expect.objectContaining({ kind: 'checksum' }))
  const file = Buffer.concat(written)
  expect(file.length).toBeGreaterThan(50_000)
  expect(() => read(file)).toThrow(expect.objectContaining({ kind: 'truncated' }))
})

test('it holds no more than a block, and writes no small pieces', () => {
  const small = Array.from({ length: 20_000 }, (_, index) => keyed(`key ${index}`, 'v'.repeat(index % 60)))
  const file = rdbFile('REDIS0012', SELECT, ...small, record(0, 'large', string(Buffer.alloc(2 ** 20))))
  let given = 0
  const sizes: number[] = []
  const merger = new RdbMerger({
    header: redis12,
    has: () => true,
    write: (slice) => {
      given += slice.length
      sizes.push(slice.length)
    },
  })
  const parser = new RdbParser(merger.source())
  for (let pushed = 0; pushed < file.length;) {
    pushed += parser.push(file.subarray(pushed, pushed + 10_000))
    // A block, and the beginning of a record that is not yet known to be one.
    expect(pushed - given).toBeLessThan(64 * 1024 + 100)
  }
  parser.finish()
  merger.end()
  // The last block, and the checksum.
  expect(sizes.filter((size) => size < 10_000).length).toBeLessThanOrEqual(2)
  expect(given).toBe(file.length)
})

test('the parts of a split have the version of the file, and all that holds for each of them', () => {
  const library = bytes(0xf5, compressed('f', 90))
  const modules = bytes(0xf7, length(0xffff_ffff_ffff_fc01n), 2, 1, 5, string('m'), 0)
  const file = rdbFile(
    'REDIS0012',
    aux('redis-ver', '8.0.2'),
    aux('redis-bits', '64'),
    aux('used-mem', '12345'),
    aux('repl-id', 'a'.repeat(40)),
    aux('repl-offset', '77'),
    aux('cluster-asm-task', ''),
    modules,
    library,
    bytes(SELECT, 0xfb, 2, 1, 0xf4, length(keySlot(Buffer.from('a'))), 1, 0),
    keyed('a'),
    keyed('b'),
  )
  const top = bytes(aux('redis-ver', '8.0.2'), aux('redis-bits', '64'), modules, library)
  const ofA = keySlot(Buffer.from('a'))
  expect(split(file, 3, (slot) => (slot === ofA ? 0 : 2)).map((part) => part.file)).toEqual([
    rdbFile('REDIS0012', top, SELECT, keyed('a')),
    rdbFile('REDIS0012', top),
    rdbFile('REDIS0012', top, SELECT, keyed('b')),
  ])
})

test.each<[string, RdbHeader]>([
  ['REDIS0013', { format: 'redis', version: 13 }],
  ['VALKEY080', { format: 'valkey', version: 80 }],
])('every type of %s stays as it was', (magic, header) => {
  const mine = SAMPLES.filter((sample) => sample.magic.startsWith('V') === magic.startsWith('V'))
  const file = rdbFile(magic, SELECT, ...mine.map((sample) => sample.record))
  expect(merge([file], { header }, 1).file.equals(file)).toBe(true)
})

const text = fc.oneof(
  fc.uint8Array({ maxLength: 70 }).map((value) => string(Buffer.from(value))),
  fc.integer({ min: -128, max: 127 }).map((value) => bytes(0xc0, value & 255)),
  fc.integer({ min: 11, max: 250 }).map((count) => compressed('c', count)),
)
const values = fc.oneof(
  text.map((value) => ({ type: 0, value })),
  fc
    .array(text, { minLength: 1, maxLength: 70 })
    .map((items) => ({ type: 1, value: bytes(length(items.length), ...items) })),
  fc.constantFrom(20_000, 100_000).map((size) => ({ type: 0, value: string(Buffer.alloc(size, 1)) })),
)
const records = fc.array(
  fc
    .record({ key: text, value: values, end: fc.option(fc.nat()), idle: fc.option(fc.nat(100_000)) })
    .map(({ key, value, end, idle }) =>
      bytes(
        end === null ? '' : bytes(0xfc, int64(end)),
        idle === null ? '' : bytes(0xf8, length(idle)),
        value.type,
        key,
        value.value,
      ),
    ),
  { maxLength: 40 },
)

test('the parts of a split hold exactly the records of their slots, in order and byte for byte', () => {
  const ways = fc.record({ parts: fc.integer({ min: 1, max: 5 }), size: fc.integer({ min: 1, max: 50_000 }) })
  fc.assert(
    fc.property(records, ways, (all, { parts, size }) => {
      const file = rdbFile('REDIS0012', aux('redis-ver', '8.0.2'), functionOf('a'), SELECT, ...all)
      const whole = countsOf(file)
      const expected = recordsOf(file)
      const counted = split(file, parts, (slot) => slot % parts, size).map(({ file: part, merger }, index) => {
        expect(recordsOf(part)).toEqual(expected.filter(({ slot }) => slot % parts === index))
        const counts = merger.tally.counts()
        expect(counts).toEqual(countsOf(part))
        expect(counts).toMatchObject({ functions: whole.functions, functionBytes: whole.functionBytes })
        return counts
      })
      for (const name of ['keys', 'expiring', 'recordBytes'] as const)
        expect(
          counted.reduce((sum, counts) => sum + counts[name], 0),
          name,
        ).toBe(whole[name])
    }),
    { numRuns: 60 },
  )
})
