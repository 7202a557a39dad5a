import { LABEL } from '@slotkeeper/api'
import { connectKube, type Kube, type KubeObject, type Objects, objectsOf, pods, secrets } from '@slotkeeper/k8s'
import { NodePool } from '@slotkeeper/redis-client'
import { connectServer, type KubeApiServer, startKubeApiServer, startRedisServer, until } from '@slotkeeper/testing'
import { connect } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { startCaches } from '../src/caches.ts'
import { parseCluster } from '../src/cluster-object.ts'
import { type Access, observe } from '../src/observe.ts'
import { OpenSlotsMemory } from '../src/open-slots.ts'
import { openGate } from './gate.ts'

const namespace = 'default'
const io = () => ({ signal: AbortSignal.timeout(30_000), deadline: Date.now() + 30_000 })

/** An API server, and a connection to it that counts how often Secrets are asked for. */
async function startApi(): Promise<{ readonly kube: Kube; readonly objects: Objects; readonly reads: () => number }> {
  const server: KubeApiServer = await startKubeApiServer()
  onTestFinished(() => server.stop())
  const plain = connectKube({ kubeconfigPath: server.kubeconfig })
  onTestFinished(() => plain.close())
  let reads = 0
  const kube: Kube = {
    ...plain,
    request: (call) => {
      if (call.method === 'GET' && call.path.includes('/secrets/')) reads++
      return plain.request(call)
    },
  }
  return { kube, objects: objectsOf(kube), reads: () => reads }
}

async function makePod(objects: Objects, name: string, ip: string): Promise<void> {
  const metadata = { namespace, name, labels: { [LABEL.cluster]: 'orders' } }
  const spec = { containers: [{ name: 'server', image: 'none' }] }
  const pod: KubeObject = { apiVersion: 'v1', kind: 'Pod', metadata, spec }
  const uid = (await objects.create(pods, pod, io())).metadata.uid ?? ''
  await objects.patchStatus(pods, { namespace, name }, { podIP: ip, podIPs: [{ ip }] }, { uid }, io())
}

const formed = parseCluster({
  apiVersion: 'slotkeeper.dev/v1beta1',
  kind: 'RedisCluster',
  metadata: { namespace, name: 'orders', uid: 'uid-of-orders', resourceVersion: '1' },
  spec: { version: 'valkey-9.1', shards: 3 },
  status: { state: 'Healthy', formedAt: '2026-11-21T10:00:00.000Z' },
})

test('Secrets are read once for many looks, and again in the look that is denied', async () => {
  const { kube, objects, reads } = await startApi()
  const server = await startRedisServer('valkey-9.1', { user: 'slotkeeper on >one ~* &* +@all' })
  onTestFinished(() => server.remove())
  const gate = await openGate(server)
  onTestFinished(() => gate.close())
  await makePod(objects, 'orders-0-0', gate.ip)
  for (const [name, data] of [
    ['orders-auth', { password: 'everyone' }],
    ['orders-internal', { 'control-password': 'one' }],
  ] as const)
    await objects.create(
      secrets,
      { apiVersion: 'v1', kind: 'Secret', metadata: { namespace, name }, stringData: data },
      io(),
    )
  const stop = new AbortController()
  onTestFinished(() => stop.abort())
  const caches = startCaches(
    { kube, namespaces: [namespace], wake: () => {}, onProblem: () => {}, onAccess: () => {} },
    stop.signal,
  )
  const pool = new NodePool(() => undefined)
  onTestFinished(() => pool.close())
  const access = new Map<string, Access>()
  const look = async () => {
    const { snapshot } = await observe(
      { caches, objects, pool, access, openSlots: new OpenSlotsMemory() },
      formed,
      io(),
    )
    return snapshot.members.find(({ pod }) => pod === 'orders-0-0')?.contact
  }
  // On a busy machine a dial may be late.
  const enters = () => until('an answer', 20_000, async () => ((await look())?.type === 'up' ? true : undefined))
  await enters()
  for (let times = 0; times < 5; times++) await look()
  expect(reads()).toBe(2)

  const admin = await connectServer((host, port) => connect(port, host), { host: server.host, port: server.port })
  await admin.call('ACL', 'SETUSER', 'slotkeeper', 'resetpass', '>two')
  const patch = { stringData: { 'control-password': 'two' } }
  await objects.patch(secrets, { namespace, name: 'orders-internal' }, patch, null, io())
  await admin.call('CLIENT', 'KILL', 'TYPE', 'normal')
  admin.disconnect()
  await until('the closed connection', 20_000, async () => ((await look())?.type === 'up' ? true : undefined))
  expect(reads()).toBe(4)
  expect(access.get('uid-of-orders')?.password).toBe('two')
})
