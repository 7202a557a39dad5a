import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { redisClusters } from '@slotkeeper/k8s'
import { ENGINES, type PlayedCluster, until } from '@slotkeeper/testing'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import type { Pod } from './pod.ts'
import { type Content, KEYS, RANGES, RestoredStage, type Wish } from './restored-stage.ts'

const PATIENCE_MS = 60_000
const RESTORE = { name: 'monday', uid: 'uid-of-monday' }
let stage: RestoredStage
let kubernetes: PlayedCluster

// Each wait has a deadline of its own.
vi.setConfig({ testTimeout: 5 * PATIENCE_MS })

beforeAll(async () => {
  stage = await RestoredStage.open()
  kubernetes = stage.kubernetes
})
afterAll(() => kubernetes?.stop())
afterEach(() => stage.clear())

/** The pods, in order, and what was to be on the volumes. */
type Made = { readonly pods: readonly Pod[]; readonly contents: readonly Content[] }

/** Creates the cluster, and starts its pods on volumes of which those of these shards are filled. */
async function restored(name: string, wish: Wish, seeded: readonly number[]): Promise<Made> {
  const contents = await stage.contentsBy(wish.engine)
  const placed = await stage.create(name, { ...wish, bootstrap: { restore: RESTORE } })
  await stage.seed(placed, { restore: RESTORE.uid, persistence: wish.persistence }, contents, seeded)
  await stage.start(placed)
  return { pods: placed.map(({ pod }) => pod), contents }
}

test.each(ENGINES.flatMap((engine) => (['aof', 'rdb'] as const).map((persistence) => ({ engine, persistence }))))(
  '$engine with $persistence: what a restore has left becomes a cluster with every key, and nobody is alarmed',
  async (wish) => {
    const name = `${wish.engine.replace('.', '-')}-${wish.persistence}`
    const { pods: all, contents } = await restored(name, wish, [0, 1, 2])
    await kubernetes.sees(redisClusters, name, 'Healthy')
    expect((await stage.statusOf(name))?.formedAt).toBeDefined()
    for (const [shard, { last, first }] of RANGES.entries()) {
      const keys = contents[shard]?.keys ?? []
      expect(keys.length).toBeGreaterThan(KEYS / 6)
      const [primary, replica] = all.slice(2 * shard, 2 * shard + 2)
      const values = await primary?.tell(...keys.map((key) => ['GET', key]))
      expect(values).toEqual(keys.map((key) => `value of ${key}`))
      expect(await replica?.tell(['DBSIZE'])).toEqual([keys.length])
      const status = (await stage.statusOf(name))?.topology?.find((one) => one.shard === shard)
      expect(status).toMatchObject({ slots: `${first}-${last}`, primary: `${name}-${shard}-0` })
      expect(await readFile(join(primary?.data ?? '', 'slotkeeper.marker'), 'utf8')).toMatch(/ \d live\n$/)
    }
    const told = await kubernetes.told('cluster', name)
    // No other state than that it began with, no condition that became true or false, no operation.
    const before = told.slice(0, told.indexOf('ClusterFormed'))
    expect(before[0]).toBe('Accepted')
    expect(before.filter((type) => /^(StateChanged|ConditionChanged|OperationStarted|Adopted)$/.test(type))).toEqual([])
    await kubernetes.remove(redisClusters, name)
  },
)

const WISH = { engine: 'valkey-9.1', persistence: 'aof' } as const

test('a volume that the restore filled is gone: its shard gets no slots, whatever the spec says of lost data', async () => {
  const { pods: all } = await restored('lost', { ...WISH, onDataLoss: 'StartEmpty' }, [0, 2])
  const status = await until('the replicas of the others', PATIENCE_MS, async () => {
    const seen = await stage.statusOf('lost')
    const joined = seen?.topology?.filter((one) => one.attached?.length === 1).length === 2
    return joined && seen.state === 'Stalled' ? seen : undefined
  })
  expect(status.formedAt).toBeUndefined()
  const said = status.conditions?.map(({ type, status: value, reason }) => `${type} ${value} ${reason}`)
  expect(said).toEqual(expect.arrayContaining(['Stalled True DataMissing', 'Ready False Restoring']))
  for (const pod of all.slice(2, 4)) {
    const [size, nodes] = await pod.tell(['DBSIZE'], ['CLUSTER', 'NODES'])
    expect(size).toBe(0)
    expect(String(nodes)).not.toContain(' 5461-')
  }
  await kubernetes.remove(redisClusters, 'lost')
})

test('what a cluster is made of is said when it is created, and never again', async () => {
  const [restore, storage] = [{ name: 'monday', uid: 'uid-of-monday' }, { size: '1Gi' }]
  const create = (name: string, spec: object) =>
    kubernetes.create(redisClusters, name, { version: 'valkey-9.1', shards: 3, ...spec })
  const change = (name: string, bootstrap: object | null) => kubernetes.change(redisClusters, name, { bootstrap })
  await create('of-monday', { storage, bootstrap: { restore } })
  await create('of-nothing', { storage })
  const stays = /spec.bootstrap.restore stays as a restore has set it/
  await expect(change('of-monday', { restore: { uid: 'another' } })).rejects.toThrow(stays)
  await expect(change('of-monday', { restore: null })).rejects.toThrow(stays)
  await expect(change('of-monday', null)).rejects.toThrow(stays)
  await expect(change('of-nothing', { restore })).rejects.toThrow(stays)
  // In place it is ordered, again and again, and not taken back where there is nothing to go on with.
  const inPlace = { restore: { name: 'sunday', uid: 'uid-of-sunday', inPlace: true } }
  await kubernetes.change(redisClusters, 'of-nothing', { paused: true, bootstrap: inPlace })
  await expect(change('of-nothing', null)).rejects.toThrow(stays)
  await expect(change('of-nothing', { restore: { name: 'other' } })).rejects.toThrow(stays)
  await expect(change('of-nothing', { restore: { ...restore, inPlace: null } })).rejects.toThrow(stays)
  await change('of-nothing', { restore: { ...restore, inPlace: true } })
  await kubernetes.change(redisClusters, 'of-monday', { maxMemory: '64M' })
  const keeps = /spec.bootstrap.restore needs volumes that keep their data/
  await expect(create('in-memory', { bootstrap: { restore } })).rejects.toThrow(keeps)
  const none = { ...storage, persistence: 'none' }
  await expect(create('in-vain', { storage: none, bootstrap: { restore } })).rejects.toThrow(keeps)
  for (const name of ['of-monday', 'of-nothing']) await kubernetes.remove(redisClusters, name)
})
