import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  ask,
  closeConnections,
  ENGINES,
  formCluster,
  kept,
  nodeAt,
  type Place,
  type RedisServer,
  SHARDS,
  startRedisServer,
  until,
} from '@slotkeeper/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { cutCluster, type CutShard, openSnapshot, type RedisNode, type Snapshot } from '../src/index.ts'

const PATIENCE_MS = 30_000
const WRITERS = 8
const CUTS = 16
/** One in each shard, in the order in which every writer writes them. */
const TAGS = ['{t2}', '{t1}', '{t0}']
const OPTIONS = { signal: AbortSignal.timeout(600_000), silenceMs: PATIENCE_MS, pauseMs: 2_000 }

type Stage = { readonly places: readonly Place[]; readonly scratch: readonly RedisServer[] }
const stages = new Map<string, Stage>()
const connections: RedisNode[] = []

async function prepare(engine: string): Promise<void> {
  const places = await formCluster(engine, { 'repl-diskless-sync': 'yes' })
  const scratch = await Promise.all(
    TAGS.map(() => startRedisServer(engine, { 'cluster-enabled': 'no', 'enable-debug-command': 'local' })),
  )
  stages.set(engine, { places, scratch })
}

const targetOf = ({ server: { host, port } }: Place) => ({ host, port, username: 'default', password: '' })

const shardsOf = ({ places }: Stage, fromReplicas: boolean): readonly CutShard[] =>
  places.slice(0, SHARDS).map((primary, shard) => {
    const replica = places[shard + SHARDS] as Place
    return fromReplicas
      ? { primary: kept(primary.server), from: targetOf(replica), replica: kept(replica.server) }
      : { primary: kept(primary.server), from: targetOf(primary) }
  })

/** A connection of its own: on a busy machine a dial may be late. */
const connected = ({ server }: Place): Promise<RedisNode> =>
  until('a connection', PATIENCE_MS, async () => {
    const node = nodeAt(server)
    await node.call(['PING'], PATIENCE_MS)
    return node
  })

/** Writes a number into one shard after the other, each time once the one before is acknowledged; gives how to end it. */
async function write({ places }: Stage, writer: number): Promise<() => Promise<void>> {
  const nodes = await Promise.all(places.slice(0, SHARDS).map(connected))
  connections.push(...nodes)
  let going = true
  const done = (async () => {
    for (let count = 1; going; count += 1)
      for (const [shard, node] of nodes.entries())
        await node.call(['SET', `${TAGS[shard]}:${writer}`, String(count)], PATIENCE_MS)
  })()
  return async () => {
    going = false
    await done
  }
}

/** What each writer had written into a shard, by its snapshot. */
async function read({ scratch }: Stage, shard: number, { bytes }: Snapshot): Promise<readonly number[]> {
  const pieces: Uint8Array[] = []
  for await (const piece of bytes) pieces.push(piece)
  const server = scratch[shard] as RedisServer
  await writeFile(join(server.dir, 'dump.rdb'), Buffer.concat(pieces))
  const keys = Array.from({ length: WRITERS }, (_, writer) => `${TAGS[shard]}:${writer}`)
  const [loaded, values] = await ask(server, ['DEBUG', 'RELOAD', 'NOSAVE', 'NOFLUSH', 'MERGE'], ['MGET', ...keys])
  expect(loaded).toBe('OK')
  return (values as readonly (string | null)[]).map(Number)
}

/** Whether some writer's later write is there without its earlier one. */
async function isTorn(stage: Stage, snapshots: readonly Snapshot[]): Promise<boolean> {
  const counts = await Promise.all(snapshots.map((one, shard) => read(stage, shard, one)))
  return counts.some((one, shard) => one.some((count, writer) => count > (counts[shard - 1]?.[writer] ?? Infinity)))
}

beforeAll(async () => {
  await Promise.all(ENGINES.map(prepare))
})

afterAll(async () => {
  closeConnections()
  for (const one of connections) one.close()
  const servers = [...stages.values()].flatMap(({ places, scratch }) => [
    ...places.map(({ server }) => server),
    ...scratch,
  ])
  await Promise.all(servers.map((server) => server.remove()))
})

describe.each(ENGINES)('%s', (engine) => {
  test('no write is in a cut without those that were acknowledged before it', async () => {
    const stage = stages.get(engine) as Stage
    const ends = await Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(stage, writer)))
    let torn = 0
    for (let cut = 0; cut < CUTS; cut += 1) {
      // Refused where the servers were so slow that writes may have gone on.
      const { snapshots } = await until('a cut', PATIENCE_MS, () => cutCluster(shardsOf(stage, cut % 2 === 1), OPTIONS))
      torn += (await isTorn(stage, snapshots)) ? 1 : 0
    }
    // One shard after the other, it is torn: the test can fail.
    const loose: Snapshot[] = []
    for (const { from } of shardsOf(stage, false)) loose.push(await openSnapshot(from, OPTIONS))
    const looseIsTorn = await isTorn(stage, loose)
    for (const end of ends) await end()
    expect({ torn, looseIsTorn }).toEqual({ torn: 0, looseIsTorn: true })
  })

  test('where a server is away nothing is cut, and writes go on at once', async () => {
    const stage = stages.get(engine) as Stage
    const [first, ...others] = shardsOf(stage, false) as readonly [CutShard, ...CutShard[]]
    const away = { ...first, name: 'the first', from: { ...first.from, port: 1 } }
    await expect(cutCluster([...others, away], { ...OPTIONS, pauseMs: 60_000 })).rejects.toMatchObject({
      reason: 'Refused',
      message: 'the first: connection refused',
    })
    const [place] = stage.places as readonly [Place]
    expect(await ask(place.server, ['SET', `${TAGS[0]}:after`, '1'])).toEqual(['OK'])
  })
})
