import { randomBytes } from 'node:crypto'
import { BACKUP_USER } from '@slotkeeper/backup'
import { redisBackups, redisBackupStorages, redisRestores } from '@slotkeeper/k8s'
import type { Delivery } from '@slotkeeper/nats'
import { until } from '@slotkeeper/testing'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { follow } from '../demo/tour.ts'
import { BackupStage, storyOf } from './backup-stage.ts'
import { startPlainRedis } from './plain-redis.ts'
import { Stage } from './stage.ts'

const KEYS = 400
const PATIENCE_MS = 120_000
const resources = { requests: { cpu: '10m', memory: '16Mi' } }
const little = { version: 'valkey-9.1', resources, storage: { size: '64Mi' } }
/** Words that may stand in Secrets alone. */
const words = {
  admin: randomBytes(12).toString('hex'),
  copier: randomBytes(12).toString('hex'),
  reader: randomBytes(12).toString('hex'),
}
const story: Delivery[] = []
const stop = new AbortController()
let stage: Stage
let backups: BackupStage
let told: { readonly done: Promise<void> }

type Client = Awaited<ReturnType<Stage['connect']>>

/** The plain server as a source, as one of its users. */
const sourceOf = (username: string) => ({
  server: { address: 'old:6379', username, password: { secretName: 'old', key: username }, storageName: 'archive' },
})
const target = { cluster: { name: 'new' }, template: { ...little, shards: 3, replicasPerShard: 0 } }

/** All keys that these servers hold, with when they end and what they are. */
async function contentOf(clients: readonly Client[]): Promise<Readonly<Record<string, unknown>>> {
  const found: Record<string, unknown> = {}
  for (const client of clients)
    for (const key of await client.keys('*'))
      found[key] = { end: await client.call('PEXPIRETIME', key), value: await valueOf(client, key) }
  return found
}

async function valueOf(client: Client, key: string): Promise<unknown> {
  switch (await client.type(key)) {
    case 'string':
      return client.get(key)
    case 'hash':
      return client.hgetall(key)
    case 'set':
      return (await client.smembers(key)).toSorted()
    case 'zset':
      return client.zrange(key, '0', '-1', 'WITHSCORES')
    case 'list':
      return client.lrange(key, 0, -1)
    case 'stream':
      return client.xrange(key, '-', '+')
    default:
      throw new Error(`${key} is of a type that nobody wrote`)
  }
}

/** A client of each primary. */
async function primariesOf(cluster: string): Promise<readonly Client[]> {
  const { password = '' } = await stage.secret(`${cluster}-auth`)
  const { status } = await stage.read(cluster)
  const pods = (status?.topology ?? []).map(({ primary = '' }) => primary)
  return Promise.all(pods.map((pod) => stage.connect(pod, { username: 'default', password })))
}

const copyOf = async (restore: string): Promise<string> =>
  ((await stage.find(redisRestores, restore))?.['status'] as { copy?: { name: string } } | undefined)?.copy?.name ?? ''

/** The copy goes with its restore, and what it had stored; the cluster stays. */
async function letGo(restore: string): Promise<void> {
  const copy = await copyOf(restore)
  expect((await backups.s3.keys()).filter((key) => key.includes(`/${copy}/`)).length).toBeGreaterThan(1)
  await stage.kubectl('delete', 'rdr', restore, '--timeout=60s')
  await until(`${copy} is gone`, PATIENCE_MS, async () =>
    (await stage.find(redisBackups, copy)) === null ? true : undefined,
  )
  expect((await backups.s3.keys()).filter((key) => key.includes(`/${copy}/`))).toEqual([])
}

beforeAll(async () => {
  stage = await Stage.open(inject('platform'), 'copies')
  // With replicas, for a writer that has each write confirmed: without, each would wait a second in vain, one after the other.
  await stage.create('orders', little)
  backups = await BackupStage.open(stage)
  await backups.secret('keys', { first: randomBytes(32).toString('base64') })
  const encryption = { secretName: 'keys', currentKey: 'first' }
  await backups.storage('archive', { ...backups.s3Spec(), encryption, retentionPolicy: { keep: 1 } })
  await stage.healthy('orders')
  await backups.fill('orders', KEYS)
  await backups.inState(redisBackupStorages, 'archive', 'Usable')
  await backups.backup('nightly', 'orders')
  await backups.inState(redisBackups, 'nightly', 'Completed')
  told = await follow(stage.platform, (delivery) => void story.push(delivery), stop.signal)
})

afterAll(async () => {
  stop.abort()
  await told?.done.catch(() => undefined)
  await stage.close()
})

test('a running cluster, while it is written to, becomes another one with more shards; the source is not disturbed', async () => {
  const writer = await stage.write('orders', 20)
  await until('something is written', PATIENCE_MS, async () => writer.record().acknowledged.size > 20 || undefined)
  const before = [...writer.record().acknowledged]
  const source = { cluster: { name: 'orders', storageName: 'archive', consistency: 'cluster' } }
  await backups.restore('twin', source, { cluster: { name: 'orders-twin' }, shards: 5 })
  await backups.inState(redisRestores, 'twin', 'Completed')
  const { failed } = await writer.finish()
  expect(failed).toBe(0)
  expect(await writer.missing()).toEqual({ acknowledged: [], confirmed: [] })
  writer.close()
  await stage.healthy('orders-twin')
  expect(await backups.count('orders-twin', KEYS)).toBe(KEYS)
  const keys = await Promise.all((await primariesOf('orders-twin')).map((client) => client.keys('*')))
  const there = new Set(keys.flat())
  expect(before.filter((key) => !there.has(key))).toEqual([])
  const events = await storyOf(story, 'restore', 'twin', (one) => one.type === 'Completed')
  expect(events.map((one) => one.type).filter((type) => type !== 'StateChanged')).toEqual([
    'Accepted',
    'CopyCreated',
    'Inspected',
    'Seeding',
    ...Array.from({ length: 5 }, () => 'ShardSeeded'),
    'ClusterCreated',
    'SlotsFormed',
    'Verified',
    'Completed',
  ])
  // Of one backup that is kept the copy is none: the older one is there still.
  expect((await stage.find(redisBackups, 'nightly'))?.['status']).toMatchObject({ state: 'Completed' })
})

test('once the restore is deleted its copy goes, with what it had stored, and the clone stays', async () => {
  await letGo('twin')
  await stage.healthy('orders-twin')
  expect(await backups.count('orders-twin', KEYS)).toBe(KEYS)
  await stage.remove('orders-twin')
})

describe('a plain server with a password', () => {
  let spoken = ''

  beforeAll(async () => {
    await startPlainRedis(stage, 'old', [
      { name: 'default', password: words.admin, permissions: '~* &* +@all' },
      { name: 'copier', password: words.copier, permissions: BACKUP_USER.permissions },
      { name: 'reader', password: words.reader, permissions: '-@all +@read +info' },
    ])
  })

  test('a user who may not take snapshots is told what is missing, in no word the password', async () => {
    await backups.restore('denied', sourceOf('reader'), target)
    const denied = await backups.sees(redisRestores, 'denied', 'its end', (one) => one.state === 'Failed')
    expect(denied).toMatchObject({
      reason: 'ServerDenied',
      message: expect.stringMatching(/NOPERM.*Its user needs: -@all/),
    })
    const agents = await stage.kubectl('get', 'jobs,pods', '-l', 'slotkeeper.dev/agent-of', '-o', 'yaml')
    const logs = await stage.kubectl('logs', '-l', 'slotkeeper.dev/agent-of', '--tail=-1')
    expect(agents).toContain('FindServers')
    expect(logs).toContain('NOPERM')
    await stage.kubectl('delete', 'rdr', 'denied', '--timeout=60s')
    spoken += agents + logs
  })

  test('becomes a cluster, key for key, and nobody says the password', async () => {
    const old = await stage.connect('old', { username: 'default', password: words.admin })
    for (let number = 0; number < KEYS; number += 1) await old.set(`key:${number}`, `value of ${number}`)
    await old.set('ends', 'later', 'PXAT', 4_102_444_800_123)
    await old.hset('hash', { a: '1', b: '2' })
    await old.sadd('set', 'x', 'y', 'z')
    await old.zadd('zset', 1, 'one', 2, 'two')
    await old.rpush('list', 'a', 'b', 'c')
    await old.xadd('stream', '1-1', 'field', 'value')
    const wanted = await contentOf([old])
    await backups.restore('moved', sourceOf('copier'), target)
    await backups.inState(redisRestores, 'moved', 'Completed')
    const copy = await copyOf('moved')
    await stage.healthy('new')
    const clients = await primariesOf('new')
    expect(await contentOf(clients)).toEqual(wanted)
    for (const client of [...clients, old]) client.disconnect()
    await storyOf(story, 'restore', 'moved', (one) => one.type === 'Completed')
    expect((await stage.find(redisBackups, copy))?.['status']).toMatchObject({ cluster: { name: 'old:6379' } })
    const objects = await stage.kubectl('get', 'rdr,rdb,rdbs,rdc,jobs,events', '-o', 'yaml')
    spoken += objects + JSON.stringify(story)
    for (const word of Object.values(words)) expect(spoken).not.toContain(word)
    await letGo('moved')
    expect(Object.keys(await contentOf(await primariesOf('new')))).toHaveLength(Object.keys(wanted).length)
  })
})
