import { connect, type Socket } from 'node:net'
import { LABEL } from '@slotkeeper/api'
import { connectKube, type Kube, objectsOf, pods } from '@slotkeeper/k8s'
import { NodePool } from '@slotkeeper/redis-client'
import { type KubeApiServer, type RedisServer, startKubeApiServer, startRedisServer, until } from '@slotkeeper/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { act } from '../src/act.ts'
import type { AppCommand } from '../src/decide.ts'
import { OpenSlotsMemory } from '../src/open-slots.ts'
import { openGate } from './gate.ts'

const cluster = { namespace: 'default', name: 'orders', uid: 'uid-of-orders' }
const key = { namespace: 'default', name: 'orders-0-0' }
const io = { signal: new AbortController().signal, deadline: Number.MAX_SAFE_INTEGER, mayAct: () => true }
const accounts = { group: '', version: 'v1', plural: 'serviceaccounts', kind: 'ServiceAccount', namespaced: true }
let api: KubeApiServer
let kube: Kube
let server: RedisServer

beforeAll(async () => {
  api = await startKubeApiServer()
  kube = connectKube({ kubeconfigPath: api.kubeconfig })
  server = await startRedisServer('valkey-9.1', { user: 'slotkeeper on >secret ~* &* +@all' })
})
afterAll(async () => {
  await kube?.close()
  await api?.stop()
  await server?.remove()
})

/** A client that says something, and then listens. */
async function listen(words: string): Promise<Socket> {
  const socket = connect(server.port, server.host)
  socket.on('error', () => undefined)
  const answered = new Promise((resolve) => socket.once('data', resolve))
  socket.write(`${words}\r\n`)
  await answered
  return socket
}

test('the clients of a demoted server are sent away, and until they were, the pod keeps its label', async () => {
  const objects = objectsOf(kube)
  const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace: 'default' } }
  await objects.create(accounts, account, io)
  const labels = { [LABEL.role]: 'primary' }
  const spec = { containers: [{ name: 'server', image: 'none' }], automountServiceAccountToken: false }
  const pod = await objects.create(pods, { apiVersion: 'v1', kind: 'Pod', metadata: { ...key, labels }, spec }, io)
  const roleOf = async () => (await objects.get(pods, key, io))?.metadata.labels?.[LABEL.role]
  const gate = await openGate(server)
  const pool = new NodePool(() => undefined)
  const clients = [await listen('PING'), await listen('SUBSCRIBE news')]
  try {
    const ips = { [key.name]: { ip: gate.ip, uid: pod.metadata.uid ?? '' } }
    const label = { type: 'LabelPods', roles: { [key.name]: 'replica' }, cluster, ips } as unknown as AppCommand
    const carryOut = (password: string) => {
      const access = new Map([[cluster.uid, { password }]])
      const openSlots = new OpenSlotsMemory()
      return act({ objects, pool, access, asked: new Map(), wrote: () => undefined, openSlots }, label, io)
    }
    expect(await carryOut('wrong')).toMatchObject({ result: 'failed', reason: 'Denied' })
    expect(await roleOf()).toBe('primary')
    expect(clients.map((one) => one.readableEnded)).toEqual([false, false])
    expect(await carryOut('secret')).toEqual({ result: 'accepted' })
    expect(await roleOf()).toBe('replica')
    await until(
      'both are sent away',
      10_000,
      async () => clients.every((one) => one.readableEnded || one.destroyed) || undefined,
    )
  } finally {
    for (const one of clients) one.destroy()
    pool.close()
    gate.close()
  }
})
