import { randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type ContainerKey, type ObjectStore, openS3, unpackContainer } from '@slotkeeper/object-storage'
import { openSnapshot, RedisNode } from '@slotkeeper/redis-client'
import {
  ENGINES,
  type ObjectStorage,
  type RedisServer,
  startObjectStorage,
  startRedisServer,
  until,
} from '@slotkeeper/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { storeSnapshot, type StoreRequest, verifyStored } from '../src/store-snapshot.ts'

const PATIENCE_MS = 30_000
const ALL_SLOTS = [{ first: 0, last: 16_383 }]
const SETTINGS = { 'cluster-enabled': 'no', 'repl-diskless-sync': 'yes', 'repl-diskless-sync-delay': '0' }
const KEK: ContainerKey = { id: '2026', key: randomBytes(32) }
const limits = () => ({ signal: AbortSignal.timeout(2 * PATIENCE_MS), deadlineMs: 2 * PATIENCE_MS })

let storage: ObjectStorage
let store: ObjectStore
const servers: RedisServer[] = []
let objects = 0

const targetOf = ({ host, port }: RedisServer) => ({ host, port, username: 'default', password: '' })

async function call(
  server: RedisServer,
  ...commands: readonly (readonly (string | Buffer)[])[]
): Promise<readonly unknown[]> {
  return until('answers', PATIENCE_MS, async () => {
    const node = new RedisNode(targetOf(server), () => undefined)
    const answers = await node.binary(commands, PATIENCE_MS).finally(() => node.close())
    const refusal = answers.find((one) => one instanceof Error)
    if (refusal instanceof Error) throw refusal
    return answers
  })
}

async function started(engine: string): Promise<RedisServer> {
  const server = await startRedisServer(engine, SETTINGS)
  servers.push(server)
  return server
}

/** A server with keys of several types, of which one is larger than a part of an upload. */
async function filled(engine: string): Promise<RedisServer> {
  const server = await started(engine)
  await call(
    server,
    ['SET', 'text', 'value'],
    ['SET', Buffer.from([0, 255, 13, 10]), randomBytes(6 * 1024 * 1024)],
    ['SET', 'short', 'lived', 'PX', '86400000'],
    ['RPUSH', '{tag}list', ...Array.from({ length: 500 }, (_, index) => `item ${index}`)],
    ['HSET', '{tag}hash', 'field', 'value'],
    ['ZADD', 'zset', '1.5', 'one', '2', 'two'],
    ['XADD', 'stream', '1-1', 'field', 'value'],
    ['XGROUP', 'CREATE', 'stream', 'group', '0'],
    ['FUNCTION', 'LOAD', '#!lua name=ours\nredis.register_function("f", function() return 1 end)'],
  )
  return server
}

async function requestFor(server: RedisServer, more: Partial<StoreRequest> = {}): Promise<StoreRequest> {
  const snapshot = await openSnapshot(targetOf(server), { signal: limits().signal, silenceMs: PATIENCE_MS })
  const key = `orders/shard-${objects++}`
  return { snapshot, slots: ALL_SLOTS, store, key, subject: key, encryption: KEK, ...more }
}

async function keysIn(prefix: string): Promise<readonly string[]> {
  const keys: string[] = []
  for await (const { key } of store.list(prefix, limits())) keys.push(key)
  return keys
}

/** Nothing of it is there: neither the object nor a part of an upload that was begun. */
async function nothingLeft(key: string): Promise<void> {
  expect(await keysIn(key)).toEqual([])
  expect(await store.sweep(key, new Date(Date.now() + 3_600_000), limits())).toEqual([])
}

async function dumpOf(server: RedisServer): Promise<ReadonlyMap<string, string>> {
  const [keys] = (await call(server, ['KEYS', '*'])) as readonly [readonly Buffer[]]
  const dumps = (await call(server, ...keys.map((key) => ['DUMP', key]))) as readonly Buffer[]
  return new Map(
    keys.map((key, index) => [key.toString('hex'), dumps[index]?.toString('hex') ?? '']).toSorted() as [
      string,
      string,
    ][],
  )
}

beforeAll(async () => {
  storage = await startObjectStorage()
  const { endpoint, bucket, admin } = storage
  store = openS3({ endpoint, bucket, credentials: admin, prefix: 'backups', partBytes: 5 * 1024 * 1024 })
})

afterAll(async () => {
  store.close()
  await Promise.all(servers.map((server) => server.remove()))
  await storage.stop()
})

describe.each(ENGINES)('%s', (engine) => {
  test('what is stored comes back as it was, with functions and ends of keys', async () => {
    const server = await filled(engine)
    const request = await requestFor(server)
    const told: number[] = []
    const stored = await storeSnapshot({ ...request, progress: ({ bytes }) => told.push(bytes) }, limits())
    expect(stored).toMatchObject({
      object: request.key,
      slots: '0-16383',
      content: { keys: 7, expiring: 1, functions: 1 },
    })
    expect(told.at(-1)).toBe(stored.content.size)
    expect(await store.head(request.key, limits())).toMatchObject({ bytes: stored.bytes })

    const keys = new Map([[KEK.id, KEK.key]])
    const pieces: Uint8Array[] = []
    for await (const piece of unpackContainer(store.get(request.key, limits()), { keys, subject: request.key }))
      pieces.push(piece)
    const copy = await started(engine)
    await copy.kill()
    await writeFile(join(copy.dir, 'dump.rdb'), Buffer.concat(pieces))
    await copy.restart()
    expect(await dumpOf(copy)).toEqual(await dumpOf(server))
    expect(await call(copy, ['FCALL', 'f', '0'])).toEqual([1])
    const [left] = (await call(copy, ['PTTL', 'short'])) as [number]
    expect(left).toBeGreaterThan(0)
  })
})

describe('refused, and nothing is left', () => {
  const engine = ENGINES.at(-1) as string
  let server: RedisServer

  beforeAll(async () => {
    server = await filled(engine)
  })

  test('a snapshot with keys of slots that the shard did not own', async () => {
    const request = await requestFor(server, { slots: [{ first: 0, last: 8_000 }] })
    await expect(storeSnapshot(request, limits())).rejects.toThrow(/holds keys of \d+ slots that the shard did not own/)
    await nothingLeft(request.key)
  })

  test('a server that dies meanwhile', async () => {
    const dying = await filled(engine)
    const request = await requestFor(dying)
    let death: Promise<void> | undefined
    const progress = (): void => void (death ??= dying.kill())
    await expect(storeSnapshot({ ...request, progress }, limits())).rejects.toMatchObject({ reason: 'Closed' })
    await nothingLeft(request.key)
  })

  test('an object that is there already is neither written over nor deleted', async () => {
    const { object, ...before } = await storeSnapshot(await requestFor(server), limits())
    await expect(
      storeSnapshot(await requestFor(server, { key: object, subject: object }), limits()),
    ).rejects.toMatchObject({
      fault: 'Exists',
    })
    expect(await store.head(object, limits())).toMatchObject({ bytes: before.bytes })
  })

  test('an object that was altered, is another, or is read with another key', async () => {
    const stored = await storeSnapshot(await requestFor(server), limits())
    const place = { store, subject: stored.object, keys: new Map([[KEK.id, KEK.key]]) }
    await verifyStored(stored, place, limits())
    const strange = { ...place, keys: new Map([[KEK.id, randomBytes(32)]]) }
    await expect(verifyStored(stored, strange, limits())).rejects.toMatchObject({ fault: 'WrongKey' })
    await expect(verifyStored(stored, { ...place, subject: 'another' }, limits())).rejects.toMatchObject({
      fault: 'OtherSubject',
    })
    const other = await storeSnapshot(await requestFor(server), limits())
    const swapped = { ...stored, object: other.object }
    await expect(verifyStored(swapped, { ...place, subject: other.object }, limits())).rejects.toThrow(
      'is not what was stored',
    )
    const file = join(storage.bucketFolder, 'backups', stored.object)
    const bytes = await readFile(file)
    const middle = Math.floor(bytes.length / 2)
    bytes[middle] = (bytes[middle] ?? 0) ^ 1
    await writeFile(file, bytes)
    await expect(verifyStored(stored, place, limits())).rejects.toMatchObject({ fault: 'Damaged' })
  })
})
