import { type FaultyProxy, type KubeApiServer, startFaultyProxy, startKubeApiServer } from '@slotkeeper/testing'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import {
  connectKube,
  createStatusWriter,
  type Kube,
  type KubeObject,
  objectsOf,
  type ResourceDescriptor,
} from '../src/index.ts'

let api: KubeApiServer
let kube: Kube
let proxy: FaultyProxy
/** Through the proxy. */
let proxied: Kube
const io = { signal: new AbortController().signal }
const things: ResourceDescriptor = {
  group: 'test.slotkeeper.dev',
  version: 'v1',
  plural: 'things',
  kind: 'Thing',
  namespaced: true,
}
const definitions: ResourceDescriptor = {
  group: 'apiextensions.k8s.io',
  version: 'v1',
  plural: 'customresourcedefinitions',
  kind: 'CustomResourceDefinition',
  namespaced: false,
}
const open = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }
const definition: KubeObject = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'things.test.slotkeeper.dev' },
  spec: {
    group: things.group,
    scope: 'Namespaced',
    names: { plural: 'things', singular: 'thing', kind: 'Thing' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: { openAPIV3Schema: { type: 'object', properties: { spec: open, status: open } } },
      },
    ],
  },
}

beforeAll(async () => {
  api = await startKubeApiServer()
  kube = connectKube({ kubeconfigPath: api.kubeconfig })
  proxy = await startFaultyProxy(api)
  proxied = connectKube({ kubeconfigPath: proxy.kubeconfig })
  await objectsOf(kube).create(definitions, definition, io)
  await vi.waitUntil(
    () =>
      objectsOf(kube)
        .list(things, {}, io)
        .then(
          () => true,
          () => false,
        ),
    { timeout: 20_000 },
  )
})
afterAll(async () => {
  await Promise.all([kube?.close(), proxied?.close()])
  await proxy?.stop()
  await api?.stop()
})

type Status = Readonly<Record<string, unknown>>
type Thing = {
  readonly metadata: {
    readonly namespace: string
    readonly name: string
    readonly uid: string
    readonly resourceVersion: string
  }
  readonly status: Status | null
}

function parse(object: KubeObject): Thing {
  const { name, namespace = '', uid = '', resourceVersion = '' } = object.metadata
  return { metadata: { name, namespace, uid, resourceVersion }, status: (object.status as Status | undefined) ?? null }
}

/** An older controller, which knows nothing of `newer`. */
function parseOlder(object: KubeObject): Thing {
  const { newer: _newer, ...status } = (object.status ?? {}) as Status
  return { ...parse(object), status: object.status === undefined ? null : status }
}

const key = (name: string) => ({ namespace: 'default', name })
const conflict = expect.objectContaining({ name: 'KubeError', reason: 'Conflict' })

async function create(name: string): Promise<Thing> {
  const thing = {
    apiVersion: 'test.slotkeeper.dev/v1',
    kind: 'Thing',
    metadata: { name, namespace: 'default' },
    spec: { a: 1 },
  }
  return parse(await objectsOf(kube).create(things, thing, io))
}

test('the committed status is the whole status: what is gone is removed, at every depth', async () => {
  const wrote = vi.fn()
  const writer = createStatusWriter({ objects: objectsOf(kube), resource: things, parse, wrote })
  const first = await writer.commit(
    await create('whole'),
    { state: 'Up', shards: { a: { pod: 'x', at: 1 }, b: {} }, list: [{ a: 1 }] },
    io,
  )
  const next = { state: 'Up', shards: { a: { pod: 'y' } }, list: [] }
  const second = await writer.commit(first, next, io)
  expect(second.status).toEqual(next)
  expect((await writer.get(key('whole'), io))?.status).toEqual(next)
  expect(wrote).toHaveBeenLastCalledWith(first, second)
  expect(await writer.commit(second, structuredClone(next), io)).toBe(second)
  expect(wrote).toHaveBeenCalledTimes(2)
  expect(await writer.get(key('nowhere'), io)).toBeNull()
})

test('an erased or never written status is written whole, even when it is empty', async () => {
  const writer = createStatusWriter({ objects: objectsOf(kube), resource: things, parse })
  expect((await writer.commit(await create('empty'), {}, io)).status).toEqual({})
})

test('of two writers of one version, one has a conflict', async () => {
  const writer = createStatusWriter({ objects: objectsOf(kube), resource: things, parse })
  const thing = await create('contested')
  await writer.commit(thing, { by: 'one' }, io)
  await expect(writer.commit(thing, { by: 'two' }, io)).rejects.toEqual(conflict)
  expect((await writer.get(key('contested'), io))?.status).toEqual({ by: 'one' })
})

test('an object created anew never takes the status of the one before it', async () => {
  const writer = createStatusWriter({ objects: objectsOf(kube), resource: things, parse })
  const old = await writer.commit(await create('again'), { formed: 1 }, io)
  await objectsOf(kube).delete(things, key('again'), { uid: old.metadata.uid }, io)
  await expect(writer.commit(old, { formed: 2 }, io)).rejects.toMatchObject({ reason: 'NotFound' })
  const fresh = await create('again')
  await expect(writer.commit(old, { formed: 2 }, io)).rejects.toEqual(conflict)
  expect(fresh.metadata.uid).not.toBe(old.metadata.uid)
  expect((await writer.get(key('again'), io))?.status).toBeNull()
})

test('an older controller keeps the fields of a newer one', async () => {
  const newer = createStatusWriter({ objects: objectsOf(kube), resource: things, parse })
  const older = createStatusWriter({ objects: objectsOf(kube), resource: things, parse: parseOlder })
  await newer.commit(await create('skew'), { state: 'Up', newer: { kept: true } }, io)
  const seen = await older.get(key('skew'), io)
  await older.commit(seen!, { state: 'Down' }, io)
  expect((await newer.get(key('skew'), io))?.status).toEqual({ state: 'Down', newer: { kept: true } })
})

test('a status beyond the limit of etcd is TooLarge', async () => {
  const writer = createStatusWriter({ objects: objectsOf(kube), resource: things, parse })
  const thing = await create('large')
  await expect(writer.commit(thing, { text: 'x'.repeat(2_000_000) }, io)).rejects.toMatchObject({ reason: 'TooLarge' })
})

test.each([
  ['lost-answer', 'Unavailable', true],
  ['reset', 'Unavailable', false],
  ['too-many', 'TooMany', false],
  ['too-large', 'TooLarge', false],
  ['forbidden', 'Forbidden', false],
] as const)('a write that meets "%s" is sent once, and never done twice', async (fault, reason, done) => {
  const wrote = vi.fn()
  const writer = createStatusWriter({ objects: objectsOf(proxied), resource: things, parse, wrote })
  const before = await create(`met-${fault}`)
  const first = proxy.calls.length
  proxy.fault = () => fault
  await expect(writer.commit(before, { state: 'Up', seq: 1 }, io)).rejects.toMatchObject({ reason })
  proxy.fault = () => undefined
  expect(proxy.calls.slice(first).map(({ method }) => method)).toEqual(['PATCH'])
  expect(wrote).not.toHaveBeenCalled()
  const found = await writer.get(key(before.metadata.name), io)
  expect(found?.status).toEqual(done ? { state: 'Up', seq: 1 } : null)
  // Who did not see that it was done has no way to do it again: what they read is old.
  const again = writer.commit(before, { state: 'Up', seq: 1, again: true }, io)
  await (done ? expect(again).rejects.toEqual(conflict) : expect(again).resolves.toBeDefined())
})

test('the status can be applied by server-side apply too', async () => {
  const thing = await create('applied')
  const body = {
    apiVersion: 'test.slotkeeper.dev/v1',
    kind: 'Thing',
    metadata: key('applied'),
    status: { state: 'Up' },
  }
  const applied = await objectsOf(kube).applyStatus(things, body, { force: true }, io)
  expect(parse(applied).status).toEqual({ state: 'Up' })
  expect(applied.metadata.uid).toBe(thing.metadata.uid)
})
