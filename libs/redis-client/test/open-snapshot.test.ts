import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ask, ENGINES, type RedisServer, startRedisServer, until } from '@slotkeeper/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openSnapshot, type Snapshot, type SnapshotOptions } from '../src/index.ts'

const PATIENCE_MS = 30_000
const KEYS = 600
/** More than what the two ends of a connection hold, so that a server can't be done before it is read. */
const VALUE_BYTES = 50_000
const USER = { username: 'backup', password: 'of the backup' }
const SETTINGS = { 'repl-diskless-sync': 'yes', 'repl-diskless-sync-delay': '0', rdbcompression: 'no' }

const servers = new Map<string, RedisServer>()
/** Servers of single tests, removed whether the tests pass or not. */
const more: RedisServer[] = []
const serverOf = (engine: string): RedisServer => servers.get(engine) as RedisServer

const open = (
  { host, port }: RedisServer,
  options: Partial<SnapshotOptions> & { readonly password?: string } = {},
): Promise<Snapshot> => {
  const {
    password = USER.password,
    signal = AbortSignal.timeout(PATIENCE_MS),
    silenceMs = PATIENCE_MS,
    ...rest
  } = options
  return openSnapshot({ host, port, ...USER, password }, { signal, silenceMs, ...rest })
}

async function whole({ bytes }: Snapshot): Promise<Buffer> {
  const all: Uint8Array[] = []
  for await (const piece of bytes) all.push(piece)
  return Buffer.concat(all)
}

/** Takes the first piece, then does something, then takes the rest. */
async function interrupted({ bytes }: Snapshot, then: () => unknown): Promise<void> {
  let pieces = 0
  for await (const piece of bytes) {
    expect(piece.length).toBeGreaterThan(0)
    pieces += 1
    if (pieces === 1) await then()
  }
}

const replicasOf = async (server: RedisServer): Promise<number> => {
  const [list] = await ask(server, ['CLIENT', 'LIST', 'TYPE', 'replica'])
  return String(list).split('\n').filter(Boolean).length
}

const nobodyAttached = (server: RedisServer): Promise<unknown> =>
  until('nobody is attached', PATIENCE_MS, async () => ((await replicasOf(server)) === 0 ? true : undefined))

/** Loads the file into a server of that engine, and gives it. */
async function loaded(engine: string, file: Buffer): Promise<RedisServer> {
  const server = await startRedisServer(engine, { 'cluster-enabled': 'no' })
  more.push(server)
  await server.kill()
  await writeFile(join(server.dir, 'dump.rdb'), file)
  await server.restart()
  return server
}

async function fill(server: RedisServer): Promise<void> {
  for (let from = 0; from < KEYS; from += 20)
    await ask(
      server,
      ...Array.from({ length: 20 }, (_, index) => ['SET', `key:${from + index}`, 'v'.repeat(VALUE_BYTES)]),
    )
}

beforeAll(async () => {
  await Promise.all(
    ENGINES.map(async (engine) => {
      const server = await startRedisServer(engine, { ...SETTINGS, 'cluster-enabled': 'no' })
      servers.set(engine, server)
      await ask(
        server,
        ['ACL', 'SETUSER', USER.username, 'on', `>${USER.password}`, '+psync', '+replconf'],
        ['ACL', 'SETUSER', 'nobody', 'on', `>${USER.password}`, '+ping'],
      )
      await fill(server)
    }),
  )
})

afterAll(() => Promise.all([...servers.values(), ...more].map((server) => server.remove())))

describe.each(ENGINES)('%s', (engine) => {
  test.each([
    ['sent while it is made', 'yes'],
    ['from its disk', 'no'],
  ])('a snapshot %s holds the data of one moment', async (_how, diskless) => {
    const server = serverOf(engine)
    await ask(server, ['CONFIG', 'SET', 'repl-diskless-sync', diskless])
    // Valkey 9 makes a file of an older form for whoever names no version, and that while it is sent.
    const newest = diskless === 'no' && engine === 'valkey-9.1'
    const snapshot = await open(server, newest ? { version: '9.1.0' } : {})
    await ask(server, ['SET', 'later', '1'])
    const file = await whole(snapshot)
    await ask(server, ['DEL', 'later'], ['CONFIG', 'SET', 'repl-diskless-sync', 'yes'])
    expect(snapshot.length).toBe(diskless === 'yes' ? null : file.length)
    expect(file.subarray(0, 6).toString()).toBe(newest ? 'VALKEY' : 'REDIS0')
    expect(snapshot.replicationId).toMatch(/^\w{40}$/)
    const copy = await loaded(engine, file)
    const [size, value, later] = await until('it has loaded', PATIENCE_MS, async () => {
      const answers = await ask(copy, ['DBSIZE'], ['STRLEN', `key:${KEYS - 1}`], ['EXISTS', 'later'])
      return answers.some((one) => one instanceof Error) ? undefined : answers
    })
    expect({ size, value, later }).toEqual({ size: KEYS, value: VALUE_BYTES, later: 0 })
    await nobodyAttached(server)
  })

  test('it is no replica that WAIT would count', async () => {
    const server = serverOf(engine)
    await interrupted(await open(server), async () => {
      expect(await ask(server, ['SET', 'key:0', 'v'.repeat(VALUE_BYTES)], ['WAIT', '1', '50'])).toEqual(['OK', 0])
    })
  })

  test('a server that dies is an error and no end', async () => {
    const server = serverOf(engine)
    const dying = await open(server)
    await expect(interrupted(dying, () => server.kill())).rejects.toMatchObject({ reason: 'Closed' })
  })
})

describe('of one engine', () => {
  const engine = ENGINES[0] as string
  let server: RedisServer

  beforeAll(async () => {
    server = await startRedisServer(engine, { ...SETTINGS, 'cluster-enabled': 'no' })
    await ask(
      server,
      ['ACL', 'SETUSER', USER.username, 'on', `>${USER.password}`, '+psync', '+replconf'],
      ['ACL', 'SETUSER', 'nobody', 'on', `>${USER.password}`, '+ping'],
    )
    await fill(server)
  })

  afterAll(() => server.remove())

  test('who stops taking it, or gives it up, leaves nobody attached', async () => {
    for await (const piece of (await open(server)).bytes) {
      expect(piece.length).toBeGreaterThan(0)
      break
    }
    await nobodyAttached(server)
    const unread = await open(server)
    expect(await replicasOf(server)).toBe(1)
    unread.close()
    await nobodyAttached(server)
    const abort = new AbortController()
    const snapshot = await open(server, { signal: abort.signal })
    await expect(interrupted(snapshot, () => abort.abort(new Error('enough')))).rejects.toThrow('enough')
    await nobodyAttached(server)
  })

  test('a server that goes silent is an error and no end', async () => {
    const silent = await open(server, { silenceMs: 3_000 })
    await expect(interrupted(silent, () => server.signal('SIGSTOP'))).rejects.toMatchObject({ reason: 'TimedOut' })
    server.signal('SIGCONT')
    await nobodyAttached(server)
  })

  test('a wrong password, and a user who may not, are denied', async () => {
    await expect(open(server, { password: 'wrong' })).rejects.toMatchObject({ reason: 'Denied' })
    const nobody = { host: server.host, port: server.port, username: 'nobody', password: USER.password }
    const denied = openSnapshot(nobody, { signal: AbortSignal.timeout(PATIENCE_MS), silenceMs: PATIENCE_MS })
    await expect(denied).rejects.toMatchObject({ reason: 'Denied' })
  })

  test('what a server repeats of a command that it does not know is not told: it may be the password', async () => {
    const without = await startRedisServer(engine, { 'cluster-enabled': 'no', 'rename-command': 'AUTH ""' })
    more.push(without)
    // Longer than what is repeated, so that nobody could look for it and take it out.
    const password = 'p'.repeat(200)
    const message = "ERR unknown command 'AUTH'"
    await expect(open(without, { password })).rejects.toMatchObject({ reason: 'Answered', message })
  })

  test('a replica without its primary has none to give, and says so', async () => {
    const replica = await startRedisServer(engine, { ...SETTINGS, 'cluster-enabled': 'no' })
    more.push(replica)
    await ask(replica, ['ACL', 'SETUSER', USER.username, 'on', `>${USER.password}`, '+psync', '+replconf'])
    await ask(replica, ['REPLICAOF', '127.0.0.1', String(replica.busPort)])
    await expect(open(replica)).rejects.toMatchObject({ reason: 'Answered', message: expect.stringMatching(/LINK/) })
  })
})
