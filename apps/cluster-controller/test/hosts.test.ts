import { connectKube, type Kube, type KubeObject, nodes, objectsOf } from '@slotkeeper/k8s'
import { type KubeApiServer, startKubeApiServer, until } from '@slotkeeper/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startHosts } from '../src/hosts.ts'

const NAME = 'worker-1'
const TAINT = { key: 'node.kubernetes.io/out-of-service', value: 'nodeshutdown', effect: 'NoExecute' }
const io = { signal: new AbortController().signal }
const stop = new AbortController()
let api: KubeApiServer
let kube: Kube

beforeAll(async () => {
  api = await startKubeApiServer()
  kube = connectKube({ kubeconfigPath: api.kubeconfig })
})
afterAll(async () => {
  stop.abort()
  await kube?.close()
  await api?.stop()
})

test('a machine is followed: lost, out of service, and back; its heartbeats wake nobody', async () => {
  const objects = objectsOf(kube)
  const woken: string[] = []
  const problems: unknown[] = []
  const hosts = startHosts(
    { kube, onChange: (name) => woken.push(name), onProblem: (error) => problems.push(error) },
    stop.signal,
  )
  const report = (status: 'True' | 'Unknown', since: string, heartbeat: string): Promise<KubeObject> => {
    const ready = { type: 'Ready', status, lastTransitionTime: since, lastHeartbeatTime: heartbeat }
    return kube.request({
      method: 'PATCH',
      path: `/api/v1/nodes/${NAME}/status`,
      body: { status: { conditions: [ready] } },
      contentType: 'application/merge-patch+json',
      ...io,
    }) as Promise<KubeObject>
  }
  const taint = (taints: readonly object[]): Promise<KubeObject> =>
    objects.patch(nodes, { namespace: '', name: NAME }, { spec: { taints } }, null, io)
  const seen = (what: string, holds: (host: { ready: boolean; outOfService: boolean }) => boolean) =>
    until(what, 10_000, async () => {
      const host = hosts.among(new Set([NAME, 'gone']))?.[NAME]
      return host !== undefined && holds(host) ? host : undefined
    })

  await objects.create(nodes, { apiVersion: 'v1', kind: 'Node', metadata: { name: NAME } }, io)
  await report('True', '2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z')
  await seen('it is ready', (host) => host.ready)
  expect(hosts.among(new Set(['gone']))).toEqual({})
  const before = woken.length
  await report('True', '2026-01-01T00:00:00Z', '2026-01-01T00:05:00Z')
  await report('Unknown', '2026-01-01T00:06:00Z', '2026-01-01T00:05:00Z')
  const lost = await seen('it is lost', (host) => !host.ready)
  expect(lost.notReadyMs).toBeGreaterThan(60_000)
  await taint([TAINT])
  await seen('it is out of service', (host) => host.outOfService)
  await taint([])
  await report('True', '2026-01-01T00:07:00Z', '2026-01-01T00:07:00Z')
  await seen('it is back', (host) => host.ready && !host.outOfService)
  expect(woken.slice(before)).toEqual([NAME, NAME, NAME, NAME])
  expect(problems).toEqual([])
})
