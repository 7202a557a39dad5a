import { writeFile } from 'node:fs/promises'
import {
  type FaultyProxy,
  type KubeApiServer,
  kubeconfigOf,
  startFaultyProxy,
  startKubeApiServer,
} from '@slotkeeper/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  configMaps,
  connectKube,
  createRecorder,
  events,
  type Kube,
  type KubeObject,
  objectsOf,
  pods,
  secrets,
} from '../src/index.ts'

let api: KubeApiServer
let proxy: FaultyProxy
let kube: Kube
const signal = new AbortController().signal
const io = { signal }

beforeAll(async () => {
  api = await startKubeApiServer()
  proxy = await startFaultyProxy(api)
  kube = connectKube({ kubeconfigPath: api.kubeconfig })
})
afterAll(async () => {
  await kube?.close()
  await proxy?.stop()
  await api?.stop()
})

function configMap(name: string, data: Record<string, string> = {}): KubeObject {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'default' }, data }
}

const keyed = (name: string) => ({ namespace: 'default', name })
const reason = (reason: string) => expect.objectContaining({ name: 'KubeError', reason })

describe('objects', () => {
  test('apply creates, removes fields that are given up, and leaves the fields of others', async () => {
    const objects = objectsOf(kube)
    await objects.apply(configMaps, configMap('applied', { a: '1', b: '1' }), {}, io)
    await objects.patch(configMaps, keyed('applied'), { data: { theirs: '1' } }, null, io)
    const again = await objects.apply(configMaps, configMap('applied', { a: '2' }), {}, io)
    expect(again.data).toEqual({ a: '2', theirs: '1' })
    const same = await objects.apply(configMaps, configMap('applied', { a: '2' }), {}, io)
    expect(same.metadata.resourceVersion).toBe(again.metadata.resourceVersion)
  })

  test("apply refuses another manager's field, and takes it by force", async () => {
    const objects = objectsOf(kube)
    await objects.apply(configMaps, configMap('shared', { a: '1' }), { fieldManager: 'other' }, io)
    await expect(objects.apply(configMaps, configMap('shared', { a: '2' }), {}, io)).rejects.toEqual(reason('Conflict'))
    const forced = await objects.apply(configMaps, configMap('shared', { a: '2' }), { force: true }, io)
    expect(forced.data).toEqual({ a: '2' })
  })

  test('a delete is meant for one uid and one version', async () => {
    const objects = objectsOf(kube)
    const first = await objects.create(configMaps, configMap('twice'), io)
    const uid = first.metadata.uid ?? ''
    await objects.patch(configMaps, keyed('twice'), { data: { a: '1' } }, null, io)
    const stale = { uid, resourceVersion: first.metadata.resourceVersion ?? '' }
    await expect(objects.delete(configMaps, keyed('twice'), stale, io)).rejects.toEqual(reason('Conflict'))
    expect(await objects.delete(configMaps, keyed('twice'), { uid }, io)).toBe(true)
    expect(await objects.delete(configMaps, keyed('twice'), { uid }, io)).toBe(false)
    await objects.create(configMaps, configMap('twice'), io)
    await expect(objects.delete(configMaps, keyed('twice'), { uid }, io)).rejects.toEqual(reason('Conflict'))
    await expect(objects.patch(configMaps, keyed('twice'), { data: { old: '1' } }, { uid }, io)).rejects.toEqual(
      reason('Conflict'),
    )
    expect((await objects.get(configMaps, keyed('twice'), io))?.data).toBeUndefined()
  })

  test('errors say what to do, and nothing of a Secret', async () => {
    const objects = objectsOf(kube)
    expect(await objects.get(configMaps, keyed('nowhere'), io)).toBeNull()
    await objects.create(configMaps, configMap('once'), io)
    await expect(objects.create(configMaps, configMap('once'), io)).rejects.toEqual(reason('AlreadyExists'))
    await expect(objects.create(configMaps, configMap('Not A Name'), io)).rejects.toEqual(reason('Invalid'))
    const huge = configMap('huge', { a: 'x'.repeat(2_000_000) })
    await expect(objects.create(configMaps, huge, io)).rejects.toEqual(reason('TooLarge'))
    const secret = { ...configMap('leak', { password: 'hunter2-not-base64' }), kind: 'Secret' }
    for (const call of [() => objects.create(secrets, secret, io), () => objects.apply(secrets, secret, {}, io)]) {
      const error: unknown = await call().catch((thrown: unknown) => thrown)
      expect(error).toMatchObject({
        name: 'KubeError',
        message: expect.stringMatching(/secrets.*: (400 Invalid|500 Other)$/),
      })
      expect(JSON.stringify(error) + String(error)).not.toContain('hunter2')
    }
    await expect(objects.delete(configMaps, keyed(''), { uid: 'a' }, io)).rejects.toThrow('without a name')
    await expect(objects.patch(configMaps, keyed(''), {}, null, io)).rejects.toThrow('without a name')
  })

  test('a thousand calls share the pool, and a list comes in pages', { timeout: 60_000 }, async () => {
    const proxied = connectKube({ kubeconfigPath: proxy.kubeconfig })
    const objects = objectsOf(proxied)
    await objects.create(namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'many' } }, io)
    const slow = { signal, deadline: Date.now() + 50_000 }
    const patient = connectKube({ kubeconfigPath: proxy.kubeconfig, requestTimeoutMs: 50_000 })
    const names = Array.from({ length: 1_100 }, (_, number) => `many-${String(number).padStart(4, '0')}`)
    await Promise.all(
      names.map((name) =>
        objectsOf(patient).create(configMaps, { ...configMap(name), metadata: { name, namespace: 'many' } }, slow),
      ),
    )
    const before = proxy.calls.length
    const list = await objectsOf(patient).list(configMaps, { namespace: 'many' }, io)
    expect(list.items.map(({ metadata }) => metadata.name)).toEqual(names)
    expect(list.items[0]).toMatchObject({ apiVersion: 'v1', kind: 'ConfigMap' })
    expect(proxy.calls.length - before).toBe(3)
    // Eight of the patient one, one of the other.
    expect(proxy.mostConnections()).toBeLessThanOrEqual(9)
    await Promise.all([proxied.close(), patient.close()])
  })
})

describe('lost answers', () => {
  const losing = async <T>(call: (objects: ReturnType<typeof objectsOf>) => Promise<T>): Promise<void> => {
    const proxied = connectKube({ kubeconfigPath: proxy.kubeconfig })
    proxy.fault = () => 'lost-answer'
    await expect(call(objectsOf(proxied))).rejects.toMatchObject({ reason: 'Unavailable', status: 0 })
    proxy.fault = () => undefined
    await proxied.close()
  }

  test('what was applied can be applied again, what was created is found there', async () => {
    const objects = objectsOf(kube)
    await losing((shaky) => shaky.apply(configMaps, configMap('unanswered', { a: '1' }), {}, io))
    const found = await objects.get(configMaps, keyed('unanswered'), io)
    expect(found?.data).toEqual({ a: '1' })
    const again = await objects.apply(configMaps, configMap('unanswered', { a: '1' }), {}, io)
    expect(again.metadata.resourceVersion).toBe(found?.metadata.resourceVersion)
    await losing((shaky) => shaky.create(configMaps, configMap('created'), io))
    await expect(objects.create(configMaps, configMap('created'), io)).rejects.toEqual(reason('AlreadyExists'))
  })

  test('what was deleted is gone, and its namesake is spared', async () => {
    const objects = objectsOf(kube)
    const uid = (await objects.create(configMaps, configMap('ended'), io)).metadata.uid ?? ''
    await losing((shaky) => shaky.delete(configMaps, keyed('ended'), { uid }, io))
    expect(await objects.delete(configMaps, keyed('ended'), { uid }, io)).toBe(false)
    const namesake = await objects.create(configMaps, configMap('ended'), io)
    await expect(objects.delete(configMaps, keyed('ended'), { uid }, io)).rejects.toEqual(reason('Conflict'))
    expect((await objects.get(configMaps, keyed('ended'), io))?.metadata.uid).toBe(namesake.metadata.uid)
  })

  test('what is applied to one object never falls on its namesake, nor makes it anew', async () => {
    const objects = objectsOf(kube)
    const uid = (await objects.create(configMaps, configMap('applied-to'), io)).metadata.uid ?? ''
    const meant = configMap('applied-to', { ours: '1' })
    const options = { force: true, uid }
    expect((await objects.apply(configMaps, meant, options, io)).data).toEqual({ ours: '1' })
    await objects.delete(configMaps, keyed('applied-to'), { uid }, io)
    await expect(objects.apply(configMaps, meant, options, io)).rejects.toEqual(reason('Conflict'))
    await objects.create(configMaps, configMap('applied-to', { theirs: '1' }), io)
    await expect(objects.apply(configMaps, meant, options, io)).rejects.toEqual(reason('Conflict'))
    expect((await objects.get(configMaps, keyed('applied-to'), io))?.data).toEqual({ theirs: '1' })
  })
})

const namespaces = { group: '', version: 'v1', plural: 'namespaces', kind: 'Namespace', namespaced: false }

describe('transport', () => {
  test('a read is repeated as the server asks, a write never', async () => {
    const proxied = connectKube({ kubeconfigPath: proxy.kubeconfig })
    const objects = objectsOf(proxied)
    let refusals = 1
    proxy.fault = () => (refusals-- > 0 ? 'too-many' : undefined)
    expect(await objects.get(configMaps, keyed('nowhere'), io)).toBeNull()
    refusals = 1
    const before = proxy.calls.length
    await expect(objects.create(configMaps, configMap('refused'), io)).rejects.toEqual(reason('TooMany'))
    expect(proxy.calls.length - before).toBe(1)
    refusals = 1
    proxy.fault = () => (refusals-- > 0 ? 'reset' : undefined)
    await expect(objects.create(configMaps, configMap('refused'), io)).rejects.toEqual(reason('Unavailable'))
    expect(await objects.get(configMaps, keyed('refused'), io)).toBeNull()
    await proxied.close()
  })

  test('silence ends at the deadline, an abort at once with its own reason', async () => {
    const proxied = connectKube({ kubeconfigPath: proxy.kubeconfig, requestTimeoutMs: 200 })
    proxy.fault = () => 'silence'
    await expect(objectsOf(proxied).get(configMaps, keyed('a'), io)).rejects.toEqual(reason('Timeout'))
    const deadline = Date.now() + 50
    const began = performance.now()
    await expect(objectsOf(proxied).get(configMaps, keyed('a'), { signal, deadline })).rejects.toEqual(
      reason('Timeout'),
    )
    expect(performance.now() - began).toBeLessThan(150)
    const abort = new AbortController()
    const call = objectsOf(proxied).get(configMaps, keyed('a'), { signal: abort.signal })
    abort.abort(new Error('enough'))
    await expect(call).rejects.toThrow('enough')
    proxy.fault = () => undefined
    await proxied.close()
  })

  test('a success that holds no object is no answer', async () => {
    const proxied = connectKube({ kubeconfigPath: proxy.kubeconfig })
    const objects = objectsOf(proxied)
    proxy.fault = () => 'hollow'
    await expect(objects.get(configMaps, keyed('a'), io)).rejects.toEqual(reason('Unavailable'))
    await expect(objects.apply(configMaps, configMap('a'), {}, io)).rejects.toEqual(reason('Unavailable'))
    await expect(objects.list(configMaps, { namespace: 'default' }, io)).rejects.toEqual(reason('Unavailable'))
    proxy.fault = () => undefined
    await proxied.close()
  })

  test('a token that was replaced is read again', async () => {
    const path = `${api.kubeconfig}-token`
    await writeFile(path, kubeconfigOf(proxy.url, 'wrong'))
    const proxied = connectKube({ kubeconfigPath: path })
    await expect(objectsOf(proxied).get(configMaps, keyed('a'), io)).rejects.toEqual(reason('Unauthorized'))
    await writeFile(path, kubeconfigOf(proxy.url, api.token))
    expect(await objectsOf(proxied).get(configMaps, keyed('a'), io)).toBeNull()
    await proxied.close()
  })
})

describe('recorder', () => {
  test('repeats of one note are one Event with a count, another note is another; a failure is told and forgotten', async () => {
    const objects = objectsOf(kube)
    const problems: unknown[] = []
    const recorder = createRecorder({
      objects,
      controller: 'slotkeeper.dev/cluster-controller',
      instance: 'test-0',
      onProblem: (problem) => problems.push(problem),
    })
    const regarding = { apiVersion: 'v1', kind: 'Pod', namespace: 'default', name: 'told', uid: 'uid-1' }
    for (let times = 0; times < 5; times++) {
      recorder.record({
        regarding,
        type: 'Warning',
        reason: 'PrimaryLost',
        action: 'FailOver',
        note: `shard 0: ${'é'.repeat(1_000)}`,
      })
    }
    recorder.record({ regarding, type: 'Normal', reason: 'ClusterFormed', action: 'Observe', note: 'formed' })
    recorder.record({ regarding, type: 'Warning', reason: 'PrimaryLost', action: 'FailOver', note: 'shard 1: lost' })
    const elsewhere = { ...regarding, namespace: 'no-such-namespace', uid: 'uid-2' }
    recorder.record({
      regarding: elsewhere,
      type: 'Normal',
      reason: 'ClusterFormed',
      action: 'Observe',
      note: 'formed',
    })
    await recorder.close()
    const written = (await objects.list(events, { namespace: 'default' }, io)).items.filter(
      (event) => String(event.reportingInstance) === 'test-0',
    )
    expect(
      written.map(({ reason, series }) => [reason, (series as { count?: number } | undefined)?.count]).toSorted(),
    ).toEqual([
      ['ClusterFormed', undefined],
      ['PrimaryLost', undefined],
      ['PrimaryLost', 5],
    ])
    expect(problems).toEqual([reason('NotFound')])
  })
})

test('pods can be written without a kubelet', async () => {
  const spec = { containers: [{ name: 'a', image: 'none' }] }
  const pod = await objectsOf(kube).create(
    pods,
    { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a', namespace: 'default' }, spec },
    io,
  )
  expect(pod.status).toMatchObject({ phase: 'Pending' })
})
