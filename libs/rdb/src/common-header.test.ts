import fc from 'fast-check'
import { expect, test } from 'vitest'
import { commonHeader } from './common-header.ts'
import { canLoad, type RdbTarget } from './load-compatibility.ts'
import type { RdbHeader } from './rdb-listener.ts'

const redis = (version: number): RdbHeader => ({ format: 'redis', version })
const valkey = (version: number): RdbHeader => ({ format: 'valkey', version })

test.each([
  ['none', [], null],
  ['one', [redis(12)], redis(12)],
  ['the later of two', [redis(10), redis(12), redis(11)], redis(12)],
  ['Valkey reads what Redis 7.2 wrote', [redis(11), valkey(80), redis(10)], valkey(80)],
  ['and nothing that Redis wrote later', [redis(11), redis(12), valkey(80)], null],
])('%s', (_what, headers, expected) => {
  expect(commonHeader(headers)).toEqual(expected)
})

const TARGETS: readonly RdbTarget[] = [
  { engine: 'redis', version: '7.0.15' },
  { engine: 'redis', version: '7.2.4' },
  { engine: 'redis', version: '8.0.2' },
  { engine: 'redis', version: '8.10.0' },
  { engine: 'valkey', version: '8.1.1' },
  { engine: 'valkey', version: '9.1.0' },
]

test('whoever loads each of several files loads one of them all', () => {
  const header = fc.oneof(fc.integer({ min: 9, max: 15 }).map(redis), fc.constant(valkey(80)))
  fc.assert(
    fc.property(fc.array(header, { minLength: 1, maxLength: 5 }), fc.constantFrom(...TARGETS), (headers, target) => {
      const loads = (one: RdbHeader): boolean => canLoad({ ...one, modules: [] }, target).loads
      const common = commonHeader(headers)
      if (headers.every(loads)) expect(common !== null && loads(common)).toBe(true)
      else if (common !== null) expect(loads(common)).toBe(false)
    }),
  )
})
