import fc from 'fast-check'
import { expect, test } from 'vitest'
import { aux, type Bytes, bytes, int64, length, rdbFile, record, string } from '../test/rdb-file.ts'
import { contentDifference } from './content-difference.ts'
import { SLOT_COUNT } from './key-slot.ts'
import { RdbParser } from './rdb-parser.ts'
import { type RdbCounts, RdbTally } from './rdb-tally.ts'
import { packSlotCounts, unpackSlotCounts } from './slot-counts.ts'

function count(...parts: Bytes): RdbCounts {
  const tally = new RdbTally()
  const parser = new RdbParser(tally)
  parser.push(rdbFile('REDIS0012', ...parts))
  parser.finish()
  return tally.counts()
}

const library = bytes(0xf5, string('#!lua name=a'))
const moduleValue = record(7, 'm', length(0xffff_ffff_ffff_fc01n), 0)
const all = [
  aux('redis-ver', '8.0.2'),
  library,
  bytes(0xfe, 0),
  record(0, 'foo', string('1')),
  bytes(0xfc, int64(5), record(0, '{foo}2', string('2'))),
  record(1, 'bar', length(1), string('3')),
]

test('everything that a manifest needs is counted', () => {
  const counts = count(...all, moduleValue)
  const { slots, ...rest } = counts
  expect(rest).toEqual({
    format: 'redis',
    version: 12,
    keys: 4,
    expiring: 1,
    recordBytes: Buffer.concat([...all.slice(3), moduleValue]).length,
    functions: 1,
    functionBytes: library.length,
    types: { list: 1, 'module-2': 1, string: 2 },
    modules: ['_________'],
    size: rdbFile('REDIS0012', ...all, moduleValue).length,
    checksum: expect.stringMatching(/^[0-9a-f]{16}$/),
    checksumSaid: true,
    producer: 'redis 8.0.2',
  })
  expect(Array.from(unpackSlotCounts(slots).entries()).filter(([, keys]) => keys > 0)).toEqual([
    [5061, 1],
    [12_182, 2],
    [15_627, 1],
  ])
  expect(JSON.parse(JSON.stringify(counts))).toEqual(counts)
})

test('nothing is told of a file that was not read to its end', () => {
  const tally = new RdbTally()
  new RdbParser(tally).push(rdbFile('REDIS0012', ...all).subarray(0, -1))
  expect(tally.keys).toBe(3)
  expect(() => tally.counts()).toThrow('not read to its end')
})

test('what is different is told in words', () => {
  const expected = count(...all)
  expect(contentDifference(expected, count(...all))).toEqual([])
  expect(contentDifference(expected, count(aux('redis-ver', '7.4'), ...all.slice(1)))).toEqual([])
  expect(contentDifference(expected, count(...all.slice(1, -2), moduleValue))).toEqual([
    'keys: 3 expected, 2 found',
    'keys that end: 1 expected, 0 found',
    'bytes of keys and values: 34 expected, 20 found',
    'keys of type list: 1 expected, 0 found',
    'keys of type module-2: 0 expected, 1 found',
    'keys of type string: 2 expected, 1 found',
    'types of modules: none expected, _________ found',
    'keys in slot 5061: 1 expected, 0 found',
    'keys in slot 12182: 2 expected, 1 found',
    'keys in slot 15627: 0 expected, 1 found',
  ])
  expect(contentDifference(expected, count(...all.filter((part) => part !== library)))).toEqual([
    'libraries of functions: 1 expected, 0 found',
    'bytes of functions: 14 expected, 0 found',
  ])
  expect(contentDifference(expected, { ...expected, format: 'valkey', version: 80 })).toEqual([
    'format: redis expected, valkey found',
    'RDB version: 12 expected, 80 found',
  ])
  const many = count(...Array.from({ length: 30 }, (_, index) => record(0, `${index}`, string(''))))
  expect(contentDifference(count(), many).at(-1)).toBe('and 20 more slots')
  // Every field that is compared, so that a new one is not forgotten.
  for (const name of Object.keys(expected) as (keyof RdbCounts)[]) {
    if (['size', 'checksum', 'checksumSaid', 'producer'].includes(name)) continue
    expect(contentDifference(expected, { ...expected, [name]: many[name] }), name).toEqual(
      expected[name] === many[name] || name === 'modules' ? [] : expect.arrayContaining([expect.any(String)]),
    )
  }
})

test('the counts of slots survive being written down', () => {
  const sparse = fc.dictionary(fc.nat(SLOT_COUNT - 1).map(String), fc.nat(0xffff_ffff), { maxKeys: 300 })
  fc.assert(
    fc.property(sparse, (dictionary) => {
      const counts = new Uint32Array(SLOT_COUNT)
      for (const [slot, keys] of Object.entries(dictionary)) counts[Number(slot)] = keys
      expect(unpackSlotCounts(packSlotCounts(counts))).toEqual(counts)
    }),
  )
  expect(packSlotCounts(new Uint32Array(SLOT_COUNT)).length).toBeLessThan(10)
  expect(packSlotCounts(new Uint32Array(SLOT_COUNT).fill(1_000)).length).toBeLessThan(45_000)
})

test.each(['', 'AA==', 'AAAA', Buffer.from(`${packSlotCounts(new Uint32Array(SLOT_COUNT))}AAAA`).toString()])(
  'counts of slots that are none are refused: %j',
  (text) => {
    expect(() => unpackSlotCounts(text)).toThrow('slots')
  },
)
