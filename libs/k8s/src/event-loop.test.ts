import { expect, test, vi } from 'vitest'
import { watchEventLoop } from './event-loop.ts'

test('a process that stood still is told so, once', async () => {
  const stop = new AbortController()
  const lost: number[] = []
  watchEventLoop({ onJump: ({ lostMs }) => lost.push(lostMs), thresholdMs: 500, signal: stop.signal })
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_000)
  await vi.waitFor(() => expect(lost).toHaveLength(1), { timeout: 5_000, interval: 10 })
  expect(lost[0]).toBeGreaterThan(500)
  stop.abort()
})
