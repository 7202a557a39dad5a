import { readFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { busPort } from '@slotkeeper/api'
import { redisClusters } from '@slotkeeper/k8s'
import { ENGINES, type PlayedCluster, until } from '@slotkeeper/testing'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import type { Pod } from './pod.ts'
import { type Placed, RestoredStage, type Wish } from './restored-stage.ts'

/*
 * The whole controller has a cluster formed, loses it, and takes its volumes over for another one: the API server and the
 * servers are real, and what StatefulSets and kubelet would do is done by hand.
 */
const PATIENCE_MS = 60_000
const KEYS = Array.from({ length: 300 }, (_, number) => `key ${number}`)
const listeners: Server[] = []
let stage: RestoredStage
let kubernetes: PlayedCluster

// Each wait has a deadline of its own.
vi.setConfig({ testTimeout: 8 * PATIENCE_MS })

beforeAll(async () => {
  stage = await RestoredStage.open()
  kubernetes = stage.kubernetes
})
afterAll(() => kubernetes?.stop())
afterEach(async () => {
  for (const listener of listeners.splice(0)) listener.close()
  await stage.clear()
})

/** What a cluster left that was formed, took writes, and was deleted; its servers have ended. */
type Left = { readonly uid: string; readonly ips: readonly string[]; readonly volumes: readonly string[] }

async function lost(name: string, wish: Wish): Promise<Left> {
  const members = await stage.create(name, wish)
  await stage.start(members)
  const uid = (await kubernetes.find(redisClusters, name))?.metadata.uid ?? ''
  await kubernetes.sees(redisClusters, name, 'Healthy')
  const primaries = await primariesOf(name, members)
  await until('writes', PATIENCE_MS, async () => {
    const answers = await Promise.all(primaries.map((pod) => pod.tell(...KEYS.map((key) => ['SET', key, `of ${key}`]))))
    return answers.flat().filter((answer) => answer === 'OK').length === KEYS.length ? true : undefined
  })
  for (const { pod } of members)
    await until('what a probe sees', PATIENCE_MS, async () => ((await pod.probe()) === 0 ? true : undefined))
  await kubernetes.remove(redisClusters, name)
  // With rdb only an end in order saves all; with aof any does.
  await Promise.all(members.map(({ pod }) => (wish.persistence === 'rdb' ? pod.terminate() : pod.kill())))
  return { uid, ips: members.map(({ pod }) => pod.ip), volumes: members.map(({ pod }) => pod.data) }
}

async function primariesOf(name: string, members: readonly Placed[]): Promise<readonly Pod[]> {
  const topology = (await stage.statusOf(name))?.topology ?? []
  return topology.flatMap(({ primary }) => members.filter((one) => one.place === primary).map(({ pod }) => pod))
}

/** Waits until it is; the error says what the servers wait for. */
async function healthy(name: string, members: readonly Placed[]): Promise<void> {
  try {
    await kubernetes.sees(redisClusters, name, 'Healthy')
  } catch (error) {
    const said = await Promise.all(members.map(async (one) => [one.place, await one.pod.message()]))
    throw new Error(JSON.stringify([said, (await stage.statusOf(name))?.conditions]), { cause: error })
  }
}

/** Whoever has these addresses by now takes connections where the servers had their bus, and keeps silent. */
async function occupy(addresses: readonly string[], port: number): Promise<void> {
  for (const host of addresses) {
    const listener = createServer(() => undefined)
    listeners.push(listener)
    await new Promise<void>((resolve, reject) => {
      listener.once('error', reject).listen({ host, port }, resolve)
    })
  }
}

async function hasAllKeys(name: string, members: readonly Placed[]): Promise<void> {
  const primaries = await primariesOf(name, members)
  const values = await Promise.all(primaries.map((pod) => pod.tell(...KEYS.map((key) => ['GET', key]))))
  for (const [place, key] of KEYS.entries()) expect(values.map((answers) => answers[place])).toContain(`of ${key}`)
  for (const [shard, primary] of primaries.entries()) {
    const sizes = await Promise.all(
      members.slice(2 * shard, 2 * shard + 2).map(async ({ pod }) => (await pod.tell(['DBSIZE']))[0]),
    )
    expect(sizes).toEqual([(await primary.tell(['DBSIZE']))[0], (await primary.tell(['DBSIZE']))[0]])
  }
}

const WISHES: readonly Wish[] = ENGINES.map((engine, place) => ({
  engine,
  persistence: place % 2 === 0 ? 'aof' : 'rdb',
}))

test.each(WISHES)(
  '$engine with $persistence: what a deleted cluster left becomes a cluster with every key',
  async (wish) => {
    const name = wish.engine.replace('.', '-')
    const left = await lost(`old-${name}`, wish)
    await occupy(left.ips, busPort(left.uid))
    const members = await stage.create(name, { ...wish, bootstrap: { adoptVolumes: { uid: left.uid } } }, left.volumes)
    await stage.start(members)
    await healthy(name, members)
    await hasAllKeys(name, members)
    const uid = (await kubernetes.find(redisClusters, name))?.metadata.uid ?? ''
    for (const [place, { pod }] of members.entries())
      expect(await readFile(join(pod.data, 'slotkeeper.marker'), 'utf8')).toBe(
        `${uid} ${Math.floor(place / 2)} live ${left.uid}\n`,
      )
    expect((await stage.statusOf(name))?.claimedVolumes).toEqual({ uid: left.uid, how: 'Adopted' })
    const told = await kubernetes.told('cluster', name)
    // Nothing was ordered that could not be repeated, and nobody was alarmed.
    const early = told.slice(0, told.indexOf('ClusterFormed'))
    expect(early.slice(0, 2)).toEqual(['Accepted', 'VolumesClaimed'])
    expect(early.filter((type) => /^(StateChanged|ConditionChanged|OperationStarted|Adopted)$/.test(type))).toEqual([])
    await kubernetes.remove(redisClusters, name)
  },
)

test('the volumes of a shard are gone: it gets no slots before a person gives it up; the others are joined', async () => {
  const wish: Wish = { engine: 'valkey-9.1', persistence: 'aof', onDataLoss: 'StartEmpty' }
  const left = await lost('whole', wish)
  const bootstrap = { adoptVolumes: { uid: left.uid } }
  const isLost = (place: number): boolean => Math.floor(place / 2) === 1
  const volumes = left.volumes.map((one, place) => (isLost(place) ? undefined : one))
  const members = await stage.create('partly', { ...wish, bootstrap }, volumes)
  await stage.start(members)
  const status = await until('the replicas of the others', PATIENCE_MS, async () => {
    const seen = await stage.statusOf('partly')
    const joined = seen?.topology?.filter((one) => one.attached?.length === 1).length === 2
    return joined && seen.state === 'Stalled' ? seen : undefined
  })
  expect(status.formedAt).toBeUndefined()
  const said = (type: string) => status.conditions?.find((one) => one.type === type)
  expect(said('Stalled')).toMatchObject({ status: 'True', reason: 'DataMissing' })
  expect(said('Stalled')?.message).toMatch(
    /shard 1: all members answer and none holds what was left: .*give it up with/,
  )
  expect(said('Ready')).toMatchObject({ reason: 'Adopting' })
  for (const { pod } of members.filter((_, place) => isLost(place))) {
    const [size, nodes] = await pod.tell(['DBSIZE'], ['CLUSTER', 'NODES'])
    expect(size).toBe(0)
    expect(String(nodes)).not.toMatch(/myself.* 5461/)
  }
  await kubernetes.remove(redisClusters, 'partly')
})

test('whose volumes are taken over is said once, of a cluster that keeps data and was never formed', async () => {
  const storage = { size: '1Gi' }
  const [adoptVolumes, discardVolumes] = [{ uid: 'a' }, { uid: 'b' }]
  const make = (name: string, spec: object) =>
    kubernetes.create(redisClusters, name, { version: 'valkey-9.1', shards: 3, ...spec })
  const change = (name: string, bootstrap: object | null) => kubernetes.change(redisClusters, name, { bootstrap })
  const one = /set one of adoptVolumes, discardVolumes and restore/
  await expect(make('both', { storage, bootstrap: { adoptVolumes, discardVolumes } })).rejects.toThrow(one)
  const restore = { name: 'monday', uid: 'c' }
  await expect(make('both', { storage, bootstrap: { adoptVolumes, restore } })).rejects.toThrow(one)
  const keeps = /adoptVolumes needs volumes that keep their data/
  await expect(make('in-memory', { bootstrap: { adoptVolumes } })).rejects.toThrow(keeps)
  const none = { ...storage, persistence: 'none' }
  await expect(make('in-vain', { storage: none, bootstrap: { adoptVolumes } })).rejects.toThrow(keeps)
  await expect(make('no-volumes', { bootstrap: { discardVolumes } })).rejects.toThrow(/discardVolumes needs volumes/)
  await expect(make('shell', { storage, bootstrap: { adoptVolumes: { uid: 'a b' } } })).rejects.toThrow(/uid/)
  await make('later', { storage })
  await change('later', { discardVolumes })
  await expect(change('later', { discardVolumes: null, adoptVolumes })).rejects.toThrow(/discardVolumes stays once/)
  await expect(change('later', null)).rejects.toThrow(/discardVolumes stays once it is set/)
  await expect(change('later', { discardVolumes: { uid: 'c' } })).rejects.toThrow(/discardVolumes stays once it is set/)
  await kubernetes.change(redisClusters, 'later', { maxMemory: '64M' })
  // A restore in place has volumes of its own.
  await change('later', { restore: { ...restore, inPlace: true } })
  await make('formed', { storage })
  await until('its status', PATIENCE_MS, async () => (await stage.statusOf('formed')) ?? undefined)
  await kubernetes.change(redisClusters, 'formed', { paused: true })
  await kubernetes.tell(redisClusters, 'formed', { formedAt: '2026-01-01T00:00:00Z' })
  const late = /for a cluster that has not been formed; this one has data of its own/
  await expect(change('formed', { adoptVolumes })).rejects.toThrow(late)
  await expect(change('formed', { discardVolumes })).rejects.toThrow(late)
  await kubernetes.change(redisClusters, 'formed', { maxMemory: '64M' })
  for (const name of ['later', 'formed']) await kubernetes.remove(redisClusters, name)
})
