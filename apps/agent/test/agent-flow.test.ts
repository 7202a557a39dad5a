import { writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { type AgentPlan, type AgentTask, type BackupManifest, objectOf, parseManifest } from '@slotkeeper/backup'
import { type ObjectStore, unpackContainer } from '@slotkeeper/object-storage'
import {
  ask,
  ENGINES,
  type Place,
  type RedisServer,
  SHARDS,
  startRedisServer,
  startWriter,
  until,
} from '@slotkeeper/testing'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { verifyStored } from '../src/store-snapshot.ts'
import { doneBy, lastWords } from './agent-process.ts'
import {
  fill,
  limits,
  namesIn,
  PATIENCE_MS,
  removeAll,
  sealing,
  Stage,
  startCluster,
  storing,
  TAGS,
  unfinishedIn,
} from './stage.ts'

const KINDS = ['bucket', 'container', 'directory'] as const

type Case = {
  readonly engine: string
  readonly kind: (typeof KINDS)[number]
  readonly consistency: 'shard' | 'cluster'
  readonly target: 'prefer-replica' | 'primary'
  readonly isEncrypted: boolean
}

vi.setConfig({ testTimeout: 4 * PATIENCE_MS, hookTimeout: 4 * PATIENCE_MS })

const NEWEST = ENGINES.at(-1) as string
const cases: readonly Case[] = [
  ...ENGINES.map((engine, index): Case => ({
    engine,
    kind: index % 2 === 0 ? 'bucket' : 'directory',
    consistency: index % 2 === 0 ? 'shard' : 'cluster',
    target: 'prefer-replica',
    isEncrypted: index !== 0,
  })),
  { engine: NEWEST, kind: 'bucket', consistency: 'cluster', target: 'primary', isEncrypted: true },
  { engine: NEWEST, kind: 'directory', consistency: 'shard', target: 'primary', isEncrypted: false },
  { engine: NEWEST, kind: 'container', consistency: 'shard', target: 'prefer-replica', isEncrypted: true },
]

/** Since Redis 7.4 and Valkey 9 a field may end before its key does. */
const HASH = `${TAGS[0]}:hash`
const SHORT_LIVED = ['HEXPIRE', HASH, '86400', 'FIELDS', '1', 'field']
const FIELDS_END: ReadonlySet<string> = new Set(['redis-8.0', 'valkey-9.1'])

const clusters = new Map<string, readonly Place[]>()
const scratch = new Map<string, RedisServer>()
let stage: Stage

beforeAll(async () => {
  stage = await Stage.make()
  await Promise.all(
    ENGINES.map(async (engine) => {
      const places = await startCluster(engine)
      clusters.set(engine, places)
      scratch.set(engine, await startRedisServer(engine, { 'cluster-enabled': 'no' }))
      // More than a part of an upload, so that there are several.
      await fill(places[0] as Place, TAGS[0], 20)
      await ask((places[0] as Place).server, ['HSET', HASH, 'field', 'value', 'other', 'value'], SHORT_LIVED)
    }),
  )
})

afterAll(async () => {
  await removeAll(Array.from(clusters.values()).flat())
  await Promise.all(Array.from(scratch.values(), (server) => server.remove()))
  await stage.close()
})

async function manifestOf(store: ObjectStore, name: string): Promise<BackupManifest> {
  const chunks: Uint8Array[] = []
  for await (const chunk of store.get(name, limits())) chunks.push(chunk)
  return parseManifest(Buffer.concat(chunks).toString())
}

/** Which of the keys a server has that has loaded the data of a shard. */
async function keysIn(engine: string, file: Buffer, keys: readonly string[]): Promise<readonly string[]> {
  const server = scratch.get(engine) as RedisServer
  await server.kill()
  await writeFile(join(server.dir, 'dump.rdb'), file)
  await server.restart()
  const answers = await until('it has loaded', PATIENCE_MS, async () => {
    const found = await ask(server, ...keys.map((key) => ['EXISTS', key]))
    return found.some((one) => one instanceof Error) ? undefined : found
  })
  return keys.filter((_, index) => answers[index] === 1)
}

/** What a store task reports, its shards written to meanwhile; and what was acknowledged before it began. */
async function storedUnderWriter(engine: string, plan: AgentPlan, store: ObjectStore) {
  const places = clusters.get(engine) as readonly Place[]
  const startAt = places.map(({ server: { host, port } }) => ({ host, port }))
  const writer = startWriter({ dial: (host, port) => connect(port, host), startAt, password: '', perSecond: 50 })
  await until('something is written', PATIENCE_MS, async () => writer.record().acknowledged.size > 20 || undefined)
  const before = Array.from(writer.record().acknowledged)
  // Where a busy machine forks too late nothing is cut, and nothing is left; another attempt may be in time.
  const report = await until('all shards are stored', 3 * PATIENCE_MS, async () => {
    const said = await lastWords(plan)
    const isLate = said.result === 'Failed' && said.fault === 'PauseTooShort'
    if (isLate) expect(await namesIn(store)).toEqual([])
    return isLate ? undefined : said
  })
  await writer.finish()
  writer.close()
  if (report.result !== 'Done' || report.done.task !== 'StoreShards') throw new Error(JSON.stringify(report))
  return { stored: report.done, before }
}

/** Every shard is what the manifest says, and has what was acknowledged before the backup began. */
async function expectWhole(
  engine: string,
  { shards }: BackupManifest,
  place: Pick<Parameters<typeof verifyStored>[1], 'store' | 'keys'>,
  before: readonly string[],
) {
  const found: string[] = []
  for (const shard of shards) {
    const options = { ...place, subject: shard.object }
    await verifyStored(shard, options, limits())
    const pieces: Uint8Array[] = []
    for await (const piece of unpackContainer(place.store.get(shard.object, limits()), options)) pieces.push(piece)
    found.push(...(await keysIn(engine, Buffer.concat(pieces), before)))
  }
  expect(found.toSorted()).toEqual(before.toSorted())
  if (FIELDS_END.has(engine)) expect(Object.keys(shards[0]?.content.types ?? {}).join()).toMatch(/hash-(2|listpack-ex)/)
}

test.each(cases)(
  '$engine: $consistency, $target, $kind, encrypted $isEncrypted: stored under a writer, sealed, read back, deleted',
  async ({ engine, kind, isEncrypted, consistency, target }) => {
    const { storage, store } = await stage[kind]()
    const planOf = (task: AgentTask) => stage.plan(storage, task, isEncrypted ? {} : { encryption: null })
    const { credentials } = stage
    const task = storing(clusters.get(engine) as readonly Place[], { consistency, target, credentials })
    const { stored, before } = await storedUnderWriter(engine, planOf(task), store)
    const role = target === 'primary' ? 'primary' : 'replica'
    expect(stored.shards.map((one) => [one.shard, one.role])).toEqual([0, 1, 2].map((shard) => [shard, role]))
    const records = stored.shards.map(({ shard, record }) => ({ shard, record }))
    expect(records).toEqual(
      [0, 1, 2].map((shard) => ({ shard, record: objectOf.record(task.backup, shard, stored.attempt) })),
    )

    const sealed = await doneBy('SealBackup', planOf(sealing(task, engine, records)))
    const manifest = await manifestOf(store, sealed.manifest)
    const objects = manifest.shards.map(({ object }) => object)
    expect(await namesIn(store)).toEqual([sealed.manifest, ...objects].toSorted())
    expect(sealed.keys).toBe(manifest.shards.reduce((sum, { content }) => sum + content.keys, 0))
    await expectWhole(engine, manifest, { store, keys: isEncrypted ? stage.keys : 'none' }, before)

    const remove = planOf({ type: 'DeleteBackup', backup: task.backup })
    expect(await doneBy('DeleteBackup', remove)).toEqual({ task: 'DeleteBackup', objects: SHARDS + 1 })
    expect(await namesIn(store)).toEqual([])
    expect(await unfinishedIn(store)).toEqual([])
  },
)

test.each(KINDS)('%s: what is done already is done again without harm', async (kind) => {
  const { storage, store } = await stage[kind]()
  const planOf = (task: AgentTask) => stage.plan(storage, task)
  const checking = planOf({ type: 'CheckStorage', sweepAfterMs: 86_400_000, known: [] })
  const served = { ok: true, missingPermissions: [], faults: [], keepsFirst: true, swept: 0 }
  expect(await doneBy('CheckStorage', checking)).toMatchObject({ ...served, held: { backups: 0, newest: [] } })
  const task = storing(clusters.get(NEWEST) as readonly Place[], { credentials: stage.credentials })
  const { shards } = await doneBy('StoreShards', planOf(task))
  const seal = sealing(task, NEWEST, shards)
  const sealed = await doneBy('SealBackup', planOf(seal))
  // As after a pod that was lost with its report.
  expect(await doneBy('SealBackup', planOf(seal))).toEqual(sealed)
  const records = shards.map(({ shard }) => ({ shard, record: objectOf.record(task.backup, shard, '0a') }))
  expect(await lastWords(planOf({ ...seal, records }))).toMatchObject({ fault: 'ObjectDamaged' })
  expect(await namesIn(store)).toHaveLength(SHARDS + 1)

  const neighbour = objectOf.manifest({ ...task.backup, uid: `${task.backup.uid}0` })
  await store.put(neighbour, textOf('of another backup'), limits())
  const { held } = await doneBy('CheckStorage', checking)
  const { cluster, backup } = task
  const whole = { manifest: sealed.manifest, cluster: `${cluster.namespace}/${cluster.name}`, keys: sealed.keys }
  expect(held?.backups).toBe(2)
  expect(held?.newest).toContainEqual({ ...whole, endedAt: expect.any(String) as string })
  expect(held?.newest).toContainEqual({ manifest: neighbour, endedAt: expect.any(String) as string })
  expect(sealed.manifest).toBe(objectOf.manifest(backup))
  const { endedAt = '' } = held?.newest.find(({ manifest }) => manifest === sealed.manifest) ?? {}
  const heldWith = async (of: string) => {
    const known = [{ ...whole, endedAt: of, keys: sealed.keys + 1 }]
    const again = await doneBy('CheckStorage', planOf({ type: 'CheckStorage', sweepAfterMs: 86_400_000, known }))
    return again.held?.newest.find(({ manifest }) => manifest === sealed.manifest)
  }
  expect(await heldWith(endedAt)).toEqual({ ...whole, endedAt, keys: sealed.keys + 1 })
  // What was stored there at another time is another object.
  expect(await heldWith('2026-11-20T10:00:41Z')).toEqual({ ...whole, endedAt })
  const remove = planOf({ type: 'DeleteBackup', backup: task.backup })
  expect(await doneBy('DeleteBackup', remove)).toEqual({ task: 'DeleteBackup', objects: SHARDS + 1 })
  expect(await doneBy('DeleteBackup', remove)).toEqual({ task: 'DeleteBackup', objects: 0 })
  expect(await namesIn(store)).toEqual([neighbour])
})

test.each(KINDS)('%s: an empty object under the name of the manifest is none, and is replaced', async (kind) => {
  const { storage, store } = await stage[kind]()
  const planOf = (task: AgentTask) => stage.plan(storage, task)
  const task = storing(clusters.get(NEWEST) as readonly Place[], { credentials: stage.credentials })
  const { shards } = await doneBy('StoreShards', planOf(task))
  const manifest = objectOf.manifest(task.backup)
  await store.put(manifest, textOf(''), limits())
  expect(await store.head(manifest, limits())).toMatchObject({ bytes: 0 })
  const inspect = planOf({ type: 'InspectBackup', manifest, target: null })
  expect(await lastWords(inspect)).toMatchObject({ fault: 'ObjectMissing' })
  const checking = planOf({ type: 'CheckStorage', sweepAfterMs: 86_400_000, known: [] })
  expect((await doneBy('CheckStorage', checking)).held).toMatchObject({ backups: 0, newest: [] })
  const { sha256 } = await doneBy('SealBackup', planOf(sealing(task, NEWEST, shards)))
  expect(await doneBy('InspectBackup', inspect)).toMatchObject({ sha256, shards: SHARDS })
  expect((await doneBy('CheckStorage', checking)).held).toMatchObject({ backups: 1 })
})

async function* textOf(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text)
}
