import { randomInt } from 'node:crypto'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { packContainer } from '@slotkeeper/object-storage'
import { RdbParser, RdbTally } from '@slotkeeper/rdb'
import { clusterCalls, openSnapshot } from '@slotkeeper/redis-client'
import { ask, closeConnections, order, type Place, readToolchain, until } from '@slotkeeper/testing'
import { runCommand } from '../../local/src/run-command.ts'
import { BackupPlace } from '../backup-place.ts'
import { GETS_PER_SECOND, startGetProbe } from '../get-probe.ts'
import { sampleKey, type SampleData, shapeOf, storeSample } from '../sample-data.ts'
import type { Context, Figure, Scenario } from '../scenario.ts'
import { introduce, lookAt, removePlaces, startAll, startApart, startLoaded } from '../seeded-servers.ts'
import { untilWhole } from '../wholeness.ts'

const ENGINE = 'valkey-9.1'
const DEADLINE_MS = 300_000
const ALONE_MS = 5_000
const WHOLE: SampleData = { keys: 1_000_000, valueBytes: 1_000 }
const SAMPLE: SampleData = { keys: 20_000, valueBytes: 1_000 }

type Latencies = { readonly primary: readonly number[]; readonly replica: readonly number[] }
/** What one way gave: seconds by name, and what it stored. */
type Way = {
  readonly seconds: number
  readonly bytes: number
  readonly hashed?: number
  readonly uploaded?: number
  readonly mostMiB?: number
}
type Taken = Way & Latencies
type Subject = {
  readonly primary: Place
  readonly replica: Place
  readonly place: BackupPlace
  readonly folder: string
  readonly cli: string
  readonly version: string
  readonly signal: AbortSignal
}

/** A gigabyte, in three ways. */
export const backup: Scenario = {
  name: 'backup',
  title: 'Backing up a shard of 1 GB',
  method:
    `A primary of valkey 9.1 with ${shapeOf(WHOLE)} (60 % text, 40 % random) and a replica, no Kubernetes. They take turns, ` +
    'each of the replica: the built agent stores and seals an encrypted and compressed backup in a real S3 server (versitygw) on the same machine, reads all of it back, and ' +
    'parses it on both ways (uploaded: the object is whole in the storage, looked at every 100 ms); `BGSAVE` with `cp` of the file, then `sha256sum` of the copy; `valkey-cli --rdb` into a file. The clock runs from ' +
    'the start of the first process to the end of the last. Neither of the others encrypts, leaves the machine or looks at what it has stored, but for the sum that is told apart. ' +
    'The floor is the least that such a backup is: the bench itself is sent the same snapshot, parses it, compresses it at the same level, and throws it away. Memory is ' +
    `VmHWM of the agent's processes. Meanwhile a client reads either server ${GETS_PER_SECOND} times a second, one GET in each round trip; before that it does so for 5 s with nothing else under way ("alone").`,
  runs: 2,
  run: async (context) => {
    const data = context.size === 'whole' ? WHOLE : SAMPLE
    const tools = (await readToolchain()).servers[ENGINE]
    if (tools === undefined) throw new Error(`no ${ENGINE}. Remedy: make toolchain`)
    const place = await BackupPlace.start()
    const folder = await mkdtemp(join(tmpdir(), 'slotkeeper-bench-copies-'))
    let places: readonly Place[] = []
    try {
      places = await startPair(data, place, context)
      const [primary, replica] = places as readonly [Place, Place]
      const { cli, version } = tools
      const subject: Subject = { primary, replica, place, folder, cli, version, signal: context.signal }
      return await compare(subject, data, context)
    } finally {
      closeConnections()
      await removePlaces(places)
      await place.stop()
      await rm(folder, { recursive: true, force: true })
    }
  },
}

/** A primary that is filled, then a replica of it. */
async function startPair(data: SampleData, place: BackupPlace, { signal, say }: Context): Promise<readonly Place[]> {
  const primary = startApart(ENGINE, [{ first: 0, last: 16_383 }], place.user, signal).then(([one]) => one as Place)
  const places = await startAll([primary, startLoaded(ENGINE, place.user, signal)])
  try {
    const [first, second] = places as readonly [Place, Place]
    say(`storing ${shapeOf(data)}`)
    await storeSample(data, [{ host: first.server.host, port: first.server.port, holds: () => true }], signal)
    await introduce(places)
    await until(
      'a replica',
      DEADLINE_MS,
      async () => {
        await order(second.server, clusterCalls.replicate(first.id))
        return true
      },
      { signal },
    )
    const look = lookAt(places.map(({ server }) => server))
    await untilWhole(look, { shards: 1, servers: 2 }, performance.now(), signal)
    return places
  } catch (error) {
    await removePlaces(places)
    throw error
  }
}

async function compare(subject: Subject, data: SampleData, { runs, say }: Context): Promise<readonly Figure[]> {
  const alone = await watched(subject, data, () => sleep(ALONE_MS, undefined, { signal: subject.signal }))
  const [ours, saved, sent]: [Taken[], Taken[], Taken[]] = [[], [], []]
  const floor: number[] = []
  for (let run = 1; run <= runs; run += 1) {
    ours.push(await taken(subject, data, byAgent))
    saved.push(await taken(subject, data, bySave))
    sent.push(await taken(subject, data, byCli))
    floor.push(await byFloor(subject))
    const last = (list: readonly Taken[]): string => `${list.at(-1)?.seconds.toFixed(1)} s`
    const others = `BGSAVE and cp ${last(saved)}, --rdb ${last(sent)}, floor ${floor.at(-1)?.toFixed(1)} s`
    say(`${run}/${runs}: agent ${last(ours)}, ${ours.at(-1)?.uploaded?.toFixed(1)} s to upload; ${others}`)
  }
  return figuresOf({ ours, saved, sent, floor, alone })
}

async function taken(subject: Subject, data: SampleData, way: (subject: Subject) => Promise<Way>): Promise<Taken> {
  let found: Way | undefined
  const latencies = await watched(subject, data, async () => (found = await way(subject)))
  return { ...(found as Way), ...latencies }
}

/** What a client of either server sees while something is under way. */
async function watched(subject: Subject, data: SampleData, work: () => Promise<unknown>): Promise<Latencies> {
  const key = (): string => sampleKey(randomInt(data.keys))
  const [primary, replica] = await Promise.all(
    [subject.primary, subject.replica].map(({ server }) => startGetProbe(server, key, subject.signal)),
  )
  try {
    await work()
  } finally {
    await Promise.allSettled([primary?.finish(), replica?.finish()])
  }
  return { primary: (await primary?.finish()) ?? [], replica: (await replica?.finish()) ?? [] }
}

async function byAgent({ primary, replica, place, signal }: Subject): Promise<Way> {
  return place.backUp(ENGINE, [{ primary, replicas: [replica] }], signal)
}

async function bySave({ replica: { server }, folder, signal }: Subject): Promise<Way> {
  const copy = join(folder, 'copy.rdb')
  const start = performance.now()
  await order(server, ['BGSAVE'])
  await until(
    'the end of BGSAVE',
    DEADLINE_MS,
    async () => {
      const info = String((await ask(server, ['INFO', 'persistence']))[0])
      if (!info.includes('rdb_bgsave_in_progress:0')) return undefined
      if (!info.includes('rdb_last_bgsave_status:ok')) throw new Error('BGSAVE has failed')
      return true
    },
    { everyMs: 20, signal },
  )
  await runCommand('cp', [join(server.dir, 'dump.rdb'), copy], { signal, deadline: DEADLINE_MS })
  const seconds = (performance.now() - start) / 1000
  await runCommand('sha256sum', [copy], { signal, deadline: DEADLINE_MS })
  const hashed = (performance.now() - start) / 1000
  return { seconds, hashed, bytes: await sizeOf(copy) }
}

async function byCli({ replica: { server }, folder, cli, signal }: Subject): Promise<Way> {
  const file = join(folder, 'sent.rdb')
  const start = performance.now()
  const where = ['-h', server.host, '-p', String(server.port)]
  await runCommand(cli, [...where, '--rdb', file], { signal, deadline: DEADLINE_MS })
  return { seconds: (performance.now() - start) / 1000, bytes: await sizeOf(file) }
}

/** Sent, parsed, compressed, thrown away. Nobody reads meanwhile: it would be in this process. */
async function byFloor({ replica: { server }, version, signal }: Subject): Promise<number> {
  const start = performance.now()
  const target = { host: server.host, port: server.port, username: 'default', password: '' }
  const snapshot = await openSnapshot(target, { signal, silenceMs: 60_000, version })
  const parser = new RdbParser(new RdbTally())
  const parsed = async function* () {
    for await (const chunk of snapshot.bytes) {
      parser.push(chunk)
      yield chunk
    }
    parser.finish()
  }
  for await (const _frame of packContainer(parsed(), { subject: 'floor', encryption: 'none', level: 1 }));
  return (performance.now() - start) / 1000
}

/** Its size; then it is removed. */
async function sizeOf(file: string): Promise<number> {
  const { size } = await stat(file)
  await rm(file)
  return size
}

const SAVE = '`BGSAVE` and `cp`'
const CLI = '`valkey-cli --rdb`'

type Samples = {
  readonly ours: readonly Taken[]
  readonly saved: readonly Taken[]
  readonly sent: readonly Taken[]
  readonly floor: readonly number[]
  readonly alone: Latencies
}

function figuresOf(samples: Samples): readonly Figure[] {
  const { ours, saved, sent, floor } = samples
  const seconds = (list: readonly Taken[]): readonly number[] => list.map((one) => one.seconds)
  const hashed = saved.map((one) => one.hashed ?? Number.NaN)
  const megabytes = (list: readonly Taken[]): readonly number[] => list.map(({ bytes }) => bytes / 1e6)
  const time = (name: string, list: readonly number[]): Figure => ({
    what: 'start -> sealed, all of it read back',
    unit: 's',
    ours: seconds(ours),
    reference: { name, samples: list },
  })
  const size = (name: string, list: readonly Taken[]): Figure => ({
    what: 'bytes stored',
    unit: 'MB',
    ours: megabytes(ours),
    reference: { name, samples: megabytes(list) },
  })
  return [
    {
      what: 'start -> uploaded',
      unit: 's',
      ours: ours.map(({ uploaded }) => uploaded ?? Number.NaN),
      reference: { name: 'floor', samples: floor },
      target: { most: 1.4, of: 'ratio' },
    },
    time(SAVE, seconds(saved)),
    time(`${SAVE} and \`sha256sum\``, hashed),
    time(CLI, seconds(sent)),
    size(SAVE, saved),
    size(CLI, sent),
    {
      what: 'most memory of the agent',
      unit: 'MiB',
      ours: ours.map(({ mostMiB }) => mostMiB ?? Number.NaN),
      target: { most: 200, of: 'ours' },
    },
    ...readsOf('primary', samples),
    ...readsOf('replica', samples),
  ]
}

/** What a client of one of the servers saw, in all ways. */
function readsOf(server: 'primary' | 'replica', { ours, saved, sent, alone }: Samples): readonly Figure[] {
  const all = (list: readonly Latencies[]): readonly number[] => list.flatMap((one) => one[server])
  const against = (name: string, list: readonly Latencies[]): Figure => ({
    what: `GETs of the ${server} meanwhile`,
    unit: 'ms',
    ours: all(ours),
    reference: { name, samples: all(list) },
    at: 'p99',
  })
  return [against('alone', [alone]), against(SAVE, saved), against(CLI, sent)]
}
