import { expect, test } from 'vitest'
import { figureTable } from './figure-table.ts'
import type { Figure } from './scenario.ts'
import { summaryOf } from './summary.ts'

const ratioTo = (most: number): Figure => ({
  what: 'forming',
  unit: 'ms',
  ours: [600, 500, 700],
  reference: { name: 'floor', samples: [400, 500] },
  target: { most, of: 'ratio' },
})

test('samples are summed up by values that occurred, the median of an even number aside', () => {
  expect(summaryOf([3, 1, 2])).toEqual({ count: 3, min: 1, median: 2, p99: 3, max: 3 })
  expect(summaryOf([4, 1, 2, 3]).median).toBe(2.5)
  const hundred = Array.from({ length: 100 }, (_, index) => index + 1)
  expect(summaryOf(hundred).p99).toBe(99)
  expect(summaryOf([...hundred, 1_000]).p99).toBe(100)
  expect(() => summaryOf([])).toThrow('no samples')
})

test('a figure is told with its spread, its reference, their ratio and what was to be reached', () => {
  expect(figureTable([ratioTo(1.4)]).split('\n')).toEqual([
    '| what | samples | ours | reference | ratio | to reach | reached |',
    '| --- | --- | --- | --- | --- | --- | --- |',
    '| forming | 3 | **600 ms** (500 to 700) | floor **450 ms** (400 to 500) | 1.33 x | at most 1.40 x of floor | yes |',
  ])
  expect(figureTable([ratioTo(1.3)])).toContain('| at most 1.30 x of floor | no |')
})

test('a figure by its 99th percentile is judged by that, and columns that nothing fills are left out', () => {
  const late: Figure = { what: 'late', unit: 'ms', ours: [1, 2, 60], target: { most: 50, of: 'ours' }, at: 'p99' }
  expect(figureTable([late]).split('\n')).toEqual([
    '| what | samples | ours | to reach | reached |',
    '| --- | --- | --- | --- | --- |',
    '| late | 3 | p99 **60 ms** (median 2.0, max 60) | at most 50 ms | no |',
  ])
  expect(figureTable([{ what: 'once', unit: 's', ours: [6.271] }])).toContain('| once | 1 | **6.27 s** |')
})

test('there is no ratio to a reference of nothing', () => {
  const none: Figure = { what: 'failed', unit: 'calls', ours: [0], reference: { name: 'without', samples: [0] } }
  expect(figureTable([none]).split('\n').at(-1)).toBe('| failed | 1 | **0 calls** | without **0 calls** |')
})

test('of a rate the least is to be reached', () => {
  const rate = (...ours: readonly number[]): string =>
    figureTable([{ what: 'loaded', unit: 'M keys/s', ours, target: { least: 0.6, of: 'ours' } }])
  expect(rate(0.611)).toContain('| loaded | 1 | **0.61 M keys/s** | at least 0.6 M keys/s | yes |')
  expect(rate(0.1, 0.59, 0.9)).toContain('| at least 0.6 M keys/s | no |')
})
