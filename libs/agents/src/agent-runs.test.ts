import { expect, test } from 'vitest'
import { agentRuns, type CachedAgentPod, type CachedJob, projectAgentPod } from './agent-runs.ts'

const NOW = Date.parse('2026-11-22T10:00:00Z')
const job: CachedJob = {
  namespace: 'shop',
  name: 'orders-1-store-1',
  uid: 'u',
  agentOf: 'redisbackup',
  ownerUid: 'o',
  about: { step: 'store', attempt: 1 },
  createdAt: NOW - 31_000,
  isOver: false,
  isStopping: false,
}
const pod: CachedAgentPod = {
  namespace: 'shop',
  name: 'orders-1-store-1-x',
  agentOf: 'redisbackup',
  jobUid: 'u',
  phase: 'Pending',
  hasEnded: false,
}
const runOf = (change: Partial<CachedJob>, pods: readonly CachedAgentPod[] = []) =>
  agentRuns([{ ...job, ...change }], pods, { progress: new Map(), now: NOW })[0]

test('a Job of which no pod is made says where the reason stands', () => {
  expect(runOf({})).toMatchObject({ state: 'running', waitsFor: expect.stringContaining(`describe job ${job.name}`) })
})

test.each<[string, Partial<CachedJob>, readonly CachedAgentPod[]]>([
  ['it is new', { createdAt: NOW - 5_000 }, []],
  ['its pod is there', {}, [pod]],
  ['it is over', { isOver: true }, []],
])('nothing is said of it while %s', (_why, change, pods) => {
  expect(runOf(change, pods)).not.toHaveProperty('waitsFor')
})

test.each([
  ['for the image of the server beside its agent', 'server', 'ImagePullBackOff', 'its container: says why'],
  ['for a server that ends again and again', 'server', 'CrashLoopBackOff', 'its container: says why'],
  ['for what others put there', 'proxy', 'ImagePullBackOff', undefined],
])('a pod that waits %s', (_what, name, reason, waitsFor) => {
  const waiting = { reason, message: 'says why' }
  const status = { phase: 'Pending', initContainerStatuses: [{ name, state: { waiting } }] }
  expect(projectAgentPod({ metadata: { name: 'p', namespace: 'shop' }, status } as never).waitsFor).toBe(waitsFor)
})

test.each([
  ['is one', 'Always', undefined],
  ['was taken for a step before the agent', undefined, expect.stringContaining('1.29')],
])('a server beside an agent that %s', (_what, restartPolicy, waitsFor) => {
  const spec = { initContainers: [{ name: 'server', ...(restartPolicy === undefined ? {} : { restartPolicy }) }] }
  const pod = { metadata: { name: 'p', namespace: 'shop' }, spec, status: { phase: 'Pending' } }
  expect(projectAgentPod(pod as never).waitsFor).toEqual(waitsFor)
})
