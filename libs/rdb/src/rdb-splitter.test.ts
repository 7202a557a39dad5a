import fc from 'fast-check'
import { expect, test } from 'vitest'
import { SAMPLES } from '../test/every-type.ts'
import { aux, bytes, compressed, int64, length, rdbFile, read, record, string } from '../test/rdb-file.ts'
import { contentDifference, sumOfContents } from './content-difference.ts'
import { keySlot } from './key-slot.ts'
import { RdbError } from './rdb-error.ts'
import { tee } from './rdb-listener.ts'
import { RdbParser } from './rdb-parser.ts'
import { RdbSplitter } from './rdb-splitter.ts'
import { RdbTally } from './rdb-tally.ts'

/** The parts of a file, the counts of each, and those of the whole. */
function split(file: Buffer, parts: number, partOf: (slot: number) => number | null, size = file.length) {
  const written = Array.from({ length: parts }, (): Buffer[] => [])
  const splitter = new RdbSplitter({ parts, partOf, write: (part, slice) => void written[part]?.push(slice) })
  const tally = new RdbTally()
  const parser = new RdbParser(tee(tally, splitter))
  for (let at = 0; at < file.length; at += size) parser.push(file.subarray(at, at + size))
  parser.finish()
  return { files: written.map((slices) => Buffer.concat(slices)), splitter, whole: tally.counts(), written }
}

const recordsOf = (file: Buffer): readonly { readonly slot: number; readonly bytes: string }[] =>
  read(file).told.flatMap(({ what, bytes: own }) =>
    (what as { key?: string }).key === undefined ? [] : [{ slot: (what as { slot: number }).slot, bytes: own }],
  )

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

test('the parts hold exactly the records of their slots, in order and byte for byte', () => {
  const ways = fc.record({ parts: fc.integer({ min: 1, max: 5 }), size: fc.integer({ min: 1, max: 50_000 }) })
  fc.assert(
    fc.property(records, ways, (all, { parts, size }) => {
      const file = rdbFile('REDIS0012', aux('redis-ver', '8.0.2'), bytes(0xf5, string('code'), 0xfe, 0), ...all)
      // One part more than there is, for what is left out.
      const partOf = (slot: number): number | null => (slot % (parts + 1) === parts ? null : slot % (parts + 1))
      const { files, splitter, whole } = split(file, parts, partOf, size)
      const expected = recordsOf(file)
      files.forEach((part, index) => {
        expect(recordsOf(part)).toEqual(expected.filter(({ slot }) => slot % (parts + 1) === index))
        const tally = new RdbTally()
        const parser = new RdbParser(tally)
        parser.push(part)
        parser.finish()
        expect(splitter.tallies[index]?.counts()).toEqual(tally.counts())
      })
      expect(splitter.leftOut).toBe(expected.filter(({ slot }) => slot % (parts + 1) === parts).length)
      if (splitter.leftOut === 0)
        expect(contentDifference(whole, sumOfContents(splitter.tallies.map((tally) => tally.counts())))).toEqual([])
    }),
    { numRuns: 60 },
  )
})

test('a part is a file of the same version with what holds for it too', () => {
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
    bytes(0xfe, 0, 0xfb, 2, 1, 0xf4, length(keySlot(Buffer.from('a'))), 1, 0),
    record(0, 'a', string('1')),
    record(0, 'b', string('2')),
  )
  const top = bytes(aux('redis-ver', '8.0.2'), aux('redis-bits', '64'), modules, library)
  const ofA = keySlot(Buffer.from('a'))
  const { files } = split(file, 3, (slot) => (slot === ofA ? 0 : 2))
  expect(files).toEqual([
    rdbFile('REDIS0012', top, 0xfe, 0, record(0, 'a', string('1'))),
    rdbFile('REDIS0012', top),
    rdbFile('REDIS0012', top, 0xfe, 0, record(0, 'b', string('2'))),
  ])
})

test.each(['REDIS0013', 'VALKEY080'])('a part of %s has every type as it was', (magic) => {
  const mine = SAMPLES.filter((sample) => sample.magic.startsWith('V') === magic.startsWith('V'))
  const file = rdbFile(magic, 0xfe, 0, ...mine.map((sample) => sample.record))
  expect(split(file, 1, () => 0, 1).files[0]?.equals(file)).toBe(true)
})

test('it holds no more than a block for each part, and writes no small pieces', () => {
  const small = Array.from({ length: 20_000 }, (_, index) => record(0, `key ${index}`, string('v'.repeat(index % 60))))
  const large = record(0, 'large', string(Buffer.alloc(2 ** 20)))
  const file = rdbFile('REDIS0012', 0xfe, 0, ...small, large)
  let pushed = 0
  let given = 0
  const sizes: number[] = []
  const splitter = new RdbSplitter({
    parts: 2,
    partOf: (slot) => slot % 2,
    write: (_part, slice) => {
      given += slice.length
      sizes.push(slice.length)
    },
  })
  const parser = new RdbParser(splitter)
  for (; pushed < file.length; pushed += 10_000) {
    parser.push(file.subarray(pushed, pushed + 10_000))
    // Two blocks, and what both parts have once.
    expect(pushed - given).toBeLessThan(2 * 64 * 1024 + 100)
  }
  expect(sizes.filter((size) => size < 10_000).length).toBeLessThanOrEqual(8)
})

test.each<[string, Buffer]>([
  ['Valkey', rdbFile('VALKEY080', bytes(0xf3, string('j'.repeat(40)), 1, length(100), length(200)), 0xfe, 0)],
  ['Redis', rdbFile('REDIS0012', aux('cluster-asm-task', 'task'), 0xfe, 0)],
])('a file of %s that was written while slots moved in is not split, but can be read', (_engine, file) => {
  expect(read(file, [1]).end?.size).toBe(file.length)
  const error = catchError(() => split(file, 1, () => 0))
  expect(error).toMatchObject({ kind: 'slots', offset: 9 })
})

test('keys of other databases are not split', () => {
  const splitter = new RdbSplitter({ parts: 1, partOf: () => 0, write: () => undefined })
  const parser = new RdbParser(splitter, { allowDatabases: true })
  const error = catchError(() => parser.push(rdbFile('REDIS0012', 0xfe, 1, record(0, 'k', string('v')))))
  expect(error).toMatchObject({ kind: 'database', offset: 11 })
})

test('the parts of a broken file have no end', () => {
  const file = rdbFile('REDIS0012', 0xfe, 0, record(0, 'k', string('v'.repeat(50_000))))
  file[100] = 0
  const slices: Buffer[] = []
  const parser = new RdbParser(
    new RdbSplitter({ parts: 1, partOf: () => 0, write: (_part, slice) => void slices.push(slice) }),
  )
  expect(catchError(() => parser.push(file))).toMatchObject({ kind: 'checksum' })
  expect(catchError(() => read(Buffer.concat(slices)))).toMatchObject({ kind: 'truncated' })
})

test('a part that there is not is refused at once', () => {
  expect(() => new RdbSplitter({ parts: 2, partOf: (slot) => (slot === 9 ? 2 : 0), write: () => undefined })).toThrow(
    'slot 9 goes to part 2 of 2',
  )
})

function catchError(run: () => unknown): RdbError | undefined {
  try {
    run()
    return undefined
  } catch (error) {
    if (error instanceof RdbError) return error
    throw error
  }
}
