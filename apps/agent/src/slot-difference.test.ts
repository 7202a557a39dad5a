import { expect, test } from 'vitest'
import { slotDifference } from './slot-difference.ts'

test.each([
  ['all are there', [2, 0, 3], 0, null],
  ['one has expired', [1, 0, 3], 1, null],
  ['one is missing', [1, 0, 3], 0, '1 keys are missing in their slots, of which 0 expired'],
  ['more are missing than have expired', [0, 0, 0], 4, '5 keys are missing in their slots, of which 4 expired'],
  ['one is in another slot', [2, 1, 2], 1, 'slot 1: 0 keys expected, 1 found'],
])('%s', (_what, found, expired, words) => {
  expect(slotDifference([2, 0, 3], found, { expired })).toBe(words)
})

test('hashes may go with their last field, and no more than there are', () => {
  expect(slotDifference([2, 0, 3], [1, 0, 1], { expired: 1, endingHashes: 2 })).toBeNull()
  expect(slotDifference([2, 0, 3], [0, 0, 1], { expired: 1, endingHashes: 2 })).toBe(
    '4 keys are missing in their slots, of which 1 expired, and 2 hashes have fields that end',
  )
})
