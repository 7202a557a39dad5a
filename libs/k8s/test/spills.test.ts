import { type KubeApiServer, startKubeApiServer } from '@slotkeeper/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { configMaps, connectKube, createSpills, type Kube, objectsOf } from '../src/index.ts'

let server: KubeApiServer
let kube: Kube
const io = { signal: AbortSignal.timeout(60_000), deadline: Date.now() + 60_000 }

beforeAll(async () => {
  server = await startKubeApiServer()
  kube = connectKube({ kubeconfigPath: server.kubeconfig })
})

afterAll(async () => {
  await kube?.close()
  await server?.stop()
})

const spillOf = (name: string, from: number, to: number, life = 1) => ({
  key: { namespace: 'shop', name },
  uid: `uid-${name}`,
  life,
  entries: Array.from({ length: to - from + 1 }, (_, place) => ({ seq: from + place, type: 'Seen' })),
})

test('what is spilled can be listed by its object and altogether, once, until it is removed', async () => {
  const spills = createSpills({ objects: objectsOf(kube), namespace: 'default', kind: 'cluster' })
  const [first, second, other] = [spillOf('orders', 1, 32), spillOf('orders', 33, 40), spillOf('cart', 5, 5, 7)]
  for (const one of [first, second, other, first]) await spills.write(one, io)
  expect(await spills.list(first.key, io)).toEqual(expect.arrayContaining([first, second]))
  expect(await spills.list(first.key, io)).toHaveLength(2)
  expect(await spills.list(null, io)).toHaveLength(3)
  expect(await createSpills({ objects: objectsOf(kube), namespace: 'default', kind: 'backup' }).list(null, io)).toEqual(
    [],
  )
  await spills.remove(first, io)
  await spills.remove(first, io)
  expect(await spills.list(first.key, io)).toEqual([second])
})

test('names that share a label are told apart, and what is no spill is left alone', async () => {
  const spills = createSpills({ objects: objectsOf(kube), namespace: 'default', kind: 'long' })
  const [a, b] = [spillOf(`${'n'.repeat(60)}-a`, 1, 1), spillOf(`${'n'.repeat(60)}-b`, 1, 1)]
  await spills.write(a, io)
  await spills.write(b, io)
  expect(await spills.list(a.key, io)).toEqual([a])
  const metadata = { name: 'somebodys', namespace: 'default', labels: { 'slotkeeper.dev/spill': 'long' } }
  await objectsOf(kube).create(configMaps, { apiVersion: 'v1', kind: 'ConfigMap', metadata }, io)
  expect(await spills.list(null, io)).toHaveLength(2)
})

test('a spill of the largest size is taken whole', async () => {
  const spills = createSpills<{ readonly seq: number; readonly data: string }>({
    objects: objectsOf(kube),
    namespace: 'default',
    kind: 'large',
  })
  // 256 KiB of entries, each character of which takes two in the ConfigMap.
  const entries = Array.from({ length: 400 }, (_, place) => ({ seq: place + 1, data: '"'.repeat(320) }))
  const large = { ...spillOf('large', 1, 0), entries }
  await spills.write(large, io)
  expect(await spills.list(large.key, io)).toEqual([large])
})
