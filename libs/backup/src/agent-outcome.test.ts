import { expect, test } from 'vitest'
import { streamedOf } from './agent-outcome.ts'
import type { AgentRun } from './backup-case.ts'

const run: AgentRun = {
  job: 'orders-1-store-1',
  uid: 'u',
  step: 'store',
  attempt: 1,
  state: 'running',
  report: null,
  isStopping: false,
  isGone: false,
}

test('how far an agent is: what has come of a shard, of how much', () => {
  const progress = { shards: [{ shard: 1, bytes: 10, keys: 2, ofKeys: 3, done: false }] }
  expect(streamedOf({ ...run, progress }, 1)).toEqual({ streamedBytes: 10, streamedKeys: 2, expectedKeys: 3 })
  expect(streamedOf({ ...run, progress }, 0)).toEqual({})
  expect(streamedOf(undefined, 0)).toEqual({})
})

test('an agent of an older version says of nothing how much there is', () => {
  const progress = { shards: [{ shard: 0, bytes: 10, keys: 2, done: false }] }
  expect(streamedOf({ ...run, progress }, 0)).toEqual({ streamedBytes: 10, streamedKeys: 2 })
})
