import { ANNOTATION, redisClusterSpec } from '@slotkeeper/api'
import type { ClusterStatus } from '@slotkeeper/events'
import { describe, expect, test } from 'vitest'
import type { ClusterObject } from './cluster-object.ts'
import { mayStartEmpty, overrideOf } from './override.ts'

const now = Date.parse('2026-01-01T12:00:00Z')
const soon = '2026-01-01T12:30:00.000Z'
const cluster = (value?: string, before?: ClusterStatus['override'], spec: object = {}): ClusterObject => ({
  metadata: {
    namespace: 'shop',
    name: 'orders',
    uid: 'u',
    resourceVersion: '1',
    generation: 1,
    ...(value === undefined ? {} : { annotations: { [ANNOTATION.acceptDataLoss]: value } }),
  },
  spec: redisClusterSpec.parse({ version: 'valkey-9.1', shards: 3, ...spec }),
  status: {
    state: 'Stalled',
    ...(before === undefined ? {} : { override: before }),
    lifecycle: { life: 1, seq: 1, published: 1, epoch: 1, holder: 'a' },
    outbox: [],
  },
})

test('shards and a time within the hour are accepted', () => {
  expect(overrideOf(cluster(`2,0@${soon}`), [], now)).toEqual({
    override: { value: `2,0@${soon}`, shards: [0, 2], until: soon },
  })
  expect(overrideOf(cluster('1@2026-01-01T13:30:00+01:00'), [], now).override?.until).toBe(soon)
})

test.each([
  ['1', /not of the form/],
  ['1@tomorrow', /not of the form/],
  [`1@${soon}@`, /not of the form/],
  [`3@${soon}`, /not shards between 0 and 2/],
  [`@${soon}`, /not shards between 0 and 2/],
  [`all@${soon}`, /not shards between 0 and 2/],
  ['1@2026-01-01T12:00:00Z', /its time is over/],
  ['1@2026-01-01T13:00:01Z', /more than an hour ahead/],
])('%s is refused with the remedy', (value, problem) => {
  const reading = overrideOf(cluster(value), [], now)
  expect(reading.override).toBeUndefined()
  expect(reading.problem).toMatch(problem)
  expect(reading.problem).toContain('like 1,2@2026-01-31T12:00:00Z')
})

describe('a consent', () => {
  const value = `0,1@${soon}`
  const before = { value, shards: [0, 1], until: soon }

  test('is used up shard by shard, and does not come back while the text stands there', () => {
    const used = overrideOf(cluster(value, before), [1], now).override
    expect(used).toEqual({ ...before, shards: [0] })
    expect(overrideOf(cluster(value, used), [], now).override?.shards).toEqual([0])
  })

  test('ends with its time, and with its annotation', () => {
    expect(overrideOf(cluster(value, before), [], Date.parse(soon)).override?.shards).toEqual([])
    expect(overrideOf(cluster(undefined, before), [], now).override).toBeUndefined()
  })
})

test.each([
  [{ storage: { size: '1Gi' } }, []],
  [{ storage: { size: '1Gi', persistence: 'rdb' } }, []],
  [{ storage: { size: '1Gi', persistence: 'none' } }, [0, 1, 2]],
  [{}, [0, 1, 2]],
  [{ onDataLoss: 'Stall' }, []],
  [{ storage: { size: '1Gi' }, onDataLoss: 'StartEmpty' }, [0, 1, 2]],
])('by the spec %j shards %j may start empty', (spec, shards) => {
  expect(mayStartEmpty(cluster(undefined, undefined, spec), [])).toEqual(shards)
})

test('a consent opens the shards that it names', () => {
  const object = cluster(undefined, undefined, { onDataLoss: 'Stall' })
  expect(mayStartEmpty(object, [2])).toEqual([2])
})
