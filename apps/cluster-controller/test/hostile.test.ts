import { join } from 'node:path'
import { run } from '@slotkeeper/controller-host'
import {
  configMaps,
  connectKube,
  EPOCH_ANNOTATION,
  type Kube,
  leases,
  type Objects,
  objectsOf,
  podDisruptionBudgets,
  redisClusters,
  secrets,
  services,
  statefulSets,
} from '@slotkeeper/k8s'
import { connectNats, createEventStore, type EventStore } from '@slotkeeper/nats'
import { createLogger, createMetrics } from '@slotkeeper/observability'
import {
  type CallFault,
  type FaultyProxy,
  type KubeApiServer,
  kubectl,
  type NatsServer,
  type SeenCall,
  startFaultyProxy,
  startKubeApiServer,
  startNatsServer,
} from '@slotkeeper/testing'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { clusterApp } from '../src/cluster-app.ts'
import { parseCluster } from '../src/cluster-object.ts'
import { readConfig } from '../src/config.ts'

/*
 * Whole controllers under an API server that fails, each behind a proxy of its own. Nobody makes pods here: what is looked
 * at is what they write to Kubernetes and to the history, and who does.
 */
const LEASE_SECONDS = 8
/** As many as a controller works on at once, and one more. */
const NAMES = Array.from({ length: 9 }, (_, number) => `orders-${number}`)
const SYSTEM = 'slotkeeper-system'
const OWNED = [statefulSets, services, configMaps, podDisruptionBudgets, secrets]
const stop = new AbortController()
const io = { signal: stop.signal }
const eventually = { timeout: 50_000, interval: 50 }
const running: Promise<void>[] = []
let api: KubeApiServer
let nats: NatsServer
let direct: Kube
let objects: Objects
let history: EventStore

type Started = { readonly proxy: FaultyProxy; readonly holder: string }
let one: Started
let two: Started

beforeAll(async () => {
  ;[api, nats] = await Promise.all([startKubeApiServer(), startNatsServer()])
  await kubectl(api, 'apply', '-k', join(import.meta.dirname, '../../../deploy/crds'))
  await kubectl(api, 'wait', '--for=condition=Established', 'crd/redisclusters.slotkeeper.dev')
  await kubectl(api, 'create', 'namespace', SYSTEM)
  direct = connectKube({ kubeconfigPath: api.kubeconfig })
  objects = objectsOf(direct)
  const connection = await connectNats({ url: nats.url, name: 'test', signal: stop.signal })
  history = createEventStore({ connection, mode: 'ensure' })
})

afterAll(async () => {
  stop.abort()
  for (const { proxy } of [one, two].filter((each) => each !== undefined)) await proxy.stop()
  await Promise.all(running)
  await direct?.close()
  await Promise.all([api?.stop(), nats?.stop()])
})

async function start(name: string): Promise<Started> {
  const proxy = await startFaultyProxy(api)
  const env = { SLOTKEEPER_NATS_URL: nats.url, KUBECONFIG: proxy.kubeconfig, SLOTKEEPER_POD_NAME: name }
  const config = { ...readConfig(env), SLOTKEEPER_LEASE_SECONDS: LEASE_SECONDS }
  const log = createLogger({ level: 'fatal', name })
  running.push(run(clusterApp, { config, log, metrics: createMetrics(), holder: name, signal: stop.signal }))
  return { proxy, holder: name }
}

async function lease() {
  const found = await objects.get(leases, { namespace: SYSTEM, name: 'slotkeeper-cluster-controller' }, io)
  const spec = found?.spec as { readonly holderIdentity?: string; readonly leaseTransitions?: number } | undefined
  const epoch = Number(found?.metadata.annotations?.[EPOCH_ANNOTATION] ?? 0)
  return { holder: spec?.holderIdentity, taken: spec?.leaseTransitions, epoch }
}

const isOfLease = ({ path }: SeenCall): boolean => path.includes('/leases')
const isWrite = ({ method }: SeenCall): boolean => method !== 'GET'
/** Kubernetes Events are told and forgotten. */
const isNote = ({ path }: SeenCall): boolean => path.includes('/events')

async function create(name: string): Promise<void> {
  const metadata = { namespace: 'default', name }
  const spec = { version: 'valkey-9.1', shards: 3, replicasPerShard: 1 }
  await objects.create(
    redisClusters,
    { apiVersion: 'slotkeeper.dev/v1beta1', kind: 'RedisCluster', metadata, spec },
    io,
  )
}

/** `Kind name` of all that a cluster owns, with its own name left out. */
async function ownedBy(name: string): Promise<readonly string[]> {
  const lists = await Promise.all(
    OWNED.map(async (resource) => {
      const { items } = await objects.list(resource, { namespace: 'default' }, io)
      const own = items.filter(({ metadata }) => metadata.ownerReferences?.some((owner) => owner.name === name))
      return own.map(({ metadata }) => `${resource.kind} ${metadata.name.replace(name, '')}`)
    }),
  )
  return lists.flat().toSorted()
}

async function statusOf(name: string) {
  const found = await objects.get(redisClusters, { namespace: 'default', name }, io)
  return found === null ? undefined : parseCluster(found).status
}

/** What was told of a cluster, in the order of the stream. */
async function toldOf(name: string): Promise<readonly number[]> {
  const told: number[] = []
  for await (const { event } of history.read({ filter: `redis.evt.cluster.default.${name}.>` }))
    told.push(event?.sequence ?? Number.NaN)
  return told
}

/** Numbers that look drawn, the same in each run. */
function draws(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    return Math.floor((state / 2_147_483_648) * below)
  }
}

test('under faults of every kind all is made, nothing twice, and in the end nothing is left to do', async () => {
  one = await start('one')
  const { proxy } = one
  await vi.waitFor(async () => expect((await lease()).holder).toBe('one'), eventually)
  const draw = draws(20_251_121)
  const hurt = new Map<CallFault, number>()
  const faults = ['lost-answer', 'unavailable', 'reset', 'forbidden', 'gone', 'hollow'] as const
  let left = 60
  proxy.fault = (call) => {
    if (isOfLease(call) || left === 0 || draw(6) !== 0) return undefined
    left--
    const fault = faults[draw(faults.length)] ?? 'reset'
    hurt.set(fault, (hurt.get(fault) ?? 0) + 1)
    return fault
  }
  for (const name of NAMES) {
    await create(name)
    proxy.strikeWatches((['reset', 'garbage', 'gone', 'half-line', 'last'] as const)[draw(5)] ?? 'end')
  }
  await vi.waitFor(() => expect(left).toBe(0), eventually)
  await create('calm')
  const all = [...NAMES, 'calm']
  await vi.waitFor(async () => {
    for (const name of all) {
      const status = await statusOf(name)
      expect(status?.lifecycle.seq).toBeGreaterThan(0)
      expect(status?.outbox).toEqual([])
    }
    const [calm, ...others] = await Promise.all(['calm', ...NAMES].map(ownedBy))
    expect(calm?.length).toBeGreaterThan(8)
    for (const other of others) expect(other).toEqual(calm)
  }, eventually)
  for (const name of all) {
    const { seq = 0 } = (await statusOf(name))?.lifecycle ?? {}
    expect(await toldOf(name)).toEqual(Array.from({ length: seq }, (_, before) => before + 1))
  }
  expect([...hurt.keys()].toSorted()).toEqual(faults.toSorted())
  // At rest from one renewal to the next but one.
  const renewals = (): number => proxy.calls.filter((call) => isOfLease(call) && isWrite(call)).length
  const [settled, before] = [proxy.calls.length, renewals()]
  await vi.waitFor(() => expect(renewals()).toBeGreaterThan(before + 1), eventually)
  expect(proxy.calls.slice(settled).filter((call) => isWrite(call) && !isOfLease(call) && !isNote(call))).toEqual([])
})

test('calls that hang, as many as there are connections, cost no Lease', async () => {
  const { proxy } = one
  const before = await lease()
  let hanging = 0
  proxy.fault = (call) => {
    if (isOfLease(call)) return undefined
    hanging++
    return 'silence'
  }
  // The watches go on: all are looked at in one moment.
  const labels = { looked: 'at' }
  for (const name of NAMES)
    await objects.patch(redisClusters, { namespace: 'default', name }, { metadata: { labels } }, null, io)
  await vi.waitFor(() => expect(hanging).toBeGreaterThanOrEqual(8), eventually)
  const renewals = (): number => proxy.calls.filter((call) => isOfLease(call) && isWrite(call)).length
  const first = renewals()
  await vi.waitFor(() => expect(renewals()).toBeGreaterThan(first + 1), eventually)
  expect(await lease()).toEqual(before)
  proxy.fault = () => undefined
})

test('who was cut off and comes back writes nothing any more: another has taken over', async () => {
  two = await start('two')
  await vi.waitFor(() => expect(two.proxy.calls.some(isOfLease)).toBe(true), eventually)
  const { epoch } = await lease()
  one.proxy.fault = () => 'silence'
  one.proxy.strikeWatches('silence')
  const cut = one.proxy.calls.length
  await vi.waitFor(async () => expect((await lease()).holder).toBe('two'), eventually)
  expect((await lease()).epoch).toBeGreaterThanOrEqual(epoch)
  one.proxy.fault = () => undefined
  const back = one.proxy.calls.length
  await vi.waitFor(() => expect(one.proxy.calls.slice(back).filter(isOfLease).length).toBeGreaterThan(1), eventually)
  const spec = { maxMemory: '64M' }
  for (const name of NAMES) await objects.patch(redisClusters, { namespace: 'default', name }, { spec }, null, io)
  await vi.waitFor(async () => {
    for (const name of NAMES) expect((await statusOf(name))?.lifecycle).toMatchObject({ holder: 'two' })
  }, eventually)
  expect(one.proxy.calls.slice(back).filter(isWrite)).toEqual([])
  expect(one.proxy.calls.slice(back).filter((call) => !isOfLease(call))).toEqual([])
  expect(back).toBeGreaterThan(cut)
})
