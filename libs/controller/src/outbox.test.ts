import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Committed, EventBody } from './contract.ts'
import { nextRuntimeStatus, outboxBounds, sameStatus } from './outbox.ts'

const writing = { now: 1_000_000, epoch: 4, holder: 'me', generation: 2, published: 0 }
const event = fc.record({
  type: fc.constantFrom('StateChanged', 'PrimaryLost'),
  data: fc.dictionary(
    fc.string({ minLength: 1, maxLength: 12 }),
    fc.oneof(fc.string({ maxLength: 900 }), fc.array(fc.string({ maxLength: 60 }), { maxLength: 30 }), fc.integer()),
    { maxKeys: 8 },
  ),
}) satisfies fc.Arbitrary<EventBody>
const sizeOf = (value: unknown) => new TextEncoder().encode(JSON.stringify(value)).length

test('sequences have no gaps, times never go back, bounds hold, nothing that waits is dropped', () => {
  let full = 0
  const commit = fc.record({ events: fc.array(event, { maxLength: 9 }), published: fc.nat(6), now: fc.nat(5_000) })
  fc.assert(
    fc.property(fc.array(commit, { minLength: 8, maxLength: 14 }), (commits) => {
      let status: Committed['status'] = null
      for (const { events, published, now } of commits) {
        const next = nextRuntimeStatus(status, events, { ...writing, now: writing.now + now, published })
        if (next.full) {
          full += 1
          expect(status?.outbox.length).toBeGreaterThan(0)
          continue
        }
        const { lifecycle, outbox } = next.status
        expect(lifecycle.seq).toBe((status?.lifecycle.seq ?? 0) + events.length)
        expect(lifecycle.published).toBeLessThanOrEqual(lifecycle.seq)
        expect(lifecycle.life).toBe(status?.lifecycle.life ?? writing.now + now)
        expect(outbox.map((entry) => entry.seq)).toEqual(
          Array.from({ length: lifecycle.seq - lifecycle.published }, (_, index) => lifecycle.published + index + 1),
        )
        outbox.forEach((entry, index) => expect(entry.time >= (outbox[index - 1]?.time ?? '')).toBe(true))
        outbox.forEach((entry) => expect(sizeOf(entry.data)).toBeLessThanOrEqual(outboxBounds.dataBytes))
        expect(outbox.length).toBeLessThanOrEqual(outboxBounds.entries)
        expect(sizeOf(outbox)).toBeLessThanOrEqual(outboxBounds.bytes)
        status = next.status
      }
    }),
    { numRuns: 200 },
  )
  expect(full).toBeGreaterThan(10)
})

test('one decision always fits into an empty outbox: details go, types stay', () => {
  const events = Array.from({ length: 60 }, () => ({
    type: 'MemberJoined',
    data: { message: 'It joined.', address: 'x'.repeat(600) },
  }))
  const next = nextRuntimeStatus(null, events, writing)
  expect(next.full).toBe(false)
  if (next.full) return
  expect(next.status.outbox).toHaveLength(60)
  expect(next.status.outbox[59]).toMatchObject({ seq: 60, type: 'MemberJoined', data: { message: 'It joined.' } })
})

test('two statuses are the same whatever the order of keys and the runtime part', () => {
  expect(sameStatus({ a: [{ x: 1, y: undefined }], b: null, outbox: [1] }, { b: null, a: [{ x: 1 }] })).toBe(true)
  expect(sameStatus({ a: 1 }, { a: 1, b: null })).toBe(false)
  expect(sameStatus({ a: [1, 2] }, { a: [2, 1] })).toBe(false)
  expect(sameStatus(null, {})).toBe(false)
})
