import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type AgentTask, BACKUP_USER, objectOf } from '@slotkeeper/backup'
import { openS3, type S3Options } from '@slotkeeper/object-storage'
import {
  ask,
  ENGINES,
  type FaultyStorage,
  order,
  type Place,
  SHARDS,
  startFaultyStorage,
  until,
  view,
} from '@slotkeeper/testing'
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { doneBy, keepSecret, startAgent, wordsHere } from './agent-process.ts'
import {
  drawBackup,
  fill,
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

vi.setConfig({ testTimeout: 4 * PATIENCE_MS, hookTimeout: 4 * PATIENCE_MS })

const NEWEST = ENGINES.at(-1) as string
/** More than what is on its way while the first part of an upload is waited for. */
const MANY = 64

let stage: Stage
let places: readonly Place[]
const placeOf = (index: number): Place => places[index] as Place

beforeAll(async () => {
  stage = await Stage.make({ reader: ['s3:GetObject', 's3:ListBucket'] })
  places = await startCluster(NEWEST)
  await fill(placeOf(0), TAGS[0], MANY)
})

afterAll(async () => {
  await removeAll(places)
  await stage.close()
})

const task = (more: Partial<ReturnType<typeof storing>> = {}) =>
  storing(places, { credentials: stage.credentials, ...more })

/** A bucket behind a proxy; `held` comes once a part of an upload is held back. */
async function heldBucket() {
  const proxy = await startFaultyStorage(stage.s3)
  onTestFinished(() => proxy.stop())
  const place = await stage.bucket(proxy.endpoint)
  return {
    ...place,
    proxy,
    held: () => until('a part is sent', PATIENCE_MS, async () => isPartSent(proxy) || undefined),
  }
}

const isPart = ({ method, path }: FaultyStorage['requests'][number]): boolean =>
  method === 'PUT' && path.includes('partNumber=')
const isPartSent = ({ requests }: FaultyStorage): boolean => requests.some(isPart)

/** The server of the storage stands still from the first part on, until it is let go on. */
async function standingBucket() {
  const bucket = await heldBucket()
  let isStanding = false
  bucket.proxy.fault = (seen) => {
    if (isPart(seen) && !isStanding) {
      isStanding = true
      stage.s3.pause()
    }
    return undefined
  }
  onTestFinished(() => stage.s3.resume())
  return bucket
}

/** True, or undefined for as long as it is to be waited for. */
async function isInSync({ server }: Place): Promise<true | undefined> {
  const { role, linkUp, syncing } = await view(server)
  return role === 'replica' && linkUp && !syncing ? true : undefined
}

test('told to end in the middle it leaves nothing in a bucket, and says so', async () => {
  const { storage, store, proxy, held } = await heldBucket()
  proxy.fault = (seen) => (isPart(seen) ? { kind: 'silence' } : undefined)
  const agent = await startAgent(stage.plan(storage, task()))
  await held()
  const { shards } = await agent.progress()
  expect(shards.find(({ shard }) => shard === 0)).toMatchObject({ done: false })
  expect(shards.find(({ shard }) => shard === 0)?.bytes).toBeGreaterThan(1024 * 1024)
  agent.signal('SIGTERM')
  expect((await agent.ended).report).toMatchObject({ result: 'Failed', fault: 'Interrupted' })
  expect(await namesIn(store)).toEqual([])
  expect(await unfinishedIn(store)).toEqual([])
})

const SLOW = 1024 * 1024

/** A directory; `begun` comes once a file is being written below a backup. */
async function slowDirectory() {
  const { storage } = await stage.directory()
  if (storage.type !== 'directory') throw new Error('it is no directory')
  const folderOf = ({ backup }: ReturnType<typeof storing>) => join(storage.path, objectOf.all(backup))
  const begun = (one: ReturnType<typeof storing>) =>
    until('a file is being written', PATIENCE_MS, async () => {
      const names = await readdir(folderOf(one))
      return names.some((name) => name.startsWith('.unfinished')) || undefined
    })
  return { storage, folderOf, begun }
}

test('told to end in the middle it leaves nothing in a directory', async () => {
  const { storage, folderOf, begun } = await slowDirectory()
  const wanted = task({ maxBytesPerSecond: SLOW })
  const agent = await startAgent(stage.plan(storage, wanted))
  await begun(wanted)
  agent.signal('SIGTERM')
  expect((await agent.ended).report).toMatchObject({ result: 'Failed', fault: 'Interrupted' })
  expect(await readdir(folderOf(wanted)).catch(() => [])).toEqual([])
})

test('killed in the middle it leaves what the next attempt and the seal clear up', async () => {
  const { storage, store, proxy, held } = await heldBucket()
  proxy.fault = (seen) => (isPart(seen) ? { kind: 'silence' } : undefined)
  const wanted = task()
  const agent = await startAgent(stage.plan(storage, wanted))
  // The others are stored whole, and their records with them.
  await until(
    'a record is there',
    PATIENCE_MS,
    async () => (await namesIn(store)).some((one) => one.endsWith('.json')) || undefined,
  )
  await held()
  agent.signal('SIGKILL')
  expect((await agent.ended).report).toBe(null)
  const left = await namesIn(store)
  expect(left.length).toBeGreaterThan(1)

  proxy.fault = () => undefined
  const { shards } = await doneBy('StoreShards', stage.plan(storage, wanted))
  const { manifest } = await doneBy('SealBackup', stage.plan(storage, sealing(wanted, NEWEST, shards)))
  expect(await namesIn(store)).toEqual([manifest, ...shards.map(({ object }) => object)].toSorted())
  expect(await unfinishedIn(store)).toEqual([])
})

test('killed in the middle, in a directory as well', async () => {
  const { storage, folderOf, begun } = await slowDirectory()
  const wanted = task()
  const agent = await startAgent(stage.plan(storage, { ...wanted, maxBytesPerSecond: SLOW }))
  await begun(wanted)
  agent.signal('SIGKILL')
  expect((await agent.ended).report).toBe(null)
  const { shards } = await doneBy('StoreShards', stage.plan(storage, wanted))
  await doneBy('SealBackup', stage.plan(storage, sealing(wanted, NEWEST, shards)))
  const names = shards.map(({ object }) => object.split('/').at(-1))
  expect((await readdir(folderOf(wanted))).toSorted()).toEqual(['manifest', ...names].toSorted())
})

/** Parts of an upload, and then nothing more. */
async function* endless(signal: AbortSignal): AsyncGenerator<Uint8Array> {
  for (let count = 0; count < 40; count += 1) yield randomBytes(1024 * 1024)
  await once(signal, 'abort')
}

test('uploads of crashed agents are taken back by the check, and those of others are not', async () => {
  const { storage, store, proxy, held } = await heldBucket()
  proxy.fault = (seen) => (isPart(seen) ? { kind: 'silence' } : undefined)
  const agent = await startAgent(stage.plan(storage, task()))
  await held()
  agent.signal('SIGKILL')
  await agent.ended
  const theirs = new AbortController()
  const client = openS3({ ...storage, credentials: stage.s3.admin } as S3Options)
  const upload = client
    .put('photos/cat.jpg', endless(theirs.signal), { signal: theirs.signal, deadlineMs: PATIENCE_MS })
    .catch(() => undefined)
  onTestFinished(async () => {
    theirs.abort()
    await upload
    client.close()
  })
  await until(
    'they upload',
    PATIENCE_MS,
    async () => proxy.requests.some((one) => isPart(one) && one.path.includes('photos')) || undefined,
  )
  // Not yet old.
  const young = stage.plan(storage, { type: 'CheckStorage', sweepAfterMs: 86_400_000, known: [] })
  expect(await doneBy('CheckStorage', young)).toMatchObject({ ok: true, swept: 0 })
  // So old is what is there already: the storage has its own clock, in whole seconds.
  const check = await until('it is old', PATIENCE_MS, async () => {
    const done = await doneBy('CheckStorage', stage.plan(storage, { type: 'CheckStorage', sweepAfterMs: 0, known: [] }))
    return done.swept > 0 ? done : undefined
  })
  expect(check).toMatchObject({ ok: true, swept: 1 })
  expect(await unfinishedIn(store)).toEqual(['photos/cat.jpg'])
})

test('a primary that changes before the end: nothing is kept', async () => {
  const { storage, store, held } = await standingBucket()
  const agent = await startAgent(stage.plan(storage, task({ consistency: 'shard' })))
  await held()
  await order(placeOf(SHARDS).server, ['CLUSTER', 'FAILOVER'])
  const roleOf = async (place: Place) => (await view(place.server)).role
  await until('the role has moved', PATIENCE_MS, async () => (await roleOf(placeOf(0))) === 'replica' || undefined)
  stage.s3.resume()
  expect((await agent.ended).report).toMatchObject({ result: 'Failed', fault: 'TopologyChanged' })
  expect(await namesIn(store)).toEqual([])
  expect(await unfinishedIn(store)).toEqual([])
  // And another attempt by the old plan sees it at once.
  expect(await wordsHere(stage.plan(storage, task()))).toMatchObject({ fault: 'TopologyChanged' })

  await until('its replica is in sync', PATIENCE_MS, async () => (await view(placeOf(0).server)).linkUp || undefined)
  await order(placeOf(0).server, ['CLUSTER', 'FAILOVER'])
  await until('the role is back', PATIENCE_MS, async () => {
    const [one, other] = [await view(placeOf(0).server), await view(placeOf(SHARDS).server)]
    return (one.role === 'primary' && other.role === 'replica' && other.linkUp) || undefined
  })
})

test('slots on their way, and keys where they do not belong', async () => {
  const { storage, store } = await stage.directory()
  const [{ id }, { server }] = [placeOf(0), placeOf(1)]
  const key = `${TAGS[0]}:stray`
  const slot = String((await ask(server, ['CLUSTER', 'KEYSLOT', key]))[0])
  // On one connection: ASKING holds for the next command.
  const write = async (...words: readonly string[]) => {
    await order(server, ['CLUSTER', 'SETSLOT', slot, 'IMPORTING', id], ['ASKING'], words)
  }
  await write('SET', key, 'value')
  const open = await wordsHere(stage.plan(storage, task()))
  expect(open).toMatchObject({ fault: 'TopologyChanged', message: expect.stringContaining('being moved') })
  await order(server, ['CLUSTER', 'SETSLOT', slot, 'STABLE'])
  for (const target of ['primary', 'prefer-replica'] as const) {
    const report = await wordsHere(stage.plan(storage, task({ target })))
    expect(report).toMatchObject({ fault: 'KeysMisplaced', message: expect.stringContaining(`slot ${slot}`) })
  }
  expect(await namesIn(store)).toEqual([])
  await write('DEL', key)
  await order(server, ['CLUSTER', 'SETSLOT', slot, 'STABLE'])
})

test('a replica that dies on the way: the primary is asked', async () => {
  const { storage, store, held } = await standingBucket()
  const agent = await startAgent(stage.plan(storage, task()))
  await held()
  await placeOf(SHARDS).server.kill()
  stage.s3.resume()
  const { report } = await agent.ended
  expect(report).toMatchObject({
    result: 'Done',
    done: {
      shards: [{ shard: 0, role: 'primary', takenFrom: 'orders-0-0' }, { role: 'replica' }, { role: 'replica' }],
    },
  })
  expect(await namesIn(store)).toHaveLength(2 * SHARDS)
  expect(await unfinishedIn(store)).toEqual([])
  await placeOf(SHARDS).server.restart()
  await until('it is in sync', PATIENCE_MS, async () => isInSync(placeOf(SHARDS)))
})

test('all at one moment, and one dies on the way: nothing is kept', async () => {
  const { storage, store, held } = await standingBucket()
  const agent = await startAgent(stage.plan(storage, task({ consistency: 'cluster' })))
  // Where a busy machine forks too late there is nothing to interrupt.
  const isLate = await Promise.race([
    held().then(() => false),
    agent.ended.then(({ report }) => report?.result === 'Failed' && report.fault === 'PauseTooShort'),
  ])
  await placeOf(SHARDS).server.kill()
  stage.s3.resume()
  if (!isLate)
    expect((await agent.ended).report).toMatchObject({
      fault: 'ServerUnreachable',
      message: expect.stringContaining('orders-0-1: the connection was closed'),
    })
  expect(await namesIn(store)).toEqual([])
  expect(await unfinishedIn(store)).toEqual([])
  await placeOf(SHARDS).server.restart()
  await until('it is in sync', PATIENCE_MS, async () => isInSync(placeOf(SHARDS)))
})

test('a server that lets go of a slow reader: what to do is said', async () => {
  const { storage, store, held } = await standingBucket()
  const { server } = placeOf(0)
  const [, before] = (await ask(server, ['CONFIG', 'GET', 'repl-timeout']))[0] as [string, string]
  await order(server, ['CONFIG', 'SET', 'repl-timeout', '2'])
  const slow = task({ target: 'primary', maxBytesPerSecond: 512 * 1024 * 1024 })
  const agent = await startAgent(stage.plan(storage, { ...slow, shards: slow.shards.slice(0, 1) }))
  await held()
  await until('it is let go of', PATIENCE_MS, async () => {
    const [list] = await ask(server, ['CLIENT', 'LIST', 'TYPE', 'replica'])
    return !String(list).includes(`user=${BACKUP_USER.name}`) || undefined
  })
  stage.s3.resume()
  await order(server, ['CONFIG', 'SET', 'repl-timeout', before])
  const { report } = await agent.ended
  expect(report).toMatchObject({
    fault: 'ServerUnreachable',
    message: expect.stringContaining('raise maxBytesPerSecond'),
  })
  expect(await namesIn(store)).toEqual([])
})

test('no time is left: nothing is', async () => {
  const { storage, store, proxy, held } = await heldBucket()
  proxy.fault = (seen) => (isPart(seen) ? { kind: 'silence' } : undefined)
  const agent = await startAgent(stage.plan(storage, task(), { deadlineMs: 10_000 }))
  await Promise.race([held(), agent.ended])
  expect((await agent.ended).report).toMatchObject({ fault: 'DeadlineExceeded' })
  expect(await namesIn(store)).toEqual([])
  expect(await unfinishedIn(store)).toEqual([])
})

test('Secrets that are wrong or missing are told by their keys', async () => {
  const { storage, store } = await stage.directory()
  const wordsOf = async (more: Partial<ReturnType<typeof storing>>, plan: Parameters<Stage['plan']>[2] = {}) =>
    wordsHere(stage.plan(storage, task(more), plan))
  const wrong = await stage.mounts.mount({ [BACKUP_USER.passwordKey]: keepSecret(randomBytes(8).toString('hex')) })
  expect(await wordsOf({ credentials: wrong })).toMatchObject({ fault: 'ServerDenied' })
  const empty = await stage.mounts.mount({ other: 'x' })
  const missing = (key: string) => ({
    fault: 'SecretMissing',
    message: expect.stringContaining(`has no value under the ${key}`),
  })
  expect(await wordsOf({ credentials: empty })).toMatchObject(missing(`key ${BACKUP_USER.passwordKey}`))
  const { keys } = stage.encryption
  expect(await wordsOf({}, { encryption: { keys, current: '2027' } })).toMatchObject(missing('key 2027'))
  const short = await stage.mounts.mount({ '2026': keepSecret('c2hvcnQga2V5IG9mIG91cnM=') })
  expect(await wordsOf({}, { encryption: { keys: short, current: '2026' } })).toMatchObject({ fault: 'KeyWrong' })
  const bucket = await stage.bucket()
  const without = stage.plan({ ...bucket.storage, credentials: empty } as typeof storage, task())
  expect(await wordsHere(without)).toMatchObject(missing('keys accessKeyId and secretAccessKey'))
  expect(await namesIn(store)).toEqual([])
})

test('a storage that is away, or does not let us in, is told by its kind', async () => {
  const remove: AgentTask = { type: 'DeleteBackup', backup: drawBackup() }
  const away = await stage.bucket('http://127.0.0.1:9')
  expect(await wordsHere(stage.plan(away.storage, task()))).toMatchObject({ fault: 'StorageUnreachable' })
  expect(await wordsHere(stage.plan(away.storage, remove))).toMatchObject({ fault: 'StorageUnreachable' })
  const reader = await stage.bucket(stage.s3.endpoint, stage.s3.users['reader'])
  expect(await wordsHere(stage.plan(reader.storage, task()))).toMatchObject({ fault: 'StorageForbidden' })
  const check: AgentTask = { type: 'CheckStorage', sweepAfterMs: 0, known: [] }
  expect(await wordsHere(stage.plan(reader.storage, check))).toMatchObject({
    done: { ok: false, missingPermissions: expect.arrayContaining(['s3:PutObject']), keepsFirst: null },
  })
  const gone = await stage.directory()
  const nowhere = { type: 'directory', path: '/nowhere/at/all' } as const
  expect(await wordsHere(stage.plan(nowhere, task()))).toMatchObject({ fault: 'StorageMissing' })
  expect(await wordsHere(stage.plan(nowhere, check))).toMatchObject({
    done: { ok: false, faults: expect.arrayContaining([expect.stringContaining('is not there')]) },
  })
  expect(await namesIn(gone.store)).toEqual([])
})

test('a plan that is none is refused by its field', async () => {
  const { storage } = await stage.directory()
  const broken = task()
  const plan = stage.plan(storage, { ...broken, pauseMs: 60_000 })
  expect(await wordsHere(plan)).toMatchObject({
    fault: 'PlanRefused',
    message: expect.stringContaining('task.pauseMs'),
  })
})

test('a primary that is gone at the end: it is named, and nothing is kept', async () => {
  const { storage, store, held } = await standingBucket()
  const agent = await startAgent(stage.plan(storage, task()))
  await held()
  await placeOf(0).server.kill()
  stage.s3.resume()
  const { report, log } = await agent.ended
  expect(report).toMatchObject({ fault: 'ServerUnreachable', message: 'orders-0-0: connection refused' })
  // The replica did what it was asked: its shard is not streamed a second time.
  expect(log.map(({ msg }) => msg)).not.toContain('the replica failed: the primary is asked')
  expect(await namesIn(store)).toEqual([])
})
