import { redisClusterSpec } from '@slotkeeper/api'
import type { Member, PodView } from '@slotkeeper/redis-topology'
import { expect, test } from 'vitest'
import { podHash } from './resources/stateful-set.ts'
import { stuckPods } from './stuck-pods.ts'

const spec = redisClusterSpec.parse({ version: 'valkey-9.1', shards: 3 })
const blocked = { reason: 'Unschedulable', message: 'no node fits' }
const stuck: PodView = {
  uid: 'u',
  deleting: false,
  ready: false,
  running: false,
  terminated: [],
  restarts: 0,
  blocked,
  podHash: 'of before',
}
const found = (kube: PodView | null, applying: readonly string[] = []) => {
  const member: Member = { pod: 'orders-1-0', shard: 1, index: 0, kube, contact: { type: 'absent' } }
  return stuckPods([member], 'orders', spec, applying)
}

test('a pod that can not start, by a template that was put right since, is made anew', () => {
  expect(found(stuck)).toEqual([{ type: 'DeleteObject', kind: 'Pod', name: 'orders-1-0', uid: 'u' }])
})

test.each([
  ['its server runs', { running: true }],
  ['nothing is wrong with it', { blocked: undefined }],
  ['it is leaving already', { deleting: true }],
  ['its template is what is wanted: it would come back as it is', { podHash: podHash(spec) }],
])('not when %s', (_why, change) => {
  expect(found({ ...stuck, ...change } as PodView)).toEqual([])
})

test('not before its StatefulSet has the new template', () => {
  expect(found(stuck, ['orders-1'])).toEqual([])
  expect(found(stuck, ['orders-0'])).toHaveLength(1)
  expect(found(null)).toEqual([])
})
