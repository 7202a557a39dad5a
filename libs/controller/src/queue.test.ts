import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createBackoff } from './backoff.ts'
import { createQueue, nameOf } from './queue.ts'

const keyOf = (name: number) => ({ namespace: 'n', name: String(name) })
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** A queue whose time stands still until told and whose work ends when told. */
function aQueue(concurrency = 8) {
  let now = 0
  let timers: { at: number; run: () => void }[] = []
  const ends = new Map<string, (again: number | null) => void>()
  const started: string[] = []
  const queue = createQueue({
    clock: { now: () => now },
    timers: {
      after: (ms, run) => {
        const timer = { at: now + ms, run }
        timers.push(timer)
        return () => void (timers = timers.filter((other) => other !== timer))
      },
    },
    concurrency,
    work: (key) => {
      expect(ends.has(nameOf(key))).toBe(false)
      started.push(key.name)
      return new Promise((resolve) => ends.set(nameOf(key), resolve))
    },
  })
  const end = async (name: number, again: number | null = null) => {
    ends.get(nameOf(keyOf(name)))?.(again)
    ends.delete(nameOf(keyOf(name)))
    await turn()
  }
  const pass = (ms: number) => {
    now += ms
    for (const timer of timers.filter((other) => other.at <= now)) {
      timers = timers.filter((other) => other !== timer)
      timer.run()
    }
  }
  return { queue, started, ends, end, pass, timers: () => timers.length }
}

test('a key waits once, and is looked at once more when it was woken during its work', async () => {
  const { queue, started, end } = aQueue(1)
  queue.add(keyOf(0))
  for (let i = 0; i < 3; i += 1) queue.add(keyOf(1))
  for (let i = 0; i < 3; i += 1) queue.add(keyOf(0))
  await end(0)
  await end(1)
  await end(0)
  expect(started).toEqual(['0', '1', '0'])
  expect(queue.size()).toEqual({ due: 0, working: 0 })
})

test('of two agreed times the earlier holds, and a wake-up voids both', async () => {
  const { queue, started, end, pass, timers } = aQueue()
  queue.addAfter(keyOf(1), 1_000)
  queue.addAfter(keyOf(1), 5_000)
  queue.addAfter(keyOf(1), 100)
  expect(timers()).toBe(1)
  pass(100)
  expect(started).toEqual(['1'])
  await end(1, 300)
  queue.add(keyOf(1))
  expect(timers()).toBe(0)
  await end(1)
  expect(started).toEqual(['1', '1'])
})

test('a drained queue starts nothing more and waits for what is under way', async () => {
  const { queue, started, end, timers } = aQueue(1)
  queue.add(keyOf(1))
  queue.add(keyOf(2))
  queue.addAfter(keyOf(3), 10)
  let drained = false
  const done = queue.drain().then(() => (drained = true))
  await turn()
  expect(drained).toBe(false)
  await end(1, 50)
  await done
  queue.add(keyOf(4))
  expect(started).toEqual(['1'])
  expect(timers()).toBe(0)
})

test('laws: never two workers for a key, never more than the limit, no wake-up is lost', async () => {
  const step = fc.oneof(
    fc.record({ type: fc.constantFrom('add' as const, 'end' as const), key: fc.nat(11) }),
    fc.record({ type: fc.constantFrom('later' as const, 'pass' as const), key: fc.nat(11), ms: fc.nat(500) }),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), fc.integer({ min: 1, max: 4 }), async (steps, limit) => {
      const { queue, started, ends, end, pass } = aQueue(limit)
      const owed = new Set<string>()
      let seen = 0
      const settle = () => {
        for (; seen < started.length; seen += 1) owed.delete(started[seen]!)
        expect(queue.size().working).toBeLessThanOrEqual(limit)
        expect(ends.size).toBe(queue.size().working)
      }
      for (const next of steps) {
        settle()
        if (next.type === 'add' || next.type === 'later') owed.add(String(next.key))
        if (next.type === 'add') queue.add(keyOf(next.key))
        if (next.type === 'later') queue.addAfter(keyOf(next.key), next.ms)
        if (next.type === 'end') await end(next.key)
        if (next.type === 'pass') pass(next.ms)
      }
      for (let rounds = 0; rounds < 40; rounds += 1) {
        pass(500)
        const working = Array.from(ends.keys())
        for (const name of working) await end(Number(name.slice(2)))
        settle()
      }
      expect([...owed]).toEqual([])
    }),
    { numRuns: 300 },
  )
})

test('backoff doubles per key up to the limit, jitter stays between half and all of it, success starts anew', () => {
  const waits = (jitter: number) => {
    const backoff = createBackoff({ baseMs: 200, maxMs: 1_000, jitter: () => jitter })
    const answers = [1, 2, 3, 4].map(() => backoff.next(keyOf(1)))
    expect(backoff.next(keyOf(2))).toBe(answers[0])
    backoff.reset(keyOf(1))
    expect(backoff.next(keyOf(1))).toBe(answers[0])
    return answers
  }
  expect(waits(1)).toEqual([200, 400, 800, 1_000])
  expect(waits(0)).toEqual([100, 200, 400, 500])
})
