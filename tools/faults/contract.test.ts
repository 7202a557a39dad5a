import type { Entry, ReadBack } from '@slotkeeper/testing'
import { describe, expect, test } from 'vitest'
import { judge, secondFailureAt } from './contract.ts'

const entry = (value: string, answeredAt: number, given: Partial<Entry> = {}): Entry => ({
  lane: 0,
  kind: value.startsWith('item') ? 'item' : 'key',
  value,
  sentAt: answeredAt - 1,
  answeredAt,
  outcome: 'acknowledged',
  ...given,
})
const confirmed = { outcome: 'confirmed' } as const
const failed = { outcome: 'failed' } as const
const back = (keys: readonly string[], list: readonly string[] = []): ReadBack => ({
  keys: new Set(keys),
  lists: [list],
})
const nothing = { unconfirmed: false, emptied: [] }
const some = { unconfirmed: true, emptied: [] }
const at = { firstAt: 100 }

describe('the contract of writes', () => {
  test('all that was acknowledged is there; what failed may be there or not', () => {
    const entries = [entry('key:1', 10, confirmed), entry('key:2', 20), entry('key:3', 60, failed), entry('item:4', 61)]
    expect(judge(entries, back(['key:1', 'key:2'], ['item:4']), nothing, at)).toEqual({
      confirmed: 1,
      acknowledged: 3,
      failed: 1,
      lost: 0,
      gapMs: 41,
      faults: [],
    })
  })

  test('a confirmed write is missing: never allowed', () => {
    const { lost, faults } = judge([entry('key:1', 10, confirmed)], back([]), some, at)
    expect([lost, faults]).toEqual([1, ['1 confirmed writes are missing: key:1 (shard 0)']])
  })

  test('an acknowledged one is missing: only where a fault allows it', () => {
    const entries = [entry('key:1', 99)]
    expect(judge(entries, back([]), some, at)).toMatchObject({ lost: 1, faults: [] })
    expect(judge(entries, back([]), nothing, at).faults).toHaveLength(1)
  })

  test('one that had gone before a confirmed one is missing: a replica cannot have skipped it', () => {
    const entries = [entry('key:1', 10), entry('key:2', 20, confirmed)]
    expect(judge(entries, back(['key:2']), some, at).faults).toHaveLength(1)
    // Sent before the other was answered: their order is not known.
    const beside = [entry('key:1', 10), entry('key:2', 20, { ...confirmed, sentAt: 9 })]
    expect(judge(beside, back(['key:2']), some, at).faults).toEqual([])
    // Confirmed by another primary, after the fault.
    expect(judge([entry('key:1', 90), entry('key:2', 120, confirmed)], back(['key:2']), some, at).faults).toEqual([])
  })

  test('a shard whose data was given up is not asked for it', () => {
    const given = { unconfirmed: true, emptied: [0] }
    expect(judge([entry('key:1', 10, confirmed)], back([]), given, at)).toMatchObject({ lost: 0, faults: [] })
  })

  test('a list stands in the order of its writes, and nothing twice', () => {
    const entries = [entry('item:1', 10), entry('item:2', 20, failed), entry('item:3', 30)]
    expect(judge(entries, back([], ['item:1', 'item:3', 'item:2']), some, at).faults).toEqual([])
    expect(judge(entries, back([], ['item:3', 'item:1']), some, at).faults).toHaveLength(1)
    expect(judge(entries, back([], ['item:1', 'item:3', 'item:1']), some, at).faults).toHaveLength(1)
  })

  test('the gap is that of the shard that waited longest', () => {
    const entries = [entry('key:1', 10), entry('key:2', 12, { lane: 1 }), entry('key:3', 30), entry('key:4', 40)]
    expect(judge(entries, back(['key:1', 'key:2', 'key:3', 'key:4']), nothing, at).gapMs).toBe(20)
  })
})

test('the second failure in a row is found: made after the first, in one shard, after the fault', () => {
  const entries = [
    entry('key:1', 10, failed),
    entry('key:2', 11, { ...failed, lane: 1 }),
    entry('key:3', 12),
    entry('key:4', 13, failed),
    entry('key:5', 14, { ...failed, sentAt: 12 }),
    entry('key:6', 15, failed),
  ]
  expect(secondFailureAt(entries, 0, 0)).toBe(15)
  expect(secondFailureAt(entries, 0, 15)).toBe(undefined)
  expect(secondFailureAt(entries, 1, 0)).toBe(undefined)
})
