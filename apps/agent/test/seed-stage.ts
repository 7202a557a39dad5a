import { randomUUID } from 'node:crypto'
import type { AgentPlan, AgentStorage, AgentTask } from '@slotkeeper/backup'
import { RedisError } from '@slotkeeper/redis-client'
import { evenRanges, formatRanges, type SlotRange } from '@slotkeeper/redis-topology'
import {
  type Ask,
  fillServer,
  kept,
  librariesOf,
  order,
  type Place,
  type RedisServer,
  SHARDS,
  startRedisServer,
  until,
  valueOf,
  view,
} from '@slotkeeper/testing'
import { doneHere } from './agent-process.ts'
import { fill, PATIENCE_MS, sealing, type Stage, storing, TAGS, USER } from './stage.ts'

type Seed = Extract<AgentTask, { type: 'SeedShard' }>
/** A backup that is sealed. */
export type Sealed = Pick<Seed, 'manifest' | 'sha256'> & { readonly storage: AgentStorage }

const ALONE = {
  'cluster-require-full-coverage': 'no',
  'cluster-allow-reads-when-down': 'yes',
  'repl-diskless-sync': 'yes',
  'repl-diskless-sync-delay': '0',
  'enable-debug-command': 'yes',
  ...USER,
}

/** Asks a server in bytes. */
export const asking =
  (server: RedisServer): Ask =>
  async (words) => {
    const [answer] = await kept(server).binary(
      [words.map((word) => (typeof word === 'number' ? String(word) : word))],
      PATIENCE_MS,
    )
    if (answer instanceof RedisError) throw answer
    return answer
  }

/** Three primaries that have never heard of each other, each with its third of the slots. */
export const startShards = (engine: string): Promise<readonly Place[]> =>
  Promise.all(
    evenRanges(SHARDS).map(async ({ first, last }) => {
      const server = await startRedisServer(engine, ALONE)
      await order(server, ['CLUSTER', 'ADDSLOTSRANGE', String(first), String(last)])
      const { nodeId } = await until('it serves', PATIENCE_MS, async () => {
        const seen = await view(server)
        return seen.clusterOk ? seen : undefined
      })
      return { id: nodeId, server }
    }),
  )

/** Fills three shards with all that a version has; with a value of several frames, and a key whose time is over. */
export async function fillShards(engine: string, places: readonly Place[]): Promise<void> {
  const asks = places.map(({ server }) => asking(server))
  await fillServer(engine, async (words) => {
    const isForAll = words[0] === 'FUNCTION' || words[0] === 'CONFIG'
    if (isForAll) return Promise.all(asks.map((ask) => ask(words)))
    for (const ask of asks) {
      const answer = await ask(words).catch((error: unknown) => {
        if (error instanceof RedisError && error.message.includes('Hash slot not served')) return asks
        throw error
      })
      if (answer !== asks) return answer
    }
    throw new Error(`nobody takes ${words.join(' ')}`)
  })
  await fill(places[0] as Place, TAGS[0], 9)
  const [last] = asks.slice(-1) as [Ask]
  await last(['DEBUG', 'SET-ACTIVE-EXPIRE', '0'])
  await last(['SET', `${TAGS[2]}:over`, 'x', 'PX', '1'])
}

/** All keys with what they hold, and the functions of each server. */
export async function contentOf(servers: readonly RedisServer[]) {
  const values = new Map<string, unknown>()
  for (const ask of servers.map(asking)) {
    const keys = (await ask(['KEYS', '*'])) as Buffer[]
    await Promise.all(keys.map(async (key) => values.set(key.toString('latin1'), await valueOf(ask, key))))
  }
  return values
}

/** The functions of each of these servers. */
export const functionsOf = (servers: readonly RedisServer[]) =>
  Promise.all(servers.map((server) => librariesOf(asking(server))))

/** Stores and seals three shards. */
export async function backUp(
  stage: Stage,
  storage: AgentStorage,
  engine: string,
  places: readonly Place[],
  more: Partial<AgentPlan> = {},
): Promise<Sealed> {
  const task = storing(places, { target: 'primary', credentials: stage.credentials })
  const { shards } = await doneHere('StoreShards', stage.plan(storage, task, more))
  const { manifest, sha256 } = await doneHere('SealBackup', stage.plan(storage, sealing(task, engine, shards), more))
  return { storage, manifest, sha256 }
}

/** The slots of so many shards. Two take turns, so that each gets some of every shard that was backed up. */
export function slotsFor(shards: number): readonly (readonly SlotRange[])[] {
  if (shards !== 2) return evenRanges(shards).map((range) => [range])
  const blocks = evenRanges(16)
  return [0, 1].map((turn) => blocks.filter((_, index) => index % 2 === turn))
}

/** The task of filling the volume of one shard. */
export const seeding = ({ manifest, sha256 }: Sealed, volume: string, more: Partial<Seed> = {}): Seed => ({
  type: 'SeedShard',
  manifest,
  sha256,
  volume,
  restore: randomUUID(),
  shard: 0,
  slots: '0-16383',
  epoch: 1,
  currentEpoch: 1,
  persistence: 'rdb',
  ...more,
})

/** A shard that was seeded, and its server. */
export type Restored = {
  readonly shard: number
  readonly slots: string
  readonly volume: string
  readonly server: RedisServer
  readonly nodeId: string
  readonly keys: number
}

/** Seeds a volume for each of these shards, and starts a server on it. */
export async function restore(
  stage: Stage,
  sealed: Sealed,
  engine: string,
  { slots, persistence }: { slots: readonly (readonly SlotRange[])[]; persistence: Seed['persistence'] },
): Promise<readonly Restored[]> {
  const restored: Restored[] = []
  const uid = randomUUID()
  for (const [shard, ranges] of slots.entries()) {
    const volume = await stage.folder()
    const text = formatRanges(ranges)
    const more = { restore: uid, shard, slots: text, epoch: shard + 1, currentEpoch: slots.length, persistence }
    const done = await doneHere('SeedShard', stage.plan(sealed.storage, seeding(sealed, volume, more)))
    const server = await startOn(engine, volume, persistence)
    restored.push({ shard, slots: text, volume, server, nodeId: done.nodeId, keys: done.keys })
  }
  return restored
}

/** Starts a server on a volume, as the settings of a cluster of that persistence have it. */
export const startOn = (engine: string, volume: string, persistence: Seed['persistence']): Promise<RedisServer> =>
  startRedisServer(engine, {
    ...ALONE,
    dir: volume,
    appendonly: persistence === 'aof' ? 'yes' : 'no',
    save: persistence === 'rdb' ? '3600 1' : '""',
  })

/** The task of asking the servers of a restore. */
export const verifying = (
  stage: Stage,
  restored: readonly Restored[],
): Extract<AgentTask, { type: 'VerifyRestore' }> => ({
  type: 'VerifyRestore',
  shards: restored.map(({ shard, slots, keys, nodeId, server: { host, port } }) => ({
    shard,
    slots,
    keys,
    server: { pod: `orders-${shard}-0`, host, port, nodeId },
  })),
  username: 'slotkeeper-backup',
  credentials: stage.credentials,
})
