import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { type AgentTask, BACKUP_USER, objectOf, parseManifest } from '@slotkeeper/backup'
import { unpackContainer } from '@slotkeeper/object-storage'
import {
  ask,
  ENGINES,
  fillServer,
  kept,
  order,
  type Place,
  type RedisServer,
  SHARDS,
  selfSigned,
  startRedisServer,
  startWriter,
  until,
  view,
} from '@slotkeeper/testing'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { doneHere, keepSecret, wordsHere } from './agent-process.ts'
import { asking, contentOf, functionsOf } from './seed-stage.ts'
import { drawBackup, limits, PATIENCE_MS, removeAll, Stage, startCluster, type StoragePlace, USER } from './stage.ts'

vi.setConfig({ testTimeout: 4 * PATIENCE_MS, hookTimeout: 4 * PATIENCE_MS })

type Find = Extract<AgentTask, { type: 'FindServers' }>
type StoreFound = Extract<AgentTask, { type: 'StoreFound' }>
const NEWEST = ENGINES.at(-1) as string
const ALONE = { 'cluster-enabled': 'no', 'repl-diskless-sync': 'yes', 'repl-diskless-sync-delay': '0', ...USER }
const DENIED = 'who-may-not'
let stage: Stage

/** A server without cluster mode that goes with the test. */
async function startAlone(engine: string, config: Readonly<Record<string, string>> = {}): Promise<RedisServer> {
  const server = await startRedisServer(engine, { ...ALONE, ...config })
  onTestFinished(() => server.remove())
  return server
}

const finding = ({ host, port }: Pick<RedisServer, 'host' | 'port'>, more: Partial<Find> = {}): Find => ({
  type: 'FindServers',
  host,
  port,
  username: BACKUP_USER.name,
  credentials: stage.credentials,
  target: 'prefer-replica',
  ...more,
})

const addressOf = ({ host, port }: Pick<RedisServer, 'host' | 'port'>): string => `${host}:${port}`

function storingOf({ type: _type, ...entry }: Find, topology: string, shards = 1): StoreFound {
  const cluster = { namespace: 'shop', name: addressOf(entry), uid: addressOf(entry) }
  return {
    type: 'StoreFound',
    ...entry,
    backup: drawBackup(),
    cluster,
    consistency: 'shard',
    topology,
    shards: Array.from({ length: shards }, (_, shard) => shard),
    pauseMs: 2_000,
    level: 1,
  }
}

/** Found, stored and sealed; gives the manifest, and the task. */
async function copied({ storage, store }: StoragePlace, find: Find, more: Partial<StoreFound> = {}) {
  const found = await doneHere('FindServers', stage.plan(storage, find))
  const task = { ...storingOf(find, found.topology, found.shards), ...more }
  const { shards } = await doneHere('StoreShards', stage.plan(storage, task))
  const { backup, cluster, consistency } = task
  const records = shards.map(({ shard, record }) => ({ shard, record }))
  const beganAt = new Date().toISOString()
  const seal = {
    type: 'SealBackup',
    backup,
    cluster,
    consistency,
    beganAt,
    engine: found.engine,
    spec: {},
    records,
  } as const
  const { manifest: name } = await doneHere('SealBackup', stage.plan(storage, seal))
  const text: Uint8Array[] = []
  for await (const chunk of store.get(name, limits())) text.push(chunk)
  return { found, task, shards, name, manifest: parseManifest(Buffer.concat(text).toString()) }
}

/** A new server that has loaded an object. */
async function loaded(engine: string, { store }: StoragePlace, object: string): Promise<RedisServer> {
  const pieces: Uint8Array[] = []
  const options = { keys: stage.keys, subject: object }
  for await (const piece of unpackContainer(store.get(object, limits()), options)) pieces.push(piece)
  const server = await startAlone(engine)
  await server.kill()
  await writeFile(join(server.dir, 'dump.rdb'), Buffer.concat(pieces))
  await server.restart()
  await until('it has loaded', PATIENCE_MS, async () => {
    const [answer] = await ask(server, ['DBSIZE'])
    return answer instanceof Error ? undefined : answer
  })
  return server
}

beforeAll(async () => {
  stage = await Stage.make()
})

afterAll(() => stage.close())

test.each(ENGINES)('%s alone, with every type: found, stored, sealed, and loaded again as it was', async (engine) => {
  const server = await startAlone(engine)
  await fillServer(engine, asking(server))
  const place = await stage.directory()
  const { found, shards, manifest, name } = await copied(place, finding(server))
  const [kind = '', version = ''] = engine.split('-')
  expect(found).toMatchObject({ shards: 1, engine: { engine: kind, version: expect.stringContaining(version) } })
  expect(shards).toMatchObject([{ shard: 0, slots: '0-16383', takenFrom: addressOf(server), role: 'primary' }])
  const inspected = await doneHere(
    'InspectBackup',
    stage.plan(place.storage, { type: 'InspectBackup', manifest: name, target: null }),
  )
  expect(inspected).toMatchObject({ spec: null, cluster: { name: addressOf(server) }, shards: 1 })
  const copy = await loaded(engine, place, manifest.shards[0]?.object ?? '')
  expect(await contentOf([copy])).toEqual(await contentOf([server]))
  expect(await functionsOf([copy])).toEqual(await functionsOf([server]))
})

describe('what one alone is refused for', () => {
  let server: RedisServer

  beforeAll(async () => {
    server = await startRedisServer(NEWEST, ALONE)
    const some = BACKUP_USER.permissions.replace('+psync', '').split(/ +/)
    await order(server, ['ACL', 'SETUSER', DENIED, 'on', 'nopass', ...some], ['SET', 'key', 'value'])
  })

  afterAll(() => server.remove())

  /** The fault of finding it, or of storing what was found. */
  async function faultOf(find: Find, more: Partial<StoreFound> = {}) {
    const { storage } = await stage.directory()
    const found = await wordsHere(stage.plan(storage, find))
    if (found.result === 'Failed') return found
    const { topology } = found.done as { readonly topology: string }
    return wordsHere(stage.plan(storage, { ...storingOf(find, topology), ...more }))
  }

  test('keys in other databases: which, and how many', async () => {
    await order(server, ['SELECT', '1'], ['MSET', 'a', '1', 'b', '2'], ['SELECT', '15'], ['SET', 'c', '3'])
    const said = await faultOf(finding(server))
    await order(server, ['FLUSHALL'], ['SET', 'key', 'value'])
    expect(said).toMatchObject({
      fault: 'ServerUnfit',
      message: expect.stringMatching(/^127\.0\.0\.1:\d+ has keys in db1 \(2 keys\), db15 \(1 keys\): .*MOVE/),
    })
  })

  test('a wrong password, which is in no word of it', async () => {
    const credentials = await stage.mounts.mount({
      [BACKUP_USER.passwordKey]: keepSecret(randomBytes(9).toString('hex')),
    })
    const said = await faultOf(finding(server, { credentials }))
    expect(said).toMatchObject({ fault: 'ServerDenied', message: expect.stringMatching(/WRONGPASS.*Look whether/) })
  })

  test('a Secret without the password', async () => {
    const credentials = await stage.mounts.mount({ another: 'word' })
    expect(await faultOf(finding(server, { credentials }))).toMatchObject({ fault: 'SecretMissing' })
  })

  test('a user who may not take snapshots: what it needs', async () => {
    const said = await faultOf(finding(server, { username: DENIED }))
    const message = expect.stringMatching(/NOPERM.*psync.*Its user needs: -@all \+psync \+replconf/)
    expect(said).toMatchObject({ fault: 'ServerDenied', message })
  })

  test('a server that knows no PSYNC, as services have it', async () => {
    const without = await startAlone(NEWEST, { 'rename-command': 'PSYNC ""' })
    const message = expect.stringMatching(/unknown command.*make a replica of it/)
    expect(await faultOf(finding(without))).toMatchObject({ fault: 'ServerDenied', message })
  })

  test('nobody listens there: the address is named', async () => {
    const said = await faultOf(finding({ host: '127.0.0.1', port: server.busPort }))
    const message = `127.0.0.1:${server.busPort}: connection refused`
    expect(said).toMatchObject({ fault: 'ServerUnreachable', message })
  })

  test('another process than the one that was found', async () => {
    const said = await faultOf(finding(server), { topology: 'f'.repeat(64) })
    expect(said).toMatchObject({ fault: 'TopologyChanged' })
  })
})

const isLinked = async (replica: RedisServer): Promise<boolean> =>
  String(await ask(replica, ['INFO', 'replication'])).includes('_link_status:up')

test('a replica is taken as it is, while it is in sync; unless only primaries are wanted', async () => {
  const [primary, replica] = [await startAlone(NEWEST), await startAlone(NEWEST)]
  await order(primary, ['SET', 'key', 'value'])
  await order(replica, ['REPLICAOF', primary.host, String(primary.port)])
  await until('it is in sync', PATIENCE_MS, async () => ((await isLinked(replica)) ? true : undefined))
  const place = await stage.directory()
  const { shards } = await copied(place, finding(replica))
  expect(shards).toMatchObject([{ role: 'replica', keys: 1, takenFrom: addressOf(replica) }])
  const only = await wordsHere(stage.plan(place.storage, finding(replica, { target: 'primary' })))
  expect(only).toMatchObject({ fault: 'ServerUnfit', message: expect.stringMatching(/is a replica: name its primary/) })
  const { topology } = await doneHere('FindServers', stage.plan(place.storage, finding(replica)))
  await primary.kill()
  await until('it has noticed', PATIENCE_MS, async () => ((await isLinked(replica)) ? undefined : true))
  const late = await wordsHere(stage.plan(place.storage, storingOf(finding(replica), topology)))
  expect(late).toMatchObject({ fault: 'ServerUnreachable', message: expect.stringMatching(/not in sync/) })
})

describe('a cluster, by any one of its servers', () => {
  let places: readonly Place[]
  const placeOf = (index: number): RedisServer => (places[index] as Place).server

  beforeAll(async () => {
    places = await startCluster(NEWEST)
    for (const { server } of places.slice(0, SHARDS))
      for (let key = 0; key < 300; key += 1)
        await kept(server).pipeline([['SET', `key:${key}`, String(key)]], PATIENCE_MS)
  })

  afterAll(() => removeAll(places))

  test.each(['shard', 'cluster'] as const)(
    'all shards are stored under a writer, consistency %s',
    async (consistency) => {
      const place = await stage.bucket()
      const startAt = places.map(({ server: { host, port } }) => ({ host, port }))
      const writer = startWriter({ dial: (host, port) => connect(port, host), startAt, password: '', perSecond: 50 })
      onTestFinished(() => writer.close())
      await until('something is written', PATIENCE_MS, async () => writer.record().acknowledged.size > 20 || undefined)
      const before = Array.from(writer.record().acknowledged)
      // A busy machine may fork too late for one moment: that says nothing of what is found.
      const done = await until('it is in time', PATIENCE_MS, () =>
        copied(place, finding(placeOf(4)), { consistency }).catch((error: unknown) => {
          if (String(error).includes('PauseTooShort')) return undefined
          throw error
        }),
      )
      expect((await writer.finish()).failed).toBe(0)
      expect(done.found).toMatchObject({ shards: SHARDS })
      expect(done.shards.map(({ role, keys }) => [role, keys > 0])).toEqual([0, 1, 2].map(() => ['replica', true]))
      const named = done.manifest.shards.map(({ takenFrom }) => takenFrom.pod)
      expect(named).toEqual(expect.arrayContaining([3, 4, 5].map((index) => addressOf(placeOf(index)))))
      expect(done.name).toBe(objectOf.manifest(done.task.backup))
      const found: string[] = []
      for (const { object } of done.manifest.shards) {
        const copy = await loaded(NEWEST, place, object)
        const answers = await ask(copy, ...before.map((key) => ['EXISTS', key]))
        found.push(...before.filter((_, index) => answers[index] === 1))
      }
      expect(found.toSorted()).toEqual(before.toSorted())
    },
  )

  test('with another primary than was found nothing is stored', async () => {
    const { storage, store } = await stage.directory()
    const find = finding(placeOf(0))
    const { topology } = await doneHere('FindServers', stage.plan(storage, find))
    await order(placeOf(5), ['CLUSTER', 'FAILOVER'])
    await until('it has the role', PATIENCE_MS, async () =>
      (await view(placeOf(5))).role === 'primary' ? true : undefined,
    )
    const said = await until('it is known', PATIENCE_MS, async () => {
      const words = await wordsHere(stage.plan(storage, storingOf(find, topology, SHARDS)))
      return words.result === 'Failed' ? words : undefined
    })
    expect(said).toMatchObject({ fault: 'TopologyChanged' })
    const again = await copied({ storage, store }, find)
    expect(again.manifest.shards).toHaveLength(SHARDS)
  })

  test('an address that a server has announced, and that is not to be reached, is named', async () => {
    await order(placeOf(1), ['CONFIG', 'SET', 'cluster-announce-ip', '127.0.0.99'])
    const { storage } = await stage.directory()
    const said = await until('it is announced', PATIENCE_MS, async () => {
      const words = await wordsHere(stage.plan(storage, finding(placeOf(0))))
      return words.result === 'Failed' ? words : undefined
    })
    await order(placeOf(1), ['CONFIG', 'SET', 'cluster-announce-ip', ''])
    const address = `127\\.0\\.0\\.99:${placeOf(1).port}`
    const message = expect.stringMatching(new RegExp(`^${address}: connection refused: .*cluster-announce-ip`))
    expect(said).toMatchObject({ fault: 'ServerUnreachable', message })
  })

  test('slots that nobody has are named', async () => {
    await order(placeOf(0), ['CLUSTER', 'DELSLOTS', '7'])
    const { storage } = await stage.directory()
    const said = await wordsHere(stage.plan(storage, finding(placeOf(0))))
    await order(placeOf(0), ['CLUSTER', 'ADDSLOTS', '7'])
    expect(said).toMatchObject({ fault: 'TopologyChanged', message: expect.stringMatching(/nobody has the slots 7$/) })
  })
})

describe.each(ENGINES)('%s by TLS', (engine) => {
  const name = 'old.example'

  test('is trusted by its certificate and name, and is shown one where it asks for it', async () => {
    const server = await startAlone(engine)
    const { files, certificate, key } = await selfSigned(server.dir, name)
    const [crt, pem] = files
    const port = server.busPort
    const secure = ['tls-cert-file', crt, 'tls-key-file', pem, 'tls-ca-cert-file', crt, 'tls-auth-clients', 'no']
    await order(server, ['SET', 'key', 'value'], ['CONFIG', 'SET', ...secure, 'tls-port', String(port)])
    const place = await stage.directory()
    const ca = join(await stage.mounts.mount({ 'ca.crt': certificate }), 'ca.crt')
    const shown = await stage.mounts.mount({ 'tls.crt': certificate, 'tls.key': keepSecret(key) })
    const at = { host: server.host, port }
    const wordsOf = (tls: Find['tls'], where = at) =>
      wordsHere(stage.plan(place.storage, finding(where, tls === undefined ? {} : { tls })))

    const { shards } = await copied(place, finding(at, { tls: { ca, serverName: name } }))
    expect(shards).toMatchObject([{ keys: 1 }])
    const untrusted = { fault: 'ServerUntrusted', message: expect.stringMatching(/Look at tls/) }
    expect(await wordsOf({ serverName: name })).toMatchObject(untrusted)
    expect(await wordsOf({ ca })).toMatchObject(untrusted)
    // A server without TLS waits for the end of a line.
    if (engine === NEWEST)
      expect(await wordsOf({ ca, serverName: name }, server)).toMatchObject({
        fault: 'ServerUnreachable',
        message: expect.stringMatching(/does it speak TLS there/),
      })
    expect(await wordsOf(undefined)).toMatchObject({
      fault: 'ServerUnreachable',
      message: expect.stringMatching(/does it want TLS/),
    })

    await order(server, ['CONFIG', 'SET', 'tls-auth-clients', 'yes'])
    // It says so, and closes: what comes first nobody knows.
    const message = expect.stringMatching(/certificate of whoever connects/)
    expect(await wordsOf({ ca, serverName: name })).toMatchObject({ result: 'Failed', message })
    const known = await copied(place, finding(at, { tls: { ca, serverName: name, certificate: shown } }))
    expect(known.shards).toMatchObject([{ keys: 1 }])
  })
})
