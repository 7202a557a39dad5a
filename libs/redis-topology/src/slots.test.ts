import fc from 'fast-check'
import { expect, test } from 'vitest'
import { common, evenRanges, formatRanges, normalise, parseRanges, SLOT_COUNT, slotCount, uncovered } from './slots.ts'

test('three shards split as redis-cli does', () => {
  expect(evenRanges(3).map((range) => formatRanges([range]))).toEqual(['0-5460', '5461-10922', '10923-16383'])
})

test('any number of shards covers every slot once, evenly', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 200 }), (shards) => {
      const ranges = evenRanges(shards)
      const sizes = ranges.map((range) => slotCount([range]))
      expect(slotCount(ranges)).toBe(SLOT_COUNT)
      expect(uncovered(ranges)).toEqual([])
      expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1)
    }),
  )
})

const ranges = fc
  .array(fc.tuple(fc.integer({ min: 0, max: SLOT_COUNT - 1 }), fc.integer({ min: 0, max: 40 })), { maxLength: 20 })
  .map((pairs) => normalise(pairs.map(([first, size]) => ({ first, last: Math.min(SLOT_COUNT - 1, first + size) }))))

test('text and ranges say the same', () => {
  fc.assert(
    fc.property(ranges, (some) => {
      expect(parseRanges(formatRanges(some))).toEqual(some)
    }),
  )
})

test('covered and uncovered make a whole', () => {
  fc.assert(
    fc.property(ranges, (some) => {
      expect(slotCount(some) + slotCount(uncovered(some))).toBe(SLOT_COUNT)
    }),
  )
})

test('what is in both is in each, and what each lacks it lacks', () => {
  fc.assert(
    fc.property(ranges, ranges, (some, others) => {
      const outside = [...uncovered(some), ...uncovered(others)]
      expect(formatRanges(common(some, others))).toBe(formatRanges(uncovered(outside)))
    }),
  )
})
