import type { Contact, Member, PodView } from '@slotkeeper/redis-topology'
import { expect, test } from 'vitest'
import { waitingShards } from './waiting-shards.ts'

const NOW = Date.parse('2026-11-22T10:00:00Z')
const kube = { uid: 'u', deleting: false, ready: false, running: true, terminated: [], restarts: 1 } as const
const refused: Contact = { type: 'refused' }

function member(shard: number, index: number, change: { contact?: Contact; kube?: Partial<PodView> } = {}): Member {
  const { contact = refused } = change
  const view = { ...kube, runningSince: NOW - 31_000, ...change.kube }
  return { pod: `orders-${shard}-${index}`, shard, index, kube: view, contact }
}

const found = (...members: readonly Member[]) => waitingShards(members, { nodeTimeoutMs: 5_000 }, true, NOW)

test('a shard of which every member runs and keeps its port closed waits for a person, who is told where to look', () => {
  const up: Contact = { type: 'loading' }
  const [finding, ...others] = found(member(0, 0), member(0, 1), member(1, 0, { contact: up }), member(1, 1))
  expect(others).toEqual([])
  expect(finding).toMatchObject({ type: 'Blocked', reason: 'DataMissing', about: 'shard 0' })
  expect(finding?.message).toMatch(/orders-0-0, orders-0-1 .* logs/)
})

test.each([
  ['one of them answers', { contact: { type: 'loading' } }],
  ['of one nothing is heard', { contact: { type: 'silent', message: 'no answer' } }],
  ['one has only just been started', { kube: { runningSince: NOW - 5_000 } }],
  ['one does not run', { kube: { runningSince: undefined } }],
] as const)('not while %s', (_why, change) => {
  expect(found(member(0, 0), member(0, 1, change as Parameters<typeof member>[2]))).toEqual([])
})

test('before a cluster that began with data was whole, one that waits is enough, and it alone is named', () => {
  const up: Contact = { type: 'loading' }
  const members = [member(0, 0), member(0, 1, { contact: up }), member(1, 0, { contact: up })]
  const [finding, ...others] = waitingShards(
    members,
    { nodeTimeoutMs: 5_000, bootstrap: { adoptVolumes: { uid: 'a' } } },
    false,
    NOW,
  )
  expect(others).toEqual([])
  expect(finding?.message).toMatch(/^shard 0: orders-0-0 run/)
})

test('the guards explain themselves after three times the node timeout: before that nobody is called', () => {
  expect(waitingShards([member(0, 0)], { nodeTimeoutMs: 10_000 }, true, NOW)).toEqual([])
  expect(waitingShards([member(0, 0)], { nodeTimeoutMs: 7_000 }, true, NOW)).toHaveLength(1)
})
