import { join } from 'node:path'
import { connectKube, type Objects, objectsOf, redisClusters } from '@slotkeeper/k8s'
import { grant, kubectl, type KubeApiServer, makeLimitedUser, startKubeApiServer } from '@slotkeeper/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { nextEpoch } from '../src/next-epoch.ts'

const rights = { resources: ['redisclusters.slotkeeper.dev'], verbs: ['list'] }
const io = () => ({ signal: AbortSignal.timeout(30_000) })
const realm = (objects: Objects, namespaces: readonly string[]) => ({
  objects,
  kinds: [{ resource: redisClusters, eventKind: 'cluster' }] as const,
  namespaces,
})
let api: KubeApiServer
let limited: Objects
const ends: (() => Promise<void>)[] = []

function connect(kubeconfigPath: string): Objects {
  const kube = connectKube({ kubeconfigPath })
  ends.push(() => kube.close())
  return objectsOf(kube)
}

beforeAll(async () => {
  api = await startKubeApiServer()
  ends.push(() => api.stop())
  await kubectl(api, 'apply', '-k', join(import.meta.dirname, '../../../deploy/crds'))
  await kubectl(api, 'wait', '--for=condition=Established', 'crd/redisclusters.slotkeeper.dev')
  limited = connect(await makeLimitedUser(api, 'limited', ['shop', 'stock'], rights))
  await kubectl(api, 'create', 'namespace', 'closed')
  const all = connect(api.kubeconfig)
  for (const [namespace, epoch] of [
    ['shop', 4],
    ['stock', 9],
    ['closed', 12],
  ] as const) {
    const metadata = { namespace, name: 'orders' }
    const spec = { version: 'valkey-9.1', shards: 3 }
    const made = { apiVersion: 'slotkeeper.dev/v1beta1', kind: 'RedisCluster', metadata, spec }
    const { metadata: own } = await all.create(redisClusters, made, io())
    const lifecycle = { life: 1, seq: 0, published: 0, epoch, holder: 'before' }
    await all.patchStatus(redisClusters, metadata, { state: 'Creating', lifecycle }, { uid: own.uid ?? '' }, io())
  }
})

afterAll(async () => {
  for (const end of ends.toReversed()) await end()
})

test('is above the counter and every status', async () => {
  const unreadable: string[] = []
  const draw = (counter: number): Promise<number> =>
    nextEpoch(realm(limited, ['shop', 'stock']), counter, ({ namespace }) => unreadable.push(namespace), io())
  expect(await draw(3)).toBe(10)
  expect(await draw(20)).toBe(21)
  expect(unreadable).toEqual([])
})

test('a namespace that may not be read is told of, and stops no election; what it may hold is leapt over', async () => {
  const unreadable: string[] = []
  const draw = (counter: number): Promise<number> =>
    nextEpoch(realm(limited, ['shop', 'closed', 'stock']), counter, (list) => unreadable.push(list.namespace), io())
  const before = Math.floor(Date.now() / 1_000)
  const drawn = await draw(0)
  expect(unreadable).toEqual(['closed'])
  expect(drawn).toBeGreaterThan(before)
  // What was drawn is the counter now; nor does it go back once the namespace can be read.
  expect(await draw(drawn)).toBeGreaterThan(drawn)
  await grant(api, 'limited', 'closed', rights)
  expect(await draw(drawn)).toBe(drawn + 1)
})

test('where nothing may be read, or a list fails otherwise, nothing is drawn', async () => {
  const draw = (objects: Objects, namespaces: readonly string[]): Promise<number> =>
    nextEpoch(realm(objects, namespaces), 5, () => undefined, io())
  await expect(draw(limited, ['default'])).rejects.toMatchObject({ reason: 'Forbidden' })
  await expect(draw(limited, [])).rejects.toMatchObject({ reason: 'Forbidden' })
  const ended = connectKube({ kubeconfigPath: api.kubeconfig })
  await ended.close()
  await expect(draw(objectsOf(ended), ['shop', 'closed'])).rejects.toMatchObject({ reason: 'Unavailable' })
})
