import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '@slotkeeper/controller-host'
import { pods, redisClusters, secrets, statefulSets } from '@slotkeeper/k8s'
import { evenRanges, formatRanges } from '@slotkeeper/redis-topology'
import { ENGINES, PlayedCluster, until } from '@slotkeeper/testing'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { clusterApp } from '../src/cluster-app.ts'
import { parseCluster } from '../src/cluster-object.ts'
import { readConfig } from '../src/config.ts'
import { freshSecrets, makePod, type Pod } from './pod.ts'
import { seedVolume } from './seed-volume.ts'

/*
 * The whole controller takes clusters of a restore over: the API server and the servers are real, the volumes are filled as
 * a restore does, and what StatefulSets and kubelet would do is done by hand.
 */
const PATIENCE_MS = 60_000
const NODE_TIMEOUT_MS = 5_000
const KEYS = 300
const RANGES = evenRanges(3)
const NET = `127.${64 + Math.floor(Math.random() * 64)}.${Math.floor(Math.random() * 256)}`
const running: Pod[] = []
let kubernetes: PlayedCluster
let count = 0

// Each wait has a deadline of its own.
vi.setConfig({ testTimeout: 5 * PATIENCE_MS })

beforeAll(async () => {
  kubernetes = await PlayedCluster.start('slotkeeper-cluster-controller', (env, lent) =>
    run(clusterApp, { ...lent, config: readConfig(env) }),
  )
})
afterAll(() => kubernetes?.stop())
afterEach(async () => {
  await Promise.all(running.splice(0).map((pod) => pod.remove()))
})

const freshIp = (): string => `${NET}.${++count}`

/** What a shard has: its keys, and an RDB file of them. */
type Content = { readonly keys: readonly string[]; readonly rdb: Uint8Array }

/** The contents of all shards, by a server of this engine. */
async function contentsBy(engine: string): Promise<readonly Content[]> {
  const options = { engine, ip: freshIp(), uid: 'a-source', persistence: 'rdb', secrets: freshSecrets() } as const
  const pod = await makePod({ ...options, nodeTimeoutMs: NODE_TIMEOUT_MS })
  running.push(pod)
  await pod.start()
  await pod.tell(['CLUSTER', 'ADDSLOTSRANGE', '0', '16383'])
  const all = Array.from({ length: KEYS }, (_, number) => `key ${number}`)
  const slots = await pod.tell(...all.map((key) => ['CLUSTER', 'KEYSLOT', key]))
  const contents: Content[] = []
  for (const { first, last } of RANGES) {
    const keys = all.filter((_, place) => first <= Number(slots[place]) && Number(slots[place]) <= last)
    // A primary takes no writes in its first two seconds.
    await until('writes', PATIENCE_MS, async () => {
      const sets = keys.map((key) => ['SET', key, `value of ${key}`])
      const answers = await pod.tell(['FLUSHALL'], ...sets)
      return answers.every((answer) => answer === 'OK') ? true : undefined
    })
    await pod.tell(['SAVE'])
    contents.push({ keys, rdb: await readFile(join(pod.data, 'dump.rdb')) })
  }
  await pod.kill()
  return contents
}

type Wish = { readonly engine: string; readonly persistence: 'aof' | 'rdb'; readonly onDataLoss?: 'StartEmpty' }
type Template = {
  readonly metadata: object
  readonly spec: {
    readonly containers: readonly [{ readonly env: readonly { readonly name: string; readonly value?: string }[] }]
    readonly volumes: readonly object[]
  }
}

/** The pods, in order, and what was to be on the volumes. */
type Made = { readonly pods: readonly Pod[]; readonly contents: readonly Content[] }

/** Creates the cluster, and starts its pods on volumes of which those of these shards are filled. */
async function restored(name: string, wish: Wish, seeded: readonly number[]): Promise<Made> {
  const { engine, persistence, ...spec } = wish
  const contents = await contentsBy(engine)
  const { metadata } = await kubernetes.create(redisClusters, name, {
    ...spec,
    version: engine,
    shards: 3,
    nodeTimeoutMs: NODE_TIMEOUT_MS,
    storage: { size: '1Gi', persistence },
    bootstrap: { restore: { name: 'monday', uid: 'uid-of-monday' } },
  })
  const internal = await until('the Secret of the servers', PATIENCE_MS, async () => {
    const found = await kubernetes.find(secrets, `${name}-internal`)
    return (found?.['data'] as Record<string, string> | undefined) ?? undefined
  })
  const files64 = Object.entries(internal).map(([file, text]) => [file, Buffer.from(text, 'base64').toString()])
  const options = { engine, persistence, uid: metadata.uid ?? '', secrets: Object.fromEntries(files64) }
  const made = await Promise.all(
    [...RANGES.keys()].flatMap((shard) =>
      [0, 1].map(async (index) => {
        const template = await templateOf(name, shard)
        const restore = template.spec.containers[0].env.find((one) => one.name === 'SLOTKEEPER_RESTORE_UID')?.value
        const nodeTimeoutMs = NODE_TIMEOUT_MS
        const pod = await makePod({ ...options, ip: freshIp(), shard, nodeTimeoutMs, restore: restore ?? '' })
        running.push(pod)
        const range = RANGES[shard]
        const rdb = contents[shard]?.rdb
        if (index === 0 && seeded.includes(shard) && range !== undefined && rdb !== undefined) {
          const place = { restore: 'uid-of-monday', shard, slots: formatRanges([range]) }
          await seedVolume(pod.data, { ...place, persistence, epoch: shard + 1, currentEpoch: RANGES.length, rdb })
        }
        return { pod, place: `${name}-${shard}-${index}`, template }
      }),
    ),
  )
  for (const { pod, place, template } of made) {
    await pod.start()
    await showPod(place, template, pod.ip)
  }
  return { pods: made.map(({ pod }) => pod), contents }
}

async function templateOf(name: string, shard: number): Promise<Template> {
  return until(`the StatefulSet ${name}-${shard}`, PATIENCE_MS, async () => {
    const found = await kubernetes.find(statefulSets, `${name}-${shard}`)
    return (found?.['spec'] as { readonly template: Template } | undefined)?.template
  })
}

/** The pod, as a StatefulSet makes it and kubelet tells of it. */
async function showPod(name: string, { metadata, spec }: Template, ip: string): Promise<void> {
  const data = { name: 'data', persistentVolumeClaim: { claimName: `data-${name}` } }
  await kubernetes.create(pods, name, { ...spec, volumes: [...spec.volumes, data] }, metadata)
  const containerID = `containerd://${Buffer.from(name).toString('hex').padStart(64, '0').slice(-64)}`
  const container = { name: 'server', image: 'any', imageID: '', ready: true, restartCount: 0, containerID }
  await kubernetes.tell(pods, name, {
    phase: 'Running',
    podIP: ip,
    podIPs: [{ ip }],
    conditions: [{ type: 'Ready', status: 'True' }],
    containerStatuses: [{ ...container, state: { running: {} } }],
  })
}

const statusOf = async (name: string) => {
  const found = await kubernetes.find(redisClusters, name)
  return found === null ? null : parseCluster(found).status
}

test.each(ENGINES.flatMap((engine) => (['aof', 'rdb'] as const).map((persistence) => ({ engine, persistence }))))(
  '$engine with $persistence: what a restore has left becomes a cluster with every key, and nobody is alarmed',
  async (wish) => {
    const name = `${wish.engine.replace('.', '-')}-${wish.persistence}`
    const { pods: all, contents } = await restored(name, wish, [0, 1, 2])
    await kubernetes.sees(redisClusters, name, 'Healthy')
    expect((await statusOf(name))?.formedAt).toBeDefined()
    for (const [shard, { last, first }] of RANGES.entries()) {
      const keys = contents[shard]?.keys ?? []
      expect(keys.length).toBeGreaterThan(KEYS / 6)
      const [primary, replica] = all.slice(2 * shard, 2 * shard + 2)
      const values = await primary?.tell(...keys.map((key) => ['GET', key]))
      expect(values).toEqual(keys.map((key) => `value of ${key}`))
      expect(await replica?.tell(['DBSIZE'])).toEqual([keys.length])
      const status = (await statusOf(name))?.topology?.find((one) => one.shard === shard)
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
    const seen = await statusOf('lost')
    const joined = seen?.topology?.filter((one) => one.attached?.length === 1).length === 2
    return joined && seen.state === 'Stalled' ? seen : undefined
  })
  expect(status.formedAt).toBeUndefined()
  const said = status.conditions?.map(({ type, status: value, reason }) => `${type} ${value} ${reason}`)
  expect(said).toEqual(expect.arrayContaining(['Stalled True DataMissing', 'Ready False Restoring']))
  for (const pod of all.slice(2, 4)) {
    const [size, nodes] = await pod.tell(['DBSIZE'], ['CLUSTER', 'NODES'])
    expect(size).toBe(0)
    expect(String(nodes)).not.toContain('5461')
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
  const stays = /spec.bootstrap.restore stays as the restore set it/
  await expect(change('of-monday', { restore: { uid: 'another' } })).rejects.toThrow(stays)
  await expect(change('of-monday', { restore: null })).rejects.toThrow(stays)
  await expect(change('of-monday', null)).rejects.toThrow(stays)
  await expect(change('of-nothing', { restore })).rejects.toThrow(stays)
  await kubernetes.change(redisClusters, 'of-monday', { maxMemory: '64M' })
  const keeps = /spec.bootstrap.restore needs volumes that keep their data/
  await expect(create('in-memory', { bootstrap: { restore } })).rejects.toThrow(keeps)
  const none = { ...storage, persistence: 'none' }
  await expect(create('in-vain', { storage: none, bootstrap: { restore } })).rejects.toThrow(keeps)
  for (const name of ['of-monday', 'of-nothing']) await kubernetes.remove(redisClusters, name)
})
