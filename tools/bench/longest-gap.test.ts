import { expect, test } from 'vitest'
import { longestGap } from './longest-gap.ts'

test('a gap counts from the last moment before, and to the end when nothing follows', () => {
  expect(longestGap([0, 100, 110, 120], 115, 130)).toBe(10)
  expect(longestGap([0, 10, 20, 900, 910], 15, 920)).toBe(880)
  expect(longestGap([0, 10], 5, 500)).toBe(490)
})

test('what was before does not count, nor what is missing of the first gap', () => {
  expect(longestGap([0, 700, 710], 705, 715)).toBe(10)
  expect(longestGap([], 5, 50)).toBe(45)
  expect(longestGap([40], 5, 50)).toBe(35)
})
