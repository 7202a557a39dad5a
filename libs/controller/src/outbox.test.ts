import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Committed, EventBody } from './contract.ts'
import { inSpills, nextRuntimeStatus, outboxBounds, sameStatus } from './outbox.ts'

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
        // What collects has bounds; the events of one decision are never parted.
        if (outbox.length > events.length) {
          expect(outbox.length).toBeLessThanOrEqual(outboxBounds.entries)
          expect(sizeOf(outbox)).toBeLessThanOrEqual(outboxBounds.bytes)
        }
        status = next.status
      }
    }),
    { numRuns: 200 },
  )
  expect(full).toBeGreaterThan(10)
})

test('one decision always fits into an empty outbox, whole, however large the cluster is', () => {
  const joined = { type: 'MemberJoined', data: { message: 'It joined.', address: 'x'.repeat(500) } }
  const most = nextRuntimeStatus(null, Array(1_000).fill(joined), writing)
  if (most.full) throw new Error('there was no room')
  expect(most.status.outbox).toHaveLength(1_000)
  expect(most.status.outbox.every(({ data }) => data['address'] === joined.data.address)).toBe(true)
  // Beyond what etcd takes details go, types stay.
  const beyond = nextRuntimeStatus(null, Array(3_000).fill(joined), writing)
  if (beyond.full) throw new Error('there was no room')
  expect(sizeOf(beyond.status.outbox)).toBeLessThan(2 ** 20)
  expect(beyond.status.outbox[2_999]).toMatchObject({
    seq: 3_000,
    type: 'MemberJoined',
    data: { message: 'It joined.' },
  })
})

test('what is spilled keeps its order and its content, in pieces that a ConfigMap takes', () => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 60 }), fc.integer({ min: 1, max: 5_000 }), (events, spillBytes) => {
      const next = nextRuntimeStatus(null, events, writing)
      if (next.full) throw new Error('there was no room')
      const { outbox } = next.status
      const pieces = inSpills(outbox, { spillBytes })
      expect(pieces.flat()).toEqual(outbox)
      for (const piece of pieces) {
        expect(piece.length).toBeGreaterThan(0)
        if (piece.length > 1)
          expect(piece.reduce((sum, entry) => sum + sizeOf(entry), 0)).toBeLessThanOrEqual(spillBytes)
      }
    }),
  )
})

test('two statuses are the same whatever the order of keys and the runtime part', () => {
  expect(sameStatus({ a: [{ x: 1, y: undefined }], b: null, outbox: [1] }, { b: null, a: [{ x: 1 }] })).toBe(true)
  expect(sameStatus({ a: 1 }, { a: 1, b: null })).toBe(false)
  expect(sameStatus({ a: [1, 2] }, { a: [2, 1] })).toBe(false)
  expect(sameStatus(null, {})).toBe(false)
})
