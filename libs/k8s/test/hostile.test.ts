import { randomUUID } from 'node:crypto'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import {
  type FaultyProxy,
  fillEtcd,
  type KubeApiServer,
  type SeenCall,
  startFaultyProxy,
  startKubeApiServer,
} from '@slotkeeper/testing'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { configMaps, connectKube, type Kube, leases, objectsOf } from '../src/index.ts'
import { type Candidate, candidateOf } from './candidate-of.ts'
import { byName, expectTold, followConfigMaps, projectConfigMap, type Seen } from './follow-config-maps.ts'

/*
 * The door to Kubernetes under an API server that fails: what is missed, what is told twice, how often it is asked, and
 * who leads meanwhile. One fault at a time stands in the tests of each part; here is what shows only in their company.
 */
let api: KubeApiServer
let proxy: FaultyProxy
/** Past the proxy. */
let direct: Kube
/** Through it. */
let kube: Kube
const ends: (() => void)[] = []
const io = { signal: new AbortController().signal }
const eventually = { timeout: 30_000, interval: 5 }
const names = new Map<string, number>()

beforeAll(async () => {
  api = await startKubeApiServer()
  proxy = await startFaultyProxy(api)
  direct = connectKube({ kubeconfigPath: api.kubeconfig, connections: 16 })
  kube = connectKube({ kubeconfigPath: proxy.kubeconfig })
})
afterEach(() => {
  proxy.fault = () => undefined
  for (const end of ends.splice(0)) end()
})
afterAll(async () => {
  await Promise.all([kube?.close(), direct?.close()])
  await proxy?.stop()
  await api?.stop()
})

function fresh(name: string): string {
  names.set(name, (names.get(name) ?? 0) + 1)
  return `${name}-${names.get(name)}`
}

async function freshNamespace(): Promise<string> {
  const name = fresh('hostile')
  const namespaces = { group: '', version: 'v1', plural: 'namespaces', kind: 'Namespace', namespaced: false }
  await objectsOf(direct).create(namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } }, io)
  return name
}

function stand(options: Omit<Parameters<typeof candidateOf>[0], 'kube'> & { readonly kube?: Kube }): Candidate {
  const candidate = candidateOf({ kube, ...options })
  ends.push(() => candidate.stop.abort())
  return candidate
}

function follow(options: Parameters<typeof followConfigMaps>[2], over = kube) {
  const stop = new AbortController()
  ends.push(() => stop.abort())
  return followConfigMaps(over, stop.signal, options)
}

const leadsFirst = (one: Candidate): Promise<void> => vi.waitFor(() => expect(one.epochs).toEqual([1]), eventually)
const callsFor = (name: string): SeenCall[] => proxy.calls.filter(({ path }) => path.includes(`/${name}`))
const gapsOf = (calls: readonly SeenCall[]): number[] => calls.slice(1).map(({ at }, before) => at - calls[before]!.at)

async function put(namespace: string, name: string, value: string): Promise<Seen> {
  const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace }, data: { value } }
  return projectConfigMap(await objectsOf(direct).apply(configMaps, object, { force: true }, io))
}

async function onServer(namespace: string): Promise<Seen[]> {
  const patient = { ...io, deadline: Date.now() + 60_000 }
  return byName((await objectsOf(direct).list(configMaps, { namespace }, patient)).items.map(projectConfigMap))
}

async function remove(namespace: string, { name, uid }: Seen): Promise<void> {
  await objectsOf(direct).delete(configMaps, { namespace, name }, { uid }, io)
}

async function dropLease(name: string): Promise<void> {
  const key = { namespace: 'default', name }
  const uid = (await objectsOf(direct).get(leases, key, io))?.metadata.uid ?? ''
  await objectsOf(direct).delete(leases, key, { uid }, io)
}

describe('election', () => {
  test('renewals that fail at once are repeated after growing pauses, or when the server says', async () => {
    // Below 4 s the pauses would be lost in the time that calls take.
    const durationMs = 4_000
    const faults = ['unavailable', 'forbidden', 'reset', 'too-many'] as const
    const leaseOf = new Map(faults.map((fault) => [fault, fresh(`failing-${fault}`)]))
    proxy.fault = ({ method, path }) =>
      method === 'PATCH' ? faults.find((fault) => path.includes(`/${leaseOf.get(fault)}`)) : undefined
    const all = [...leaseOf.values()].map((name) => stand({ name, holder: 'one', durationMs, random: () => 1 }))
    expect(await Promise.all(all.map(({ end }) => end))).toEqual(faults.map(() => 'lost'))
    for (const [fault, name] of leaseOf) {
      const tries = callsFor(name).filter(({ method }) => method === 'PATCH')
      const asked = fault === 'too-many' ? (durationMs * 2) / 15 : 0
      const pauses = tries
        .slice(1)
        .map((_, k) => Math.max(asked, Math.min((durationMs / 75) * 2 ** k, durationMs / 10)))
      expect(tries.length).toBeGreaterThan(3)
      // The last one may be cut off by the loss of the Lease.
      gapsOf(tries).forEach((gap, k) => expect(gap, `${fault}, pause ${k}`).toBeGreaterThan(0.98 * pauses[k]!))
    }
  })

  test('a server that obeys and answers too late costs no Lease: that itself says that it is renewed', async () => {
    const name = fresh('mute')
    const one = stand({ name, holder: 'one', durationMs: 4_000 })
    await leadsFirst(one)
    proxy.fault = ({ method }) => (method === 'PATCH' ? 'mute' : undefined)
    const before = callsFor(name).length
    await vi.waitFor(() => expect(callsFor(name).length - before).toBeGreaterThanOrEqual(4), eventually)
    const methods = callsFor(name).slice(before, before + 4)
    expect(methods.map(({ method }) => method)).toEqual(['PATCH', 'GET', 'PATCH', 'GET'])
    expect(one.leading?.aborted).toBe(false)
    expect(one.epochs).toEqual([1])
  })

  test('who comes just after a Lease was deleted waits like all others: whoever held it does not know yet', async () => {
    const name = fresh('deleted')
    const one = stand({ name, holder: 'one', durationMs: 2_000 })
    await leadsFirst(one)
    await dropLease(name)
    let both = false
    const two = stand({ name, holder: 'two', durationMs: 2_000, kube: direct, isUnused: async () => false })
    const look = setInterval(() => (both ||= one.election.held(0) && two.election.held(0)), 1)
    ends.push(() => clearInterval(look))
    await vi.waitFor(() => expect(two.epochs).toEqual([1]), eventually)
    expect(both).toBe(false)
    expect(await one.end).toBe('lost')
  })

  test('work that does not end keeps this process from leading again, not the others', async () => {
    const name = fresh('stuck')
    const { promise, resolve } = Promise.withResolvers<void>()
    let ended = false
    const one = stand({ name, holder: 'one', durationMs: 2_000, work: () => promise })
    void one.end.then(() => (ended = true))
    await leadsFirst(one)
    const { leading } = one
    await dropLease(name)
    const two = stand({ name, holder: 'two', durationMs: 2_000, isUnused: async () => false })
    await vi.waitFor(() => expect(two.epochs).toEqual([1]), eventually)
    expect(leading?.aborted).toBe(true)
    expect(one.election.held(0)).toBe(false)
    expect(ended).toBe(false)
    resolve()
    expect(await one.end).toBe('lost')
  })
})

describe('lists and watches', () => {
  test('an answer that is no list deletes nothing', async () => {
    const namespace = await freshNamespace()
    await put(namespace, 'kept', '1')
    const followed = follow({ namespaces: [namespace] })
    await followed.reflector.synced(io.signal)
    let hollow = 0
    proxy.fault = ({ isWatch }) => (isWatch ? 'gone' : hollow++ < 2 ? 'hollow' : undefined)
    proxy.strikeWatches('gone')
    await put(namespace, 'new', '1')
    await vi.waitFor(() => expect(hollow).toBeGreaterThan(2), eventually)
    proxy.fault = () => undefined
    await expectTold(followed, await onServer(namespace))
    expect(followed.changes.filter(({ type }) => type === 'deleted')).toEqual([])
  })

  test('a refusal that begins and does not end holds no watch up', async () => {
    const namespace = await freshNamespace()
    const impatient = connectKube({ kubeconfigPath: proxy.kubeconfig, requestTimeoutMs: 300 })
    ends.push(() => void impatient.close())
    let stalled = 0
    proxy.fault = ({ isWatch }) => (isWatch && stalled++ < 2 ? 'stalled' : undefined)
    const followed = follow({ namespaces: [namespace] }, impatient)
    await followed.reflector.synced(io.signal)
    await put(namespace, 'new', '1')
    await expectTold(followed, await onServer(namespace))
    expect(stalled).toBeGreaterThan(2)
  })

  test('watches that give one event and then fail are begun ever more slowly', async () => {
    const namespace = await freshNamespace()
    const backoffMs = { min: 20, max: 10_000 }
    const followed = follow({ namespaces: [namespace], backoffMs, random: () => 1 })
    await followed.reflector.synced(io.signal)
    const lists = (): SeenCall[] =>
      proxy.calls.filter(
        ({ path, isWatch }) => !isWatch && path.startsWith(`/api/v1/namespaces/${namespace}/configmaps?`),
      )
    for (let round = 1; round <= 6; round++) {
      await vi.waitFor(() => expect(proxy.openWatches()).toBe(1), eventually)
      proxy.strikeWatches('last')
      await put(namespace, 'one', String(round))
      await vi.waitFor(() => expect(lists().length).toBe(round + 1), eventually)
    }
    gapsOf(lists()).forEach((gap, k) => expect(gap, `pause ${k}`).toBeGreaterThan(0.98 * 20 * 2 ** k))
    await expectTold(followed, await onServer(namespace))
  })
})

describe('ten thousand objects', () => {
  const COUNT = 10_000
  const nameOf = (number: number): string => `o-${String(number).padStart(5, '0')}`

  test('are followed through faults without one that is missed or told twice, while the Lease is kept', async ({
    annotate,
  }) => {
    const namespace = await freshNamespace()
    const own = await startFaultyProxy(api)
    const through = connectKube({ kubeconfigPath: own.kubeconfig })
    const renewals = connectKube({ kubeconfigPath: own.kubeconfig, connections: 2 })
    ends.push(() => void Promise.all([through.close(), renewals.close(), own.stop()]))
    const objects = Array.from({ length: COUNT }, (_, number) => ({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { namespace, name: nameOf(number), uid: randomUUID(), creationTimestamp: '2025-01-01T00:00:00Z' },
      data: { value: '0', padding: 'x'.repeat(2_000) },
    }))
    await fillEtcd(api, 'configmaps', objects)

    // As long as that of the controllers by default: it is the promise that is tried, not the machine.
    const holder = stand({ name: fresh('holder'), holder: 'one', durationMs: 15_000, kube: renewals })
    await leadsFirst(holder)
    const blocks = monitorEventLoopDelay({ resolution: 5 })
    blocks.enable()
    const heap = process.memoryUsage().heapUsed
    const began = performance.now()
    const followed = follow({ namespaces: [namespace], inactivityMs: 60_000 }, through)
    await followed.reflector.synced(io.signal)
    const [listed, block] = [performance.now() - began, blocks.max / 1e6]
    blocks.disable()
    expect(followed.reflector.list()).toHaveLength(COUNT)
    const pages = (): SeenCall[] => own.calls.filter(({ path, isWatch }) => !isWatch && path.includes('/configmaps?'))
    expect(pages()).toHaveLength(COUNT / 500)
    await vi.waitFor(() => expect(own.openWatches()).toBe(1), eventually)

    // While nobody watches: a hundred each are changed, deleted, and created anew.
    followed.changes.length = 0
    own.fault = ({ path, isWatch }) => (isWatch ? 'gone' : path.includes('/configmaps?') ? 'unavailable' : undefined)
    own.strikeWatches('gone')
    const seen = new Map((await onServer(namespace)).map((one) => [one.name, one]))
    const each = <T>(first: number, work: (name: string) => Promise<T>): Promise<T[]> =>
      Promise.all(Array.from({ length: 100 }, (_, number) => work(nameOf(first + number * 7))))
    await each(0, (name) => put(namespace, name, '1'))
    await each(1, (name) => remove(namespace, seen.get(name)!))
    await each(2, async (name) => {
      await remove(namespace, seen.get(name)!)
      await put(namespace, name, '1')
    })
    // Now of three calls one fails, the rest of a list expires once, and what was listed changes meanwhile.
    let calls = 0
    const during: Promise<unknown>[] = []
    own.fault = ({ path, isWatch }) => {
      if (!path.includes('/configmaps?')) return undefined
      calls++
      if (calls === 8) return 'gone'
      if (calls === 12) during.push(put(namespace, nameOf(3), '1'), put(namespace, nameOf(COUNT - 1), '1'))
      if (calls === 12) during.push(remove(namespace, seen.get(nameOf(10))!), put(namespace, 'new', '1'))
      return calls % 3 === 0 ? (isWatch ? 'reset' : 'unavailable') : undefined
    }
    const before = pages().length
    await vi.waitFor(() => expect(during.length).toBeGreaterThan(0), eventually)
    await Promise.all(during)
    await expectTold(followed, await onServer(namespace), [...seen.values()])
    // 300, of which 100 are told as a deletion and an addition, and four: none of the others is told at all.
    expect(followed.changes).toHaveLength(404)
    expect(pages().length - before).toBeLessThan(70)
    expect(holder.leading?.aborted).toBe(false)
    expect(holder.epochs).toEqual([1])
    // Eight for calls, the watch, and those of the renewals.
    expect(own.mostConnections()).toBeLessThanOrEqual(8 + 1 + 2)

    // At rest: nothing but renewals.
    await vi.waitFor(() => expect(own.openWatches()).toBe(1), eventually)
    const settled = own.calls.length
    await vi.waitFor(() => expect(own.calls.length).toBeGreaterThan(settled), eventually)
    expect(own.calls.slice(settled).every(({ path }) => path.includes('/leases/'))).toBe(true)
    const mib = Math.round((process.memoryUsage().heapUsed - heap) / 2 ** 20)
    await annotate(`listed in ${Math.round(listed)} ms, longest block ${Math.round(block)} ms, ${mib} MiB of heap more`)
  })
})
