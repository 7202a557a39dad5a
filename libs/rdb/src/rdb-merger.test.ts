import { expect, test } from 'vitest'
import { SAMPLES } from '../test/every-type.ts'
import { aux, bytes, length, rdbFile, read, record, string } from '../test/rdb-file.ts'
import { keySlot } from './key-slot.ts'
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

const functionOf = (name: string): Buffer => bytes(0xf5, string(`#!lua name=${name}`))
const keyed = (key: string, value = 'v'): Buffer => record(0, key, string(value))
const countsOf = (file: Buffer) => {
  const tally = new RdbTally()
  const parser = new RdbParser(tally)
  parser.push(file)
  parser.finish()
  return tally.counts()
}

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
  ['slots on their way', rdbFile('REDIS0012', aux('cluster-asm-task', 'task'), SELECT), 'slots'],
  ['a file that ends early', rdbFile('REDIS0012', SELECT, keyed('1')).subarray(0, -9), 'truncated'],
])('refused: %s', (_what, file, kind) => {
  expect(() => merge([rdbFile('REDIS0012', SELECT, keyed('0')), file])).toThrow(expect.objectContaining({ kind }))
})
