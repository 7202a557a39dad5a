import { expect, test } from 'vitest'
import { sourceOf } from './source-of.ts'

const ready = { type: 'Ready', status: 'True', reason: 'AllSlotsServed', message: '' }
const shard = {
  shard: 0,
  slots: '0-16383',
  primary: 'orders-0-0',
  nodes: { 'orders-0-0': 'n0', 'orders-0-1': 'n1' },
  addresses: { 'orders-0-0': '10.0.0.1', 'orders-0-1': '10.0.0.2' },
  attached: ['orders-0-1'],
}
const whole = { formedAt: '2026-11-22T10:00:00Z', version: '9.1.2', conditions: [ready], topology: [shard] }
const clusterOf = (status: object, metadata: object = {}, spec: object = {}) =>
  sourceOf({
    apiVersion: 'slotkeeper.dev/v1beta1',
    kind: 'RedisCluster',
    metadata: { name: 'orders', uid: 'u', ...metadata },
    spec: { shards: 3, version: 'valkey-9.1', ...spec },
    status: { ...whole, ...status },
  })

test('a sound cluster can be backed up', () => {
  expect(clusterOf({})).toMatchObject({ busy: null, engine: { engine: 'valkey', version: '9.1.2' } })
  expect(clusterOf({}, {}, { version: 'redis-8.0' }).engine.engine).toBe('redis')
})

test.each([
  ['it is being deleted', {}, { deletionTimestamp: '2026-11-22T10:00:00Z' }, /being deleted/],
  ['it was never formed', { formedAt: undefined }, {}, /not formed/],
  [
    'it is not ready',
    { conditions: [{ ...ready, status: 'False', message: 'a shard is down' }] },
    {},
    /a shard is down/,
  ],
  ['nobody has looked yet', { conditions: [] }, {}, /said nothing/],
  [
    'an operation is under way',
    { operation: { id: '1', type: 'FailOver', target: 'orders-0-1', since: '' } },
    {},
    /FailOver of/,
  ],
  ['slots are half moved', { openSlots: '93' }, {}, /slots 93/],
  ['a primary does not answer', { topology: [{ ...shard, primaryDown: true }] }, {}, /shard 0/],
  ['a primary has no address', { topology: [{ ...shard, addresses: {} }] }, {}, /shard 0/],
  ['its servers are of two versions', { version: undefined }, {}, /version/],
])('not while %s', (_what, status, metadata, words) => {
  expect(clusterOf(status, metadata).busy).toMatch(words)
})
