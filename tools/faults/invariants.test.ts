import type { Delivery } from '@slotkeeper/nats'
import { expect, test } from 'vitest'
import {
  type Claim,
  coverageFaults,
  operationFaults,
  ownerFaults,
  replayFaults,
  type SeenStatus,
  statusFaults,
} from './invariants.ts'
import { randomOf } from './random.ts'

const shard = (number: number, slots: string, more: object = {}) => ({
  shard: number,
  slots,
  primary: `orders-${number}-0`,
  nodes: { [`orders-${number}-0`]: 'a' },
  ...more,
})
const seen = (ready: string, topology: readonly object[], lifecycle = { life: 1, seq: 1, epoch: 1 }): SeenStatus =>
  ({
    at: 0,
    status: {
      state: 'Healthy',
      formedAt: 'then',
      topology,
      lifecycle,
      conditions: [{ type: 'Ready', status: ready, reason: '', message: '', lastTransitionTime: '' }],
    },
  }) as unknown as SeenStatus
const whole = [shard(0, '0-8191'), shard(1, '8192-16383')]

test('Ready is not said without an owner for every slot, and a primary for every shard', () => {
  expect(statusFaults([seen('True', whole)])).toEqual([])
  expect(statusFaults([seen('False', [])])).toEqual([])
  expect(statusFaults([seen('True', [shard(0, '0-8191')])])).toEqual(['Ready with 8192 slots owned'])
  const down = [shard(0, '0-8191', { primaryDown: true }), shard(1, '8192-16383')]
  expect(statusFaults([seen('True', down)])).toEqual(['Ready while the primary of shard 0 is down'])
})

test('a history that goes back is found', () => {
  const later = seen('True', whole, { life: 1, seq: 5, epoch: 2 })
  expect(statusFaults([seen('True', whole), later])).toEqual([])
  expect(statusFaults([later, seen('True', whole)])).toHaveLength(1)
  expect(statusFaults([later, seen('True', whole, { life: 2, seq: 1, epoch: 3 })])).toEqual([])
})

test('the epoch of a shard that goes back is found', () => {
  const [six, seven, one] = [6, 7, 1].map((epoch) => seen('False', [shard(0, '0-16383', { epoch })])) as [
    SeenStatus,
    SeenStatus,
    SeenStatus,
  ]
  expect(statusFaults([six, seven, seen('False', []), one])).toEqual([])
  expect(statusFaults([six, seven, one])).toEqual(['the epoch of shard 0 went back from 7 to 1'])
})

test('an epoch has one owner of a slot, at whatever time each says so', () => {
  const claim = (pod: string, nodeId: string, configEpoch: number, role = 'primary'): Claim =>
    ({ at: 0, pod, row: { nodeId, role, configEpoch, slots: [{ first: 0, last: 9 }] } }) as unknown as Claim
  const history = [claim('a', 'x', 1), claim('b', 'y', 7), claim('a', 'x', 1), claim('a', 'x', 7, 'replica')]
  expect(ownerFaults(history)).toEqual([])
  expect(ownerFaults([...history, claim('c', 'z', 7)])).toEqual(['slot 0, epoch 7: both b and c own it'])
})

test('in the end each slot has one owner, by the latest word of each server', () => {
  const claim = (pod: string, ...slots: readonly { readonly first: number; readonly last: number }[]): Claim =>
    ({ at: 0, pod, row: { role: 'primary', slots } }) as unknown as Claim
  const [low, high] = [
    { first: 0, last: 8191 },
    { first: 8192, last: 16383 },
  ]
  expect(coverageFaults([claim('a', low, high), claim('a', low), claim('b', high)])).toEqual([])
  expect(coverageFaults([claim('a', low)])).toEqual(['in the end the servers own 8192 slots'])
  expect(coverageFaults([claim('a', low), claim('b', low, high)])).toEqual(['in the end 8192 slots are owned twice'])
})

const event = (type: string, sequence: number, data: object): Delivery =>
  ({ event: { type, sequence, uid: 'u', life: 1, namespace: 'shop', name: 'orders', cloudEvent: { data } } }) as never

test('one operation at a time', () => {
  const [begin, end] = [event('OperationStarted', 1, { opId: '1:1' }), event('OperationFinished', 2, { opId: '1:1' })]
  const next = event('OperationStarted', 3, { opId: '1:3' })
  expect(operationFaults([begin, end, next])).toEqual([])
  expect(operationFaults([begin, next])).toEqual(['1:3 was begun while 1:1 was under way'])
  expect(operationFaults([begin, end, end])).toHaveLength(1)
})

test('the story replayed gives the status, and has no gap', () => {
  const story = [
    event('Accepted', 1, { state: 'Creating', specHash: 'h' }),
    event('StateChanged', 2, { from: 'Creating', to: 'Healthy' }),
  ]
  const status = { state: 'Healthy', specHash: 'h', lifecycle: { life: 1, seq: 2, epoch: 1 } }
  expect(replayFaults(story, status)).toEqual([])
  expect(replayFaults(story, { ...status, state: 'Healing' })).toEqual([
    'the story replayed gives another state than the status',
  ])
  expect(replayFaults([story[0]!, event('StateChanged', 3, { to: 'Healthy' })], status)).toEqual([
    'shop/orders: StateChanged has sequence 3, not 2',
  ])
})

test('what is drawn follows from the seed', () => {
  const draw = (seed: string) => {
    const random = randomOf(seed)
    return [random.below(1000), random.pick(['a', 'b', 'c']), ...random.shuffle([1, 2, 3, 4, 5])]
  }
  expect(draw('a')).toEqual(draw('a'))
  expect(draw('a')).not.toEqual(draw('b'))
  expect(draw('c').slice(2).toSorted()).toEqual([1, 2, 3, 4, 5])
  expect(() => randomOf('a').pick([])).toThrow('nothing to pick from')
})
