import { expect, test } from 'vitest'
import { repeats } from './repeats.ts'

test('a place that comes again, at once or in turn, is told; new ones never are', () => {
  const isRepeated = repeats()
  expect(Array.from({ length: 1_000 }, (_, index) => isRepeated(`m${index}`))).not.toContain(true)
  expect(isRepeated('m999')).toBe(true)
  const alternating = repeats()
  expect(['a', 'b', 'a'].map(alternating)).toEqual([false, false, true])
})
