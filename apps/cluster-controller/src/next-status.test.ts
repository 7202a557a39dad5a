import type { NodeView, Picture, ShardPicture, UpMember } from '@slotkeeper/redis-topology'
import { expect, test } from 'vitest'
import { nextTopology } from './next-status.ts'

const view = (changes: Partial<NodeView>): NodeView => ({
  nodeId: 'b',
  version: '9.1.2',
  role: 'replica',
  loading: false,
  linkUp: false,
  linkDownSeconds: 1,
  syncing: false,
  offset: 1,
  keys: 1,
  currentEpoch: 1,
  clusterOk: true,
  rows: [],
  settings: {},
  ...changes,
})
const row = { address: '', port: 6379, flags: [], configEpoch: 1, connected: true, slots: [], open: [] }

/** A shard of which only the replica answers; it follows `followed`. */
const headless = (followed: string, changes: Partial<NodeView> = {}): Picture => {
  const rows = [{ ...row, nodeId: 'b', myself: true, role: 'replica' as const, primaryId: followed }]
  const replica: UpMember = {
    pod: 'orders-0-1',
    shard: 0,
    index: 1,
    kube: null,
    contact: { type: 'up', view: view({ rows, ...changes }) },
  }
  const shard: ShardPicture = {
    shard: 0,
    members: [replica],
    ranges: [{ first: 0, last: 16383 }],
    primaryId: 'a',
    primaryPod: 'orders-0-0',
    primaryUp: false,
    epoch: 1,
    attached: [],
  }
  return { up: [replica], idOf: {}, podOf: {}, shards: [shard], unowned: [], orphaned: [], viewsAgree: true }
}
const before = {
  state: 'Healthy',
  topology: [{ shard: 0, slots: '0-16383', primary: 'orders-0-0', nodes: {}, attached: ['orders-0-1'] }],
}
const attached = (picture: Picture) => nextTopology(picture, before)[0]?.attached

test('who was in sync when its primary was last seen stays so while the primary is down', () => {
  expect(attached(headless('a'))).toEqual(['orders-0-1'])
  // By its own word it is not any more: it follows another node, or its copy is being made anew.
  expect(attached(headless('c'))).toEqual([])
  expect(attached(headless('a', { syncing: true }))).toEqual([])
})
