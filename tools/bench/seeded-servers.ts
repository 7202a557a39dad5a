import { observeNode, RedisError } from '@slotkeeper/redis-client'
import type { SlotRange } from '@slotkeeper/redis-topology'
import {
  ask,
  kept,
  meetOf,
  order,
  type Place,
  type RedisConfig,
  type RedisServer,
  startRedisServer,
  until,
  view,
} from '@slotkeeper/testing'
import type { LookAtServers } from './wholeness.ts'

const LOOK_MS = 2_000
const DEADLINE_MS = 120_000

/** As in what the controller writes for clusters with volumes; nothing is saved but when it is asked for. */
const CONFIG = {
  'cluster-node-timeout': '5000',
  'cluster-require-full-coverage': 'no',
  'cluster-allow-replica-migration': 'no',
  'repl-diskless-sync': 'yes',
  'repl-diskless-sync-delay': '0',
  'auto-aof-rewrite-percentage': '0',
}

/** Looks at these servers as a controller does. */
export const lookAt =
  (servers: readonly RedisServer[]): LookAtServers =>
  () =>
    Promise.all(servers.map((server) => observeNode(kept(server), ['cluster-node-timeout'], LOOK_MS)))

/** Starts a server, and waits until it has loaded what is on its volume. */
export async function startLoaded(engine: string, config: RedisConfig, signal: AbortSignal): Promise<Place> {
  const server = await startRedisServer(engine, { ...CONFIG, ...config })
  try {
    const { nodeId } = await until(`${engine} with its data`, DEADLINE_MS, () => view(server), { everyMs: 10, signal })
    return { id: nodeId, server }
  } catch (error) {
    await server.remove()
    throw error
  }
}

/** Starts a primary for each of these ranges, none of which knows another, and waits until all serve their slots. */
export async function startApart(
  engine: string,
  ranges: readonly SlotRange[],
  config: RedisConfig,
  signal: AbortSignal,
): Promise<readonly Place[]> {
  const places = await startAll(ranges.map(() => startLoaded(engine, config, signal)))
  const serve = ranges.map(async ({ first, last }, index) => {
    const { server } = places[index] as Place
    await order(server, ['CLUSTER', 'ADDSLOTSRANGE', String(first), String(last)])
    await until('it serves', DEADLINE_MS, async () => (await view(server)).clusterOk || undefined, { signal })
  })
  await Promise.all(serve)
  return places
}

/** Waits for all; where one can't be started, the others are removed. */
export async function startAll(starts: readonly Promise<Place>[]): Promise<readonly Place[]> {
  const settled = await Promise.allSettled(starts)
  const places = settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  const failed = settled.find((one) => one.status === 'rejected')
  if (failed === undefined) return places
  await removePlaces(places)
  throw failed.reason
}

/** Introduces all to each other. */
export async function introduce(places: readonly Place[]): Promise<void> {
  await Promise.all(places.map(({ server }, index) => order(server, ...places.slice(index + 1).map(meetOf))))
}

/** How many keys they have together. */
export async function keysOf(places: readonly Place[]): Promise<number> {
  const counts = places.map(async ({ server }) => {
    const [count] = await ask(server, ['DBSIZE'])
    if (count instanceof RedisError) throw count
    return Number(count)
  })
  return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0)
}

/** Ends them and removes their data. */
export async function removePlaces(places: readonly Place[]): Promise<void> {
  await Promise.all(places.map(({ server }) => server.remove()))
}
