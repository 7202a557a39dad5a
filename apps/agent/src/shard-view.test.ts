import { expect, test } from 'vitest'
import {
  assertSame,
  isInSync,
  type PlannedShard,
  type ServerView,
  shardViewOf,
  sourcesOf,
  viewOf,
} from './shard-view.ts'

const [PRIMARY, REPLICA, OTHER] = ['a', 'b', 'c'].map((digit) => digit.repeat(40)) as [string, string, string]
const serverOf = (pod: string, nodeId: string) => ({ pod, host: '10.0.0.1', port: 6379, nodeId })
const shard: PlannedShard = {
  shard: 0,
  primary: serverOf('orders-0-0', PRIMARY),
  replicas: [serverOf('orders-0-1', REPLICA)],
}

const rowsOf = (slots: string, epoch = 3): string =>
  `${PRIMARY} 10.0.0.1:6379@16379 myself,primary - 0 0 ${epoch} connected ${slots}\n`
const primaryWith = (rows: string, info = 'role:primary\r\nused_memory:17\r\n'): ServerView => viewOf([info, rows])

const replica: ServerView = {
  ...primaryWith(''),
  role: 'replica',
  linkUp: true,
  offset: 100,
  self: {
    nodeId: REPLICA,
    address: '10.0.0.2',
    port: 6379,
    myself: true,
    role: 'replica',
    primaryId: PRIMARY,
    flags: [],
    configEpoch: 3,
    connected: true,
    slots: [],
    open: [],
  },
}

test('the slots and the epoch of a shard are those of its primary', () => {
  expect(shardViewOf(shard, primaryWith(rowsOf('0-5460')))).toEqual({ slots: [{ first: 0, last: 5460 }], epoch: 3 })
})

test.each([
  ['another node', primaryWith(rowsOf('0-5460').replace(PRIMARY, OTHER)), 'is not the node'],
  ['a replica', { ...primaryWith(rowsOf('0-5460')), role: 'replica' as const }, 'is a replica'],
  ['a primary without slots', primaryWith(rowsOf('')), 'has no slots'],
  ['a slot that goes', primaryWith(rowsOf(`0-5460 [93->-${OTHER}]`)), 'has slots that are being moved: [93->-'],
  ['a slot that comes', primaryWith(rowsOf(`0-5460 [9000-<-${OTHER}]`)), 'has slots that are being moved: [9000-<-'],
  ['no view at all', primaryWith(''), 'is not the node'],
])('refused: %s', (_what, view, message) => {
  expect(() => shardViewOf(shard, view)).toThrow(expect.objectContaining({ fault: 'TopologyChanged' }))
  expect(() => shardViewOf(shard, view)).toThrow(message)
})

test('what changed meanwhile is told', () => {
  const before = { slots: [{ first: 0, last: 5460 }], epoch: 3 }
  expect(() =>
    assertSame(shard, before, {
      slots: [
        { first: 0, last: 100 },
        { first: 101, last: 5460 },
      ],
      epoch: 3,
    }),
  ).not.toThrow()
  expect(() => assertSame(shard, before, { ...before, slots: [{ first: 0, last: 5459 }] })).toThrow('has 0-5459')
  expect(() => assertSame(shard, before, { ...before, epoch: 4 })).toThrow('another epoch: 4')
})

test.each([
  ['in sync', {}, true],
  ['with its link down', { linkUp: false }, false],
  ['still syncing', { syncing: true }, false],
  ['loading', { loading: true }, false],
  ['now a primary', { role: 'primary' as const }, false],
  ['of another primary', { self: { ...(replica.self as NonNullable<ServerView['self']>), primaryId: OTHER } }, false],
  ['another node', { self: { ...(replica.self as NonNullable<ServerView['self']>), nodeId: OTHER } }, false],
])('a replica that is %s', (_what, change, expected) => {
  expect(isInSync(shard, serverOf('orders-0-1', REPLICA), { ...replica, ...change })).toBe(expected)
})

test('the replica that is least behind comes first, then the primary', () => {
  const primary = { server: shard.primary, role: 'primary' as const, view: primaryWith(rowsOf('0-5460')) }
  const behind = { server: serverOf('orders-0-1', REPLICA), role: 'replica' as const, view: replica }
  const near = { server: serverOf('orders-0-2', OTHER), role: 'replica' as const, view: { ...replica, offset: 200 } }
  expect(sourcesOf(primary, [behind, near]).map(({ server }) => server.pod)).toEqual(['orders-0-2', 'orders-0-0'])
  expect(sourcesOf(primary, []).map(({ server }) => server.pod)).toEqual(['orders-0-0'])
})

test.each([
  ['redis_version:8.0.3', undefined],
  ['redis_version:7.2.4\r\nvalkey_version:8.1.1', undefined],
  ['redis_version:7.2.4\r\nvalkey_version:9.1.2', '9.1.2'],
])('%s is told %s', (info, version) => {
  expect(primaryWith(rowsOf('0-5460'), info).announce).toBe(version)
})
