import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { TLSSocket } from 'node:tls'
import { type KubeApiServer, startKubeApiServer } from '@slotkeeper/testing'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { configMaps, connectKube, type Kube, type KubeObject, objectsOf, startReflector } from '../src/index.ts'

let api: KubeApiServer
/** The protocol of each connection that was opened. */
let opened: (string | false | null)[] = []
const onConnected = (message: unknown): void =>
  void opened.push((message as { readonly socket: TLSSocket }).socket.alpnProtocol)
const io = { signal: new AbortController().signal }
const eventually = { timeout: 15_000, interval: 5 }

beforeAll(async () => {
  api = await startKubeApiServer()
  subscribe('undici:client:connected', onConnected)
})
afterEach(() => (opened = []))
afterAll(async () => {
  unsubscribe('undici:client:connected', onConnected)
  await api?.stop()
})

const named = (name: string): KubeObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace: 'default' },
})

function follow(kube: Kube, signal: AbortSignal) {
  const project = ({ metadata }: KubeObject): string => metadata.name
  return startReflector({ kube, resource: configMaps, namespaces: ['default'], project, onProblem: () => {} }, signal)
}

test('calls share at most so many connections, each watch has one of its own, and none is HTTP/2', async () => {
  const kube = connectKube({ kubeconfigPath: api.kubeconfig, connections: 2 })
  const objects = objectsOf(kube)
  const stop = new AbortController()
  const watches = [follow(kube, stop.signal), follow(kube, stop.signal)]
  await Promise.all(watches.map((one) => one.synced(io.signal)))
  await objects.create(configMaps, named('seen'), io)
  const patches = Array.from({ length: 30 }, (_, number) =>
    objects.patch(configMaps, { namespace: 'default', name: 'seen' }, { data: { [`k${number}`]: 'v' } }, null, io),
  )
  await Promise.all(patches)
  await vi.waitFor(() => expect(watches.map((one) => one.get('default', 'seen'))).toEqual(['seen', 'seen']), eventually)
  expect(opened.filter((protocol) => protocol === 'h2')).toEqual([])
  expect(opened).toHaveLength(2 + watches.length)
  stop.abort()
  await Promise.all(watches.map((one) => one.stopped))
  await kube.close()
})

test('closed with calls and watches under way, each of them rejects, and nothing else does', async () => {
  const strays: unknown[] = []
  const stray = (error: unknown): void => void strays.push(error)
  process.on('unhandledRejection', stray).on('uncaughtException', stray)
  try {
    // At the first, while it dials; later ones, at other places of the calls.
    for (let round = 0; round < 20; round++) {
      const kube = connectKube({ kubeconfigPath: api.kubeconfig })
      const stop = new AbortController()
      const watch = follow(kube, stop.signal)
      const call = (): Promise<unknown> => objectsOf(kube).get(configMaps, { namespace: 'default', name: 'a' }, io)
      const calls = Array.from({ length: 40 }, call)
      if (round > 0) await calls[round - 1]
      // All of them may have been answered by now.
      const all = Promise.allSettled([...calls, call()])
      await kube.close()
      const left = (await all).flatMap((one) => (one.status === 'rejected' ? [one.reason as { reason?: string }] : []))
      expect(left.length).toBeGreaterThan(0)
      expect(new Set(left.map(({ reason }) => reason))).toEqual(new Set(['Unavailable']))
      stop.abort()
      await watch.stopped
    }
    // What nobody catches is told after the tasks of its turn.
    await new Promise((resolve) => setImmediate(resolve))
    expect(strays).toEqual([])
  } finally {
    process.off('unhandledRejection', stray).off('uncaughtException', stray)
  }
})
