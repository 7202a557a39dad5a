import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { RdbParser } from '@slotkeeper/rdb'
import { evenRanges, formatRanges, SLOT_COUNT, slotCount } from '@slotkeeper/redis-topology'
import { closeConnections, type Place, until } from '@slotkeeper/testing'
import { runAgent } from '../agent-process.ts'
import { BackupPlace, type TakenBackup } from '../backup-place.ts'
import { type Batch, CommandBatches } from '../command-batches.ts'
import { CommandPipe, sendAll } from '../command-pipe.ts'
import { restoreCommands } from '../restore-commands.ts'
import { type SampleData, shapeOf, storeSample } from '../sample-data.ts'
import type { Context, Figure, Scenario } from '../scenario.ts'
import { introduce, keysOf, lookAt, removePlaces, startAll, startApart, startLoaded } from '../seeded-servers.ts'

const ENGINE = 'valkey-9.1'
const SHARDS = 3
const INTO = [3, 5]
const CONNECTIONS = 4
const DEADLINE_MS = 120_000
const WHOLE: SampleData = { keys: 3_000_000, valueBytes: 100 }
const SAMPLE: SampleData = { keys: 60_000, valueBytes: 100 }
/** What clusters with volumes have when nothing else is said. */
const KEPT = { appendonly: 'yes' }

/** Seconds of a restore by agents. */
type Seeded = { readonly seeding: number; readonly starting: number; readonly mostMiB: number }
/** Seconds of a replay: until its commands are made, and from the first that is sent to the last answer. */
type Replayed = { readonly making: number; readonly sending: number }
type Source = {
  readonly place: BackupPlace
  readonly taken: TakenBackup
  readonly keys: number
  readonly signal: AbortSignal
}

/** Three million keys, into as many shards and into more. */
export const restore: Scenario = {
  name: 'restore',
  title: 'Restoring 3 million keys',
  method:
    `Three primaries of valkey 9.1 with ${shapeOf(WHOLE)} together are backed up once into a real S3 server (versitygw), encrypted and compressed. ` +
    'Ours: an agent for each shard of the target, all at once as the controller runs them (at most 8), each a process of the built agent, fills a folder; then real servers are ' +
    'started on the folders and introduced to each other once they have loaded. Ok: every server says `cluster_state:ok` and knows who owns each slot, looked at every 10 ms, and together they have every key; ' +
    'a primary is never ok in its first 2 s. No Kubernetes: neither pods nor volumes are waited for. Replay: one process reads the same objects and makes `RESTORE` commands of them in memory, ' +
    `then sends these in pipelines of 64 KiB by ${CONNECTIONS} connections to each of as many empty servers that serve their slots already, to the last answer. ` +
    "With our servers' start only the sending is compared, with the whole both, one after the other; the start of its servers is never counted. The append-only file is on in both.",
  runs: 2,
  run: async (context) => {
    const data = context.size === 'whole' ? WHOLE : SAMPLE
    const place = await BackupPlace.start()
    try {
      const taken = await backUpOnce(data, place, context)
      const source: Source = { place, taken, keys: data.keys, signal: context.signal }
      const figures: Figure[] = []
      for (const shards of INTO) figures.push(...(await intoShards(shards, source, context)))
      return figures
    } finally {
      closeConnections()
      await place.stop()
    }
  },
}

async function backUpOnce(data: SampleData, place: BackupPlace, { signal, say }: Context): Promise<TakenBackup> {
  const ranges = evenRanges(SHARDS)
  const places = await startApart(ENGINE, ranges, place.user, signal)
  try {
    say(`storing ${shapeOf(data)}`)
    const targets = places.map(({ server: { host, port } }, index) => ({
      host,
      port,
      holds: (slot: number) => slot >= (ranges[index]?.first ?? 0) && slot <= (ranges[index]?.last ?? -1),
    }))
    await storeSample(data, targets, signal)
    say('backing them up')
    return await place.backUp(
      ENGINE,
      places.map((primary) => ({ primary, replicas: [] })),
      signal,
    )
  } finally {
    await removePlaces(places)
  }
}

async function intoShards(shards: number, source: Source, { runs, say }: Context): Promise<readonly Figure[]> {
  const [ours, replayed]: [Seeded[], Replayed[]] = [[], []]
  for (let run = 1; run <= runs; run += 1) {
    const seeded = await bySeeding(shards, source)
    ours.push(seeded)
    const other = await byReplay(shards, source)
    replayed.push(other)
    const told = `seeded in ${seeded.seeding.toFixed(1)} s, ok ${seeded.starting.toFixed(1)} s later`
    const others = `commands made in ${other.making.toFixed(1)} s, sent in ${other.sending.toFixed(1)} s`
    say(`${SHARDS} into ${shards}, ${run}/${runs}: ${told}; ${others}`)
  }
  return figuresOf(shards, source.keys, ours, replayed)
}

async function bySeeding(shards: number, source: Source): Promise<Seeded> {
  const { keys, signal } = source
  const folders = await Promise.all(
    Array.from({ length: shards }, () => mkdtemp(join(tmpdir(), 'slotkeeper-bench-volume-'))),
  )
  let places: readonly Place[] = []
  try {
    const start = performance.now()
    const runs = await seed(folders, source)
    const seededAt = performance.now()
    places = await startAll(folders.map((dir) => startLoaded(ENGINE, { ...KEPT, dir }, signal)))
    await introduce(places)
    await untilServed(places, signal)
    const starting = performance.now() - seededAt
    expectAll(await keysOf(places), keys)
    const mostMiB = Math.max(...runs.map((one) => one.mostMiB))
    return { seeding: (seededAt - start) / 1000, starting: starting / 1000, mostMiB }
  } finally {
    await removePlaces(places)
    await Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true })))
  }
}

/** Waits until every server is ok and knows the owner of every slot. */
async function untilServed(places: readonly Place[], signal: AbortSignal): Promise<void> {
  const look = lookAt(places.map(({ server }) => server))
  await until(
    'a cluster that serves every slot',
    DEADLINE_MS,
    async () => {
      const contacts = await look()
      const isServed = contacts.every((one) => {
        if (one.type !== 'up' || !one.view.clusterOk) return false
        const owners = one.view.rows.filter(({ slots }) => slots.length > 0)
        return owners.length === places.length && slotCount(owners.flatMap(({ slots }) => slots)) === SLOT_COUNT
      })
      return isServed || undefined
    },
    { everyMs: 10, signal },
  )
}

/** The agents of a restore. */
async function seed(folders: readonly string[], { place, taken: { manifest, sha256 }, signal }: Source) {
  const uid = randomUUID()
  const ranges = evenRanges(folders.length)
  const agents = folders.map((volume, shard) =>
    runAgent(
      'SeedShard',
      place.plan({
        type: 'SeedShard',
        manifest,
        sha256,
        volume,
        restore: uid,
        shard,
        slots: formatRanges(ranges.slice(shard, shard + 1)),
        epoch: shard + 1,
        currentEpoch: folders.length,
        persistence: 'aof',
      }),
      signal,
    ),
  )
  return Promise.all(agents)
}

async function byReplay(shards: number, source: Source): Promise<Replayed> {
  const { keys, signal } = source
  const began = performance.now()
  const commands = await commandsFor(shards, source)
  const making = (performance.now() - began) / 1000
  const places = await startApart(ENGINE, evenRanges(shards), KEPT, signal)
  const opened: CommandPipe[] = []
  try {
    const pipes: (readonly CommandPipe[])[] = []
    for (const { server } of places) {
      const some = await Promise.all(Array.from({ length: CONNECTIONS }, () => CommandPipe.open(server, signal)))
      opened.push(...some)
      pipes.push(some)
    }
    const start = performance.now()
    await Promise.all(commands.map((batches, shard) => sendAll(batches, pipes[shard] ?? [])))
    const sending = (performance.now() - start) / 1000
    expectAll(await keysOf(places), keys)
    return { making, sending }
  } finally {
    opened.forEach((pipe) => pipe.close())
    await removePlaces(places)
  }
}

/** What is sent to each server. */
async function commandsFor(shards: number, { place, taken, signal }: Source): Promise<readonly (readonly Batch[])[]> {
  const ranges = evenRanges(shards)
  const lists = ranges.map((): Batch[] => [])
  const batches = lists.map((list) => new CommandBatches((batch) => list.push(batch)))
  const owners = ranges.flatMap(({ first, last }, owner) => Array.from({ length: last - first + 1 }, () => owner))
  for (const object of taken.objects) {
    const parser = new RdbParser(restoreCommands((slot, words) => batches[owners[slot] ?? -1]?.add(...words)))
    for await (const chunk of place.read(object, signal)) parser.push(chunk)
    parser.finish()
  }
  batches.forEach((one) => one.end())
  return lists
}

function expectAll(found: number, expected: number): void {
  if (found !== expected) throw new Error(`${found} keys were restored, not ${expected}`)
}

function figuresOf(
  shards: number,
  keys: number,
  ours: readonly Seeded[],
  replayed: readonly Replayed[],
): readonly Figure[] {
  const title = `${SHARDS} into ${shards} shards`
  const rate = (seconds: number): number => keys / seconds / 1e6
  const starting = ours.map((one) => one.starting)
  const whole = ours.map((one) => one.seeding + one.starting)
  const rates = (what: string, seconds: readonly number[], theirs: readonly number[], least: number): Figure => ({
    what: `${title}: ${what}`,
    unit: 'M keys/s',
    ours: seconds.map(rate),
    reference: { name: 'replay', samples: theirs.map(rate) },
    target: { least, of: 'ours' },
  })
  const sent = replayed.map(({ sending }) => sending)
  const madeAndSent = replayed.map(({ making, sending }) => making + sending)
  return [
    { what: `${title}: objects -> seeded`, unit: 's', ours: ours.map((one) => one.seeding) },
    { what: `${title}: servers' start -> ok`, unit: 's', ours: starting },
    { what: `${title}: objects -> ok`, unit: 's', ours: whole },
    rates("servers' start -> ok", starting, sent, 0.6),
    rates('objects -> ok', whole, madeAndSent, 0.35),
    { what: `${title}: most memory of an agent`, unit: 'MiB', ours: ours.map((one) => one.mostMiB) },
  ]
}
