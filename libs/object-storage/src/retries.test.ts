import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { isBusyStatus, isPassing, Retries, retryAfterMs } from './retries.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['Date', 'performance'] }))
afterEach(() => void vi.useRealTimers())

const failed = { isBusy: false, retryAfterMs: 0 }
const busy = { isBusy: true, retryAfterMs: 0 }

/** Pauses after one failed try after another, each waited for, until there is none. */
function pausesOf(retries: Retries, failure: typeof busy): readonly number[] {
  const pauses: number[] = []
  for (let pause = retries.pauseAfter(failure); pause !== null; pause = retries.pauseAfter(failure)) {
    pauses.push(pause)
    vi.advanceTimersByTime(pause)
  }
  return pauses
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0)

test.each([
  [undefined, 0],
  ['', 0],
  ['soon', 0],
  ['-5', 0],
  ['0', 0],
  [' 7 ', 7_000],
  ['Sun, 22 Nov 2026 10:00:09 GMT', 9_000],
  ['Sun, 22 Nov 2026 09:00:00 GMT', 0],
])('Retry-After %j is %i ms', (header, ms) => {
  vi.setSystemTime(new Date('2026-11-22T10:00:00Z'))
  expect(retryAfterMs(header)).toBe(ms)
})

test('what passes, and what is busy, by its status', () => {
  const statuses = [200, 400, 403, 404, 408, 409, 412, 429, 500, 501, 502, 503, 504, 507]
  expect(statuses.filter(isPassing)).toEqual([408, 429, 500, 502, 503, 504])
  expect(statuses.filter(isBusyStatus)).toEqual([429, 503])
})

test('other faults have their number of tries, with growing pauses', () => {
  const pauses = pausesOf(new Retries({ tries: 4, busyMs: 60_000 }), failed)
  expect(pauses).toHaveLength(3)
  expect(sum(pauses)).toBeLessThanOrEqual(3_500)
  expect(pauses).toEqual(pauses.toSorted((one, other) => one - other))
})

test('a busy server is asked for about a minute, and no longer', () => {
  for (const tries of [1, 4]) {
    const pauses = pausesOf(new Retries({ tries, busyMs: 60_000 }), busy)
    expect(sum(pauses)).toBeGreaterThanOrEqual(60_000)
    expect(sum(pauses)).toBeLessThanOrEqual(68_000)
    expect(Math.max(...pauses)).toBeLessThanOrEqual(8_000)
  }
})

test('it is left alone as long as it asks, a minute in all at most', () => {
  expect(new Retries({ tries: 2, busyMs: 60_000 }).pauseAfter({ isBusy: true, retryAfterMs: 5_000 })).toBe(5_000)
  const pauses = pausesOf(new Retries({ tries: 4, busyMs: 60_000 }), { isBusy: true, retryAfterMs: 600_000 })
  expect(pauses[0]).toBeCloseTo(60_000, 0)
  expect(sum(pauses)).toBeLessThanOrEqual(68_000)
})

test('patience that is none is a number of tries', () => {
  expect(pausesOf(new Retries({ tries: 2, busyMs: 0 }), { isBusy: true, retryAfterMs: 9_000 })).toHaveLength(1)
})
