import {
  type FaultyProxy,
  grant,
  type KubeApiServer,
  makeLimitedUser,
  startFaultyProxy,
  startKubeApiServer,
  type WatchFault,
} from '@slotkeeper/testing'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { configMaps, connectKube, type Kube, objectsOf } from '../src/index.ts'
import {
  byName,
  expectTold,
  type Followed,
  followConfigMaps,
  projectConfigMap,
  type Seen,
} from './follow-config-maps.ts'

let api: KubeApiServer
let proxy: FaultyProxy
/** Past the proxy. */
let direct: Kube
/** Through the proxy. */
let kube: Kube
let stop: AbortController
let namespace = ''
let count = 0
const io = { signal: new AbortController().signal }
const namespaces = { group: '', version: 'v1', plural: 'namespaces', kind: 'Namespace', namespaced: false }

beforeAll(async () => {
  api = await startKubeApiServer()
  direct = connectKube({ kubeconfigPath: api.kubeconfig })
})
afterAll(async () => {
  await direct?.close()
  await api?.stop()
})
beforeEach(async () => {
  proxy = await startFaultyProxy(api)
  kube = connectKube({ kubeconfigPath: proxy.kubeconfig, requestTimeoutMs: 300 })
  stop = new AbortController()
  namespace = await newNamespace()
})
afterEach(async () => {
  stop.abort()
  await kube.close()
  await proxy.stop()
})

async function newNamespace(): Promise<string> {
  const name = `reflector-${++count}`
  await objectsOf(direct).create(namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } }, io)
  return name
}

function follow(options: Parameters<typeof followConfigMaps>[2] = {}): Followed {
  return followConfigMaps(kube, stop.signal, { namespaces: [namespace], ...options })
}

async function write(
  name: string,
  value: string,
  labels: Record<string, string> = {},
  where = namespace,
): Promise<Seen> {
  const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: where, labels }, data: { value } }
  return projectConfigMap(await objectsOf(direct).apply(configMaps, object, { force: true }, io))
}

async function remove(name: string): Promise<void> {
  const found = await objectsOf(direct).get(configMaps, { namespace, name }, io)
  await objectsOf(direct).delete(configMaps, { namespace, name }, { uid: found?.metadata.uid ?? '' }, io)
}

async function onServer(): Promise<Seen[]> {
  return (await objectsOf(direct).list(configMaps, { namespace }, io)).items.map(projectConfigMap)
}

/** Waits until the cache is what the server has, and checks that the changes told the same story. */
async function expectCaughtUp(followed: Followed): Promise<void> {
  await expectTold(followed, byName(await onServer()))
}

async function watching(): Promise<void> {
  await vi.waitFor(() => expect(proxy.openWatches()).toBeGreaterThan(0), { timeout: 10_000, interval: 5 })
}

describe('faults', () => {
  const faults: readonly WatchFault[] = [
    'reset',
    'silence',
    'garbage',
    'garbled',
    'half-line',
    'half-reset',
    'gone',
    'end',
    'last',
  ]
  test.each(faults)('a watch whose next event is lost to "%s" misses nothing', async (fault) => {
    await write('kept', '1')
    await write('doomed', '1')
    const followed = follow()
    await followed.reflector.synced(io.signal)
    await watching()
    proxy.strikeWatches(fault)
    await write('kept', '2')
    await remove('doomed')
    await write('new', '1')
    await expectCaughtUp(followed)
    expect(followed.problems.length).toBe(fault === 'end' || fault === 'half-line' ? 0 : 1)
  })

  test.each(['unavailable', 'too-many', 'gone', 'reset', 'silence', 'stalled', 'hollow'] as const)(
    'lists and watches that meet "%s" go on',
    async (fault) => {
      let broken = 0
      proxy.fault = () => (broken++ < 2 ? fault : undefined)
      const followed = follow()
      await followed.reflector.synced(io.signal)
      broken = 0
      proxy.strikeWatches('end')
      await write('a', '1')
      await expectCaughtUp(followed)
      expect(followed.problems.length).toBeGreaterThan(0)
    },
  )

  test('an object created anew while nobody watched is a deletion and an addition', async () => {
    const old = await write('again', '1')
    const followed = follow()
    await followed.reflector.synced(io.signal)
    await watching()
    // Both the event and the events after it are lost: only a new list shows the change.
    proxy.strikeWatches('gone')
    proxy.fault = ({ isWatch }) => (isWatch ? 'gone' : undefined)
    await write('trigger', '1')
    await remove('again')
    const fresh = await write('again', '1')
    proxy.fault = () => undefined
    await expectCaughtUp(followed)
    const story = followed.changes
      .filter(({ object }) => object.name === 'again')
      .map(({ type, object }) => [type, object.uid])
    expect(story).toEqual([
      ['added', old.uid],
      ['deleted', old.uid],
      ['added', fresh.uid],
    ])
  })

  test('a storm of writes and faults ends with the same objects on both sides', { timeout: 60_000 }, async () => {
    const followed = follow()
    let seed = 20_250_101
    const draw = (below: number): number => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648
      return Math.floor((seed / 2_147_483_648) * below)
    }
    const struck = new Map<string, number>()
    proxy.fault = ({ isWatch }) =>
      ([undefined, undefined, undefined, 'unavailable', 'reset', isWatch ? 'gone' : undefined] as const)[draw(6)]
    for (let step = 0; step < 400 || struck.size < faults.length; step++) {
      const name = `o-${draw(12)}`
      const exists = (await onServer()).some((object) => object.name === name)
      if (exists && draw(3) === 0) await remove(name)
      else await write(name, String(step))
      const fault = faults[draw(faults.length)]
      if (fault !== undefined && draw(4) === 0 && proxy.openWatches() > 0) {
        proxy.strikeWatches(fault)
        struck.set(fault, (struck.get(fault) ?? 0) + 1)
      }
    }
    proxy.fault = () => undefined
    await expectCaughtUp(followed)
    expect([...struck.keys()].toSorted()).toEqual(faults.toSorted())
  })

  test('a server that answers nothing but errors is asked ever more slowly', async () => {
    proxy.fault = () => 'unavailable'
    const followed = follow({ backoffMs: { min: 20, max: 10_000 }, random: () => 1 })
    await vi.waitFor(() => expect(followed.problems.length).toBe(6), { timeout: 10_000, interval: 1 })
    // 20 + 40 + 80 + 160 + 320 ms lie between six tries.
    expect(proxy.calls.length).toBe(6)
    expect(followed.reflector.hasSynced()).toBe(false)
  })
})

describe('the cache', () => {
  test('an exception of a handler is told, and following goes on', async () => {
    let calls = 0
    const onChange = (): Promise<void> => {
      calls++
      if (calls === 1) throw new Error('thrown')
      return Promise.reject(new Error('rejected'))
    }
    const { reflector, problems } = follow({ onChange })
    await reflector.synced(io.signal)
    await write('a', '1')
    await write('b', '1')
    await vi.waitFor(() => expect(calls).toBe(2), { interval: 5 })
    await vi.waitFor(() => expect(problems.map(String)).toEqual(['Error: thrown', 'Error: rejected']), { interval: 5 })
    expect(reflector.list()).toHaveLength(2)
  })

  test('several namespaces, a selector and an index', async () => {
    const [other, unwatched] = [await newNamespace(), await newNamespace()]
    await write('a', '1', { cluster: 'x', ours: 'yes' })
    const { reflector } = follow({
      namespaces: [namespace, other],
      labelSelector: 'ours=yes',
      indexLabels: ['cluster'],
    })
    await reflector.synced(io.signal)
    await write('b', '1', { cluster: 'x', ours: 'yes' }, other)
    await write('c', '1', { cluster: 'y', ours: 'yes' }, other)
    await write('d', '1', { cluster: 'x' })
    await write('e', '1', { cluster: 'x', ours: 'yes' }, unwatched)
    await vi.waitFor(
      () =>
        expect(
          reflector
            .list()
            .map(({ name }) => name)
            .toSorted(),
        ).toEqual(['a', 'b', 'c']),
      { interval: 5 },
    )
    expect(reflector.byLabel('cluster', 'x').map(({ name }) => name)).toEqual(['a', 'b'])
    expect(reflector.byLabel('cluster', 'x', other).map(({ name }) => name)).toEqual(['b'])
    await write('b', '1', { cluster: 'y', ours: 'yes' }, other)
    await write('c', '1', { cluster: 'y', ours: 'no' }, other)
    await vi.waitFor(() => expect(reflector.byLabel('cluster', 'y').map(({ name }) => name)).toEqual(['b']), {
      interval: 5,
    })
    expect(reflector.byLabel('cluster', 'x', other)).toEqual([])
    expect(() => reflector.byLabel('unknown', 'x')).toThrow('not indexed')
  })

  test('a namespace that is refused to us holds up no other, is told of once, and is followed once it may be', async () => {
    const [open, closed] = [namespace, await newNamespace()]
    const rights = { resources: ['configmaps'], verbs: ['list', 'watch'] }
    const limited = connectKube({ kubeconfigPath: await makeLimitedUser(api, 'limited', [open], rights) })
    const accesses: [string, boolean][] = []
    const onAccess = (name: string, allowed: boolean): void => void accesses.push([name, allowed])
    const { reflector, problems } = follow({ kube: limited, namespaces: [open, closed], onAccess })
    await reflector.synced(io.signal, open)
    await vi.waitFor(() => expect(problems.length).toBeGreaterThan(2), { timeout: 15_000 })
    expect(reflector.hasSynced()).toBe(false)
    expect(accesses).toEqual([[closed, false]])
    await grant(api, 'limited', closed, rights)
    await reflector.synced(io.signal)
    expect(accesses).toEqual([
      [closed, false],
      [closed, true],
    ])
    stop.abort()
    await reflector.stopped
    await limited.close()
  })

  test('knows whether it shows our own last write', async () => {
    const { reflector } = follow()
    await reflector.synced(io.signal)
    expect(reflector.isAtLeast(namespace, 'a')).toBe(true)
    await watching()
    proxy.strikeWatches('silence')
    const written = await write('a', '1')
    reflector.noteWrite(namespace, 'a', written.version)
    expect(reflector.isAtLeast(namespace, 'a')).toBe(false)
    expect(reflector.isAtLeast(namespace, 'b')).toBe(true)
    await vi.waitFor(() => expect(reflector.isAtLeast(namespace, 'a')).toBe(true), { timeout: 5_000, interval: 5 })
    expect(reflector.get(namespace, 'a')).toEqual(written)
    // Deleted before it was ever seen: the watch passes its version all the same.
    const gone = await write('gone', '1')
    await remove('gone')
    reflector.noteWrite(namespace, 'gone', gone.version)
    await vi.waitFor(() => expect(reflector.isAtLeast(namespace, 'gone')).toBe(true), { timeout: 5_000, interval: 5 })
  })

  test('stops with its signal, and closes its connections', async () => {
    const { reflector, problems } = follow()
    await reflector.synced(io.signal)
    await watching()
    stop.abort()
    await reflector.stopped
    await vi.waitFor(() => expect(proxy.openWatches()).toBe(0), { interval: 5 })
    expect(problems).toEqual([])
    const late = new AbortController()
    proxy.fault = () => 'unavailable'
    stop = new AbortController()
    const waiting = follow().reflector.synced(late.signal)
    late.abort(new Error('enough'))
    await expect(waiting).rejects.toThrow('enough')
  })
})
