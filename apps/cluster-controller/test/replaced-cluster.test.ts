import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { claimName, LABEL, volumeName } from '@slotkeeper/api'
import {
  configMaps,
  type KubeObject,
  persistentVolumeClaims,
  pods,
  redisClusters,
  secrets,
  services,
  statefulSets,
} from '@slotkeeper/k8s'
import { type PlayedCluster, until } from '@slotkeeper/testing'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { type Placed, RANGES, RestoredStage, type Wish } from './restored-stage.ts'
import { volumeDigest } from './volume-digest.ts'

/*
 * A restore into a cluster that is there: real servers with real data, filled volumes beside them, and a controller that is
 * ended and started anew wherever it may stop.
 */
const PATIENCE_MS = 60_000
const WISH = { engine: 'valkey-9.1', persistence: 'aof' } as const
const RESTORE = { name: 'monday', uid: 'uid-of-monday', inPlace: true }
const WITHDRAWN = { bootstrap: { restore: null } }
let stage: RestoredStage
let kubernetes: PlayedCluster

vi.setConfig({ testTimeout: 6 * PATIENCE_MS })

beforeAll(async () => {
  stage = await RestoredStage.open()
  kubernetes = stage.kubernetes
})
afterAll(() => kubernetes?.stop())
afterEach(() => stage.clear())

const setNames = (cluster: string): readonly string[] => [...RANGES.keys()].map((shard) => `${cluster}-${shard}`)

/** The claim that a StatefulSet made for a pod of before, and that goes with it. */
async function createFormerClaim(cluster: string, owner: KubeObject | null, kind = 'StatefulSet'): Promise<void> {
  const spec = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } }
  const { uid = '', name = '' } = owner?.metadata ?? {}
  const ownerReferences = [{ apiVersion: kind === 'StatefulSet' ? 'apps/v1' : 'v1', kind, name, uid }]
  await kubernetes.create(persistentVolumeClaims, `data-${name}-0`, spec, {
    labels: { [LABEL.cluster]: cluster },
    ownerReferences,
  })
}

const uidsOfSets = (cluster: string): Promise<readonly (string | undefined)[]> =>
  Promise.all(setNames(cluster).map(async (name) => (await kubernetes.find(statefulSets, name))?.metadata.uid))

const whyStalled = async (cluster: string): Promise<string | undefined> => {
  const status = await stage.statusOf(cluster)
  return status?.conditions?.find((one) => one.type === 'Stalled' && one.reason === 'RestoreHeld')?.message
}

/** A cluster with data of its own, that is to have another one. */
async function serving(name: string, wish: Wish = WISH): Promise<readonly Placed[]> {
  const placed = await stage.create(name, wish)
  await stage.start(placed)
  await kubernetes.sees(redisClusters, name, 'Healthy')
  return placed
}

/** Ends the servers of before, as kubelet does with pods that are deleted. */
async function endServers(placed: readonly Placed[]): Promise<void> {
  await until('pods that end', PATIENCE_MS, async () => {
    const left = await Promise.all(placed.map(({ place }) => kubernetes.find(pods, place)))
    return left.every((one) => one === null || one.metadata.deletionTimestamp !== undefined) ? true : undefined
  })
  await Promise.all(placed.map(({ pod }) => pod.terminate()))
  await Promise.all(placed.map(({ place }) => kubernetes.vanish(pods, place)))
}

test('without the new volumes nothing of what is there is touched; it goes on serving', async () => {
  const name = 'early'
  const placed = await serving(name)
  const before = await uidsOfSets(name)
  for (const shard of [0, 2]) await stage.createClaim(name, shard, RESTORE.uid)
  await stage.createClaim(name, 1, RESTORE.uid, 'somebody-else')
  await kubernetes.change(redisClusters, name, { bootstrap: { restore: RESTORE } })
  const why = await until('the reason', PATIENCE_MS, () => whyStalled(name))
  expect(why).toContain(claimName(volumeName(RESTORE), name, 1, 0))
  await kubernetes.restart()
  await kubernetes.change(redisClusters, name, { maxMemory: '64M' })
  await until('the new setting', PATIENCE_MS, async () => {
    const settings = String(await placed[0]?.pod.tell(['CONFIG', 'GET', 'maxmemory']))
    return settings === 'maxmemory,64000000' ? true : undefined
  })
  expect(await uidsOfSets(name)).toEqual(before)
  expect(await stage.statusOf(name)).not.toHaveProperty('restored')
  for (const { pod } of placed) expect(String(await pod.tell(['CLUSTER', 'INFO']))).toContain('cluster_state:ok')
  const told = await kubernetes.told('cluster', name)
  expect(told).not.toContain('RestoreBegun')
  await kubernetes.remove(redisClusters, name)
})

test.each([
  ['orders', WISH],
  ['carts', { engine: 'redis-7.0', persistence: 'rdb' } as const],
])(
  '%s take the new data over, though the controller ends at every step, and the old stays as it was',
  async (name, wish) => {
    const former = await serving(name, wish)
    const contents = await stage.contentsBy(wish.engine, 'restored value')
    const first = former.filter(({ place }) => place.endsWith('-0')).map(({ pod }) => pod)
    const keys = contents.flatMap((one) => one.keys)
    for (const [shard, pod] of first.entries()) {
      const mine = contents[shard]?.keys ?? []
      await pod.tell(...mine.map((key) => ['SET', key, 'old']), ['SET', `{${mine[0]}}later`, 'written since'])
    }
    const { formedAt } = (await stage.statusOf(name)) ?? {}
    const [password, service] = [await kubernetes.find(secrets, `${name}-auth`), await kubernetes.find(services, name)]
    const old = await uidsOfSets(name)

    await createFormerClaim(name, await kubernetes.find(statefulSets, `${name}-0`))
    // What somebody else has made the owner of a claim does not go with a StatefulSet.
    await createFormerClaim(name, await kubernetes.find(configMaps, `${name}-config`), 'ConfigMap')
    // As with storage.retain false: what deletes this StatefulSet deletes its volumes.
    const taking = { persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Delete', whenScaled: 'Retain' } }
    await kubernetes.change(statefulSets, `${name}-1`, taking)
    for (const shard of RANGES.keys()) await stage.createClaim(name, shard, RESTORE.uid)
    await kubernetes.change(redisClusters, name, { bootstrap: { restore: RESTORE } })
    await kubernetes.sees(redisClusters, name, 'Restoring')
    await kubernetes.restart()
    await until('volumes that stay', PATIENCE_MS, async () => {
      const found = await kubernetes.find(statefulSets, `${name}-1`)
      return JSON.stringify(found?.['spec']).includes('"whenDeleted":"Retain"') ? true : undefined
    })
    // One claim still belongs to its StatefulSet: Kubernetes would take it along.
    await kubernetes.restart()
    await kubernetes.change(redisClusters, name, { maxMemory: '64M' })
    await until('a pass', PATIENCE_MS, async () => {
      const config = await kubernetes.find(configMaps, `${name}-config`)
      return JSON.stringify(config).includes('64000000') ? true : undefined
    })
    expect(await uidsOfSets(name)).toEqual(old)
    await kubernetes.disown(persistentVolumeClaims, `data-${name}-0-0`)
    await until('no StatefulSet', PATIENCE_MS, async () => {
      const left = await uidsOfSets(name)
      return left.every((uid) => uid === undefined) ? true : undefined
    })
    await kubernetes.restart()
    expect(await uidsOfSets(name)).toEqual([undefined, undefined, undefined])
    await endServers(former)
    const digests = await Promise.all(former.map(({ pod }) => volumeDigest(pod.data)))
    await kubernetes.restart()

    const placed = await stage.place(name, wish)
    expect(new Set(await uidsOfSets(name)).size).toBe(3)
    await stage.seed(placed, { restore: RESTORE.uid, persistence: wish.persistence }, contents)
    await stage.start(placed.slice(0, 3))
    await kubernetes.restart()
    await stage.start(placed.slice(3))
    const status = await until('the end', PATIENCE_MS, async () => {
      const seen = await stage.statusOf(name)
      return seen?.restored?.formedAt !== undefined && seen.state === 'Healthy' ? seen : undefined
    })

    expect(status).toMatchObject({ formedAt, restored: { name: 'monday', uid: RESTORE.uid } })
    for (const [shard, { keys: mine }] of contents.entries()) {
      const values = await placed[2 * shard]?.pod.tell(...mine.map((key) => ['GET', key]))
      expect(values).toEqual(mine.map((key) => `restored value of ${key}`))
      expect(await placed[2 * shard + 1]?.pod.tell(['DBSIZE'])).toEqual([mine.length])
    }
    expect(keys.length).toBe(contents.reduce((sum, one) => sum + one.keys.length, 0))
    expect(await Promise.all(former.map(({ pod }) => volumeDigest(pod.data)))).toEqual(digests)
    expect((await kubernetes.find(secrets, `${name}-auth`))?.['data']).toEqual(password?.['data'])
    expect((await kubernetes.find(services, name))?.metadata.uid).toBe(service?.metadata.uid)
    const told = await kubernetes.told('cluster', name)
    for (const once of ['ClusterFormed', 'RestoreBegun', 'Restored'])
      expect(told.filter((type) => type === once)).toHaveLength(1)
    expect(told).not.toContain('MemberLeft')
    expect(told.indexOf('RestoreBegun')).toBeLessThan(told.indexOf('Restored'))
    await expect(kubernetes.change(redisClusters, name, WITHDRAWN)).rejects.toThrow(/too late/)
    await kubernetes.remove(redisClusters, name)
  },
)

const newClaims = (name: string): readonly string[] =>
  [...RANGES.keys()].map((shard) => claimName(volumeName(RESTORE), name, shard, 0))

describe('new volumes that go after the order was committed', () => {
  /** A cluster with keys of its own that is told to give them up, up to the point at which that is committed. */
  async function ordered(name: string) {
    const former = await serving(name)
    const contents = await stage.contentsBy(WISH.engine)
    for (const [shard, { keys }] of contents.entries())
      await former[2 * shard]?.pod.tell(...keys.map((key) => ['SET', key, `kept ${key}`]))
    // As kubelet does: a file that nobody saw to be whole is not served before the other servers were asked.
    for (const { pod } of former)
      await until('a whole file', PATIENCE_MS, async () => {
        await pod.probe()
        return existsSync(join(pod.data, 'slotkeeper.whole')) || undefined
      })
    // A claim that still belongs to its StatefulSet holds the next step up.
    await createFormerClaim(name, await kubernetes.find(statefulSets, `${name}-0`))
    for (const shard of RANGES.keys()) await stage.createClaim(name, shard, RESTORE.uid)
    await kubernetes.change(redisClusters, name, { bootstrap: { restore: RESTORE } })
    await kubernetes.sees(redisClusters, name, 'Restoring')
    return { former, contents }
  }

  async function loseNewVolumes(name: string): Promise<void> {
    for (const claim of newClaims(name)) await kubernetes.remove(persistentVolumeClaims, claim)
  }

  async function expectKept(placed: readonly Placed[], contents: Awaited<ReturnType<typeof ordered>>['contents']) {
    for (const [shard, { keys }] of contents.entries()) {
      // Who has just come back answers nobody for a moment, and is perhaps a replica by then.
      const pods = placed.slice(2 * shard, 2 * shard + 2).map(({ pod }) => pod)
      const values = await until(`the keys of shard ${shard}`, PATIENCE_MS, async () => {
        const all = await Promise.all(pods.map((pod) => pod.tell(...keys.map((key) => ['GET', key]))))
        return all.find((answers) => answers.every((one) => typeof one === 'string' || one === null))
      })
      expect(values).toEqual(keys.map((key) => `kept ${key}`))
    }
  }

  test('while all servers run: the order is taken out, and they never noticed', async () => {
    const name = 'undone'
    const { former, contents } = await ordered(name)
    const before = await uidsOfSets(name)
    await loseNewVolumes(name)
    const why = await until('the reason', PATIENCE_MS, () => whyStalled(name))
    expect(why).toMatch(/there is no PersistentVolumeClaim data-0.* spec\.bootstrap\.restore/)
    await kubernetes.restart()
    await kubernetes.change(redisClusters, name, WITHDRAWN)
    await kubernetes.sees(redisClusters, name, 'Healthy')
    expect(await uidsOfSets(name)).toEqual(before)
    expect(await stage.statusOf(name)).not.toHaveProperty('restored')
    expect(await kubernetes.told('cluster', name)).toContain('RestoreWithdrawn')
    await expectKept(former, contents)
    await kubernetes.remove(redisClusters, name)
  })

  test('after all servers ended: none is started on what is gone, and the order is taken out; they come back with their volumes', async () => {
    const name = 'stopped'
    const { former, contents } = await ordered(name)
    await kubernetes.disown(persistentVolumeClaims, `data-${name}-0-0`)
    await until('no StatefulSet', PATIENCE_MS, async () =>
      (await uidsOfSets(name)).every((uid) => uid === undefined) ? true : undefined,
    )
    await loseNewVolumes(name)
    await endServers(former)
    await until('the reason', PATIENCE_MS, () => whyStalled(name))
    await kubernetes.restart()
    await kubernetes.change(redisClusters, name, { maxMemory: '64M' })
    await until('a pass', PATIENCE_MS, async () => {
      const config = await kubernetes.find(configMaps, `${name}-config`)
      return JSON.stringify(config).includes('64000000') ? true : undefined
    })
    expect(await uidsOfSets(name)).toEqual([undefined, undefined, undefined])
    await kubernetes.change(redisClusters, name, WITHDRAWN)
    const placed = await stage.place(
      name,
      WISH,
      former.map(({ pod }) => pod.data),
    )
    expect(JSON.stringify(await kubernetes.find(statefulSets, `${name}-0`))).not.toContain('data-0')
    await stage.start(placed)
    await kubernetes.sees(redisClusters, name, 'Healthy')
    await expectKept(placed, contents)
    await kubernetes.remove(redisClusters, name)
  })
})
