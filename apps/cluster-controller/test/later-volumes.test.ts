import { claimName, volumeName } from '@slotkeeper/api'
import { redisClusters, statefulSets } from '@slotkeeper/k8s'
import { type PlayedCluster, until } from '@slotkeeper/testing'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { KEYS, type Placed, RANGES, RestoredStage } from './restored-stage.ts'

/*
 * A cluster that was restored in place and deleted by mistake: its data are not on the volumes that a new one of its name
 * begins with. Neither old data nor an empty cluster may come of that unasked.
 */
const PATIENCE_MS = 60_000
const FORMER = 'uid-of-the-former'
const RESTORE = { uid: 'uid-of-monday', inPlace: true }
const WISH = { engine: 'valkey-9.1', persistence: 'aof' } as const
let stage: RestoredStage
let kubernetes: PlayedCluster

vi.setConfig({ testTimeout: 6 * PATIENCE_MS })

beforeAll(async () => {
  stage = await RestoredStage.open()
  kubernetes = stage.kubernetes
})
afterAll(() => kubernetes?.stop())
afterEach(() => stage.clear())

async function createClaims(cluster: string): Promise<void> {
  for (const shard of RANGES.keys()) await stage.createClaim(cluster, shard, RESTORE.uid)
}

const whyStalled = (cluster: string): Promise<string> =>
  until('the reason', PATIENCE_MS, async () => {
    const { conditions } = (await stage.statusOf(cluster)) ?? {}
    return conditions?.find((one) => one.type === 'Stalled' && one.reason === 'VolumeHasOtherData')?.message
  })

const create = (name: string, more: object = {}): Promise<unknown> =>
  kubernetes.create(redisClusters, name, {
    version: WISH.engine,
    shards: 3,
    storage: { size: '1Gi', persistence: WISH.persistence },
    ...more,
  })

test.each([
  ['made anew', 'anew', {}],
  ['that adopts the volumes of before', 'adopting', { bootstrap: { adoptVolumes: { uid: FORMER } } }],
])('a cluster %s begins with nothing before a person says with what', async (_how, name, more) => {
  await createClaims(name)
  await create(name, more)
  const why = await whyStalled(name)
  expect(why).toContain(claimName(volumeName(RESTORE), name, 0, 0))
  expect(why).toContain(`uid: ${RESTORE.uid}, inPlace: true`)
  await kubernetes.restart()
  await kubernetes.change(redisClusters, name, { maxMemory: '64M' })
  await until('a pass', PATIENCE_MS, async () => {
    const found = await kubernetes.find(redisClusters, name)
    const { observedGeneration } = (found?.['status'] ?? {}) as { readonly observedGeneration?: number }
    return observedGeneration === found?.metadata.generation ? true : undefined
  })
  expect(await kubernetes.find(statefulSets, `${name}-0`)).toBe(null)
  await kubernetes.remove(redisClusters, name)
})

/** A cluster that begins with these volumes, as a person said; gives it once it is whole. */
async function begun(name: string, bootstrap: object, volumes?: readonly string[]): Promise<readonly Placed[]> {
  await createClaims(name)
  await create(name)
  await whyStalled(name)
  await kubernetes.change(redisClusters, name, { bootstrap })
  const placed = await stage.place(name, WISH, volumes)
  if (volumes === undefined)
    await stage.seed(placed, { restore: RESTORE.uid, ...WISH }, await stage.contentsBy(WISH.engine))
  await stage.start(placed)
  await kubernetes.sees(redisClusters, name, 'Healthy')
  const first = placed.filter(({ place }) => place.endsWith('-0'))
  const sizes = await Promise.all(first.map(({ pod }) => pod.tell(['DBSIZE'])))
  expect(sizes.flat().reduce<number>((sum, size) => sum + Number(size), 0)).toBe(KEYS)
  return placed
}

test('named, they are what it begins with; and, once its servers had them, what the next one begins with', async () => {
  const restore = { name: 'former', ...RESTORE }
  const placed = await begun('again', { restore })
  const { uid } = (await kubernetes.find(redisClusters, 'again'))?.metadata ?? {}
  await kubernetes.remove(redisClusters, 'again')
  await Promise.all(placed.map(({ pod }) => pod.terminate()))
  // Nobody takes away here what a cluster owned: another name stands for the same one.
  const volumes = placed.map(({ pod }) => pod.data)
  await begun('once-more', { restore, adoptVolumes: { uid } }, volumes)
  await kubernetes.remove(redisClusters, 'once-more')
})

test('whoever discards what an earlier cluster left is not asked', async () => {
  const name = 'discarding'
  await createClaims(name)
  await create(name, { bootstrap: { discardVolumes: { uid: FORMER } } })
  await until('a StatefulSet', PATIENCE_MS, async () => (await kubernetes.find(statefulSets, `${name}-0`)) ?? undefined)
  await kubernetes.remove(redisClusters, name)
})
