import type { AgentReport } from '@slotkeeper/backup'
import { run } from '@slotkeeper/controller-host'
import type { BackupStatus } from '@slotkeeper/events'
import { redisBackups, redisBackupSchedules, redisBackupStorages, redisClusters, redisRestores } from '@slotkeeper/k8s'
import { evenRanges, formatRanges } from '@slotkeeper/redis-topology'
import { PlayedCluster, until } from '@slotkeeper/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { backupApp } from '../src/backup-app.ts'
import { readConfig } from '../src/config.ts'

const NODE = '0123456789abcdef0123456789abcdef01234567'
let cluster: PlayedCluster

const done = (report: object): AgentReport => ({ result: 'Done', done: report as never })
const served = done({
  task: 'CheckStorage',
  ok: true,
  missingPermissions: [],
  faults: [],
  keepsFirst: true,
  swept: 0,
  held: null,
})
const slots = evenRanges(3).map((range) => formatRanges([range]))

/** What the agent of a shard would say. */
const stored = (shard: number): AgentReport =>
  done({
    task: 'StoreShards',
    heldMs: 0,
    attempt: 'abcdef01',
    shards: [
      {
        shard,
        record: `shop/nightly/uid/shard-${shard}-abcdef01.json`,
        object: `shop/nightly/uid/shard-${shard}-abcdef01.rdb`,
        bytes: 100,
        sha256: 'a'.repeat(64),
        keys: 10,
        slots: slots[shard],
        offset: 7,
        takenFrom: `orders-${shard}-1`,
        role: 'replica',
        rdb: { format: 'valkey', version: 80 },
      },
    ],
  })

const sealed = (): AgentReport =>
  done({
    task: 'SealBackup',
    manifest: 'shop/nightly/uid/manifest',
    sha256: 'b'.repeat(64),
    bytes: 300,
    keys: 30,
    expiring: 0,
    endedAt: new Date().toISOString(),
  })

/** One that has begun may have objects, and is being deleted until an agent has looked: it can be seen in that state. */
const COMPLETED = {
  state: 'Completed',
  beganAt: '2026-11-01T09:00:00Z',
  manifest: 'm',
  bytes: 1,
  keys: 1,
  cluster: { name: 'orders', uid: 'c' },
}

const topology = slots.map((its, shard) => ({
  shard,
  slots: its,
  primary: `orders-${shard}-0`,
  nodes: { [`orders-${shard}-0`]: NODE, [`orders-${shard}-1`]: NODE.replace('0', 'f') },
  addresses: { [`orders-${shard}-0`]: '10.0.0.1', [`orders-${shard}-1`]: '10.0.0.2' },
  attached: [`orders-${shard}-1`],
}))
const ready = (status: 'True' | 'False') => ({
  state: 'Healthy',
  version: '9.1.2',
  formedAt: '2026-11-22T10:00:00Z',
  topology,
  conditions: [
    { type: 'Ready', status, reason: 'So', message: 'a shard is down', lastTransitionTime: '2026-11-22T10:00:00Z' },
  ],
})

beforeAll(async () => {
  cluster = await PlayedCluster.start('slotkeeper-backup-controller', (env, lent) =>
    run(backupApp, { ...lent, config: readConfig(env) }),
  )
  const encryption = { secretName: 'keys', currentKey: 'first' }
  const s3 = { bucket: 'backups', credentials: { secretName: 'credentials' } }
  await cluster.create(redisBackupStorages, 'archive', { s3, encryption })
  await cluster.create(redisClusters, 'orders', { shards: 3, version: 'valkey-9.1' })
  await cluster.tell(redisClusters, 'orders', ready('False'))
}, 120_000)

afterAll(() => cluster?.stop())

const backup = (name: string): Promise<unknown> =>
  cluster.create(redisBackups, name, { cluster: { name: 'orders' }, storageName: 'archive' })

describe('a storage', () => {
  test('is tried by an agent that a restricted namespace takes, and that is told no secret', async () => {
    const job = await cluster.jobNamed('-check-1-1')
    const plan = cluster.planOf(job)
    expect(plan).toMatchObject({
      storage: { type: 's3', bucket: 'backups', credentials: '/etc/slotkeeper/credentials' },
      encryption: { keys: '/etc/slotkeeper/keys', current: 'first' },
      task: { type: 'CheckStorage' },
    })
    expect(job.spec.template.spec).toMatchObject({ automountServiceAccountToken: false, restartPolicy: 'Never' })
    await cluster.end(job, served)
    expect(await cluster.sees(redisBackupStorages, 'archive', 'Usable')).toMatchObject({ checks: 1, keepsFirst: true })
    expect(await cluster.told('storage', 'archive')).toEqual(['Accepted', 'BecameUsable'])
  })
})

test('an agent that the API server refuses is told, with its words', async () => {
  const resources = { requests: { cpu: '2' }, limits: { cpu: '1' } }
  await cluster.create(redisBackupStorages, 'greedy', { s3: { bucket: 'backups' }, agent: { resources } })
  expect(await cluster.sees(redisBackupStorages, 'greedy', 'Unusable')).toMatchObject({
    reason: 'NoAgent',
    message: expect.stringContaining('resources.requests'),
  })
})

describe('a backup', () => {
  test('waits for its cluster, then is stored shard by shard by agents that know their servers, and sealed', async () => {
    await backup('nightly')
    expect(await cluster.sees(redisBackups, 'nightly', 'Waiting')).toMatchObject({
      reason: 'SourceNotReady',
      message: 'orders is not ready: a shard is down',
    })
    await cluster.tell(redisClusters, 'orders', ready('True'))
    for (const shard of [0, 1, 2]) {
      const job = await cluster.jobNamed(`-store-${shard}-1`)
      expect(cluster.planOf(job).task).toMatchObject({
        type: 'StoreShards',
        username: 'slotkeeper-backup',
        shards: [{ shard, primary: { pod: `orders-${shard}-0`, host: '10.0.0.1', nodeId: NODE } }],
      })
      await cluster.end(
        job,
        shard === 1 ? { result: 'Failed', fault: 'ServerUnreachable', message: 'gone' } : stored(shard),
      )
    }
    // The controller dies, and the next one goes on.
    await cluster.restart()
    await cluster.end(await cluster.jobNamed('-store-1-2'), stored(1))
    await cluster.end(await cluster.jobNamed('-seal-1'), sealed())
    expect(await cluster.sees(redisBackups, 'nightly', 'Completed')).toMatchObject({ keys: 30, bytes: 300 })
    const ages = await until('its age is measured', 30_000, async () => {
      const { values } = await cluster.metrics.lastBackup.get()
      return values.length > 0 ? values : undefined
    })
    expect(ages.map((one) => one.labels)).toEqual([{ namespace: 'shop', cluster: 'orders', storage: 'archive' }])
    await until('all is told', 30_000, async () =>
      (await cluster.told('backup', 'nightly')).at(-1) === 'StateChanged' ? true : undefined,
    )
    const told = await cluster.told('backup', 'nightly')
    expect(told.filter((type) => type === 'ShardStreamed')).toHaveLength(3)
    expect(told.filter((type) => type === 'AttemptFailed')).toHaveLength(1)
    expect(told.slice(-3)).toEqual(['Verified', 'Completed', 'StateChanged'])
  })

  test('its objects are deleted before it goes', async () => {
    await cluster.remove(redisBackups, 'nightly')
    const job = await cluster.jobNamed('-delete-1')
    expect(cluster.planOf(job).task).toMatchObject({ type: 'DeleteBackup', backup: { name: 'nightly' } })
    expect(await cluster.find(redisBackups, 'nightly')).not.toBeNull()
    await cluster.end(job, done({ task: 'DeleteBackup', objects: 4 }))
    await until('it is gone', 60_000, async () =>
      (await cluster.find(redisBackups, 'nightly')) === null ? true : undefined,
    )
    await until('its last event', 30_000, async () =>
      (await cluster.told('backup', 'nightly')).at(-1) === 'Deleted' ? true : undefined,
    )
  })

  test('verify restore: a server of the image of its cluster stands beside each agent that loads a shard', async () => {
    const spec = { cluster: { name: 'orders' }, storageName: 'archive', verify: 'restore' }
    await cluster.create(redisBackups, 'proven', spec)
    for (const shard of [0, 1, 2])
      await cluster.end(await cluster.jobNamed(`-store-${shard}-1`, 'proven-'), stored(shard))
    await cluster.end(await cluster.jobNamed('-seal-1', 'proven-'), sealed())
    for (const shard of [0, 1, 2]) {
      const job = await cluster.jobNamed(`-load-${shard}-1`, 'proven-')
      const task = { type: 'LoadShard', manifest: 'shop/nightly/uid/manifest', sha256: 'b'.repeat(64), shard }
      expect(cluster.planOf(job).task).toEqual({ ...task, volume: '/data', port: 6379 })
      const { initContainers, volumes } = job.spec.template.spec as {
        readonly initContainers?: readonly object[]
        readonly volumes?: readonly object[]
      }
      expect(initContainers).toMatchObject([
        { name: 'server', image: 'docker.io/valkey/valkey:9.1', restartPolicy: 'Always' },
      ])
      expect(volumes).toContainEqual({ name: 'seeded', emptyDir: {} })
      if (shard === 1) await cluster.restart()
      await cluster.end(job, done({ task: 'LoadShard', shard, keys: 9, expired: 1 }))
    }
    expect(await cluster.sees(redisBackups, 'proven', 'Completed')).toMatchObject({
      verified: 'restore',
      shards: Array.from({ length: 3 }, () => expect.objectContaining({ loaded: { keys: 9, expired: 1 } })),
    })
    await until('all is told', 30_000, async () =>
      (await cluster.told('backup', 'proven')).at(-1) === 'StateChanged' ? true : undefined,
    )
    expect((await cluster.told('backup', 'proven')).filter((type) => type === 'ShardLoaded')).toHaveLength(3)
  })

  test('of servers that are none of ours: an agent finds them, others store them, and are told what their Secrets are called', async () => {
    const password = { secretName: 'old-auth', key: 'word' }
    const tls = { ca: { secretName: 'old-ca' }, certificate: { secretName: 'old-cert' }, serverName: 'old.example' }
    const server = { address: '10.9.8.7:7000', username: 'copier', password, tls }
    await cluster.create(redisBackups, 'foreign', { server, storageName: 'archive' })
    const find = await cluster.jobNamed('-find-1', 'foreign-')
    const entry = {
      host: '10.9.8.7',
      port: 7000,
      username: 'copier',
      credentials: '/etc/slotkeeper/server',
      tls: {
        ca: '/etc/slotkeeper/server-ca/ca.crt',
        certificate: '/etc/slotkeeper/server-certificate',
        serverName: 'old.example',
      },
    }
    expect(cluster.planOf(find).task).toEqual({ type: 'FindServers', target: 'prefer-replica', ...entry })
    const mounted = (secretName: string, items?: object[]) =>
      expect.objectContaining({
        secret: expect.objectContaining({ secretName, ...(items === undefined ? {} : { items }) }),
      })
    expect((find.spec.template.spec as { readonly volumes?: unknown }).volumes).toEqual(
      expect.arrayContaining([
        mounted('old-auth', [{ key: 'word', path: 'backup-password' }]),
        mounted('old-ca', [{ key: 'ca.crt', path: 'ca.crt' }]),
        mounted('old-cert'),
      ]),
    )
    expect(cluster.planOf(find).mounts.map(({ field }) => field)).toContain('spec.server.password of the RedisBackup')
    const engine = { engine: 'redis', version: '7.0.15' }
    await cluster.end(find, done({ task: 'FindServers', engine, shards: 2, topology: 'c'.repeat(64) }))
    for (const shard of [0, 1]) {
      const job = await cluster.jobNamed(`-store-${shard}-1`, 'foreign-')
      expect(cluster.planOf(job).task).toMatchObject({
        type: 'StoreFound',
        topology: 'c'.repeat(64),
        shards: [shard],
        cluster: { name: '10.9.8.7:7000', uid: '10.9.8.7:7000' },
        ...entry,
      })
      if (shard === 0) await cluster.restart()
      await cluster.end(job, stored(shard))
    }
    const seal = await cluster.jobNamed('-seal-1', 'foreign-')
    expect(cluster.planOf(seal).task).toMatchObject({ type: 'SealBackup', engine, spec: {} })
    await cluster.end(seal, sealed())
    expect(await cluster.sees(redisBackups, 'foreign', 'Completed')).toMatchObject({
      cluster: { name: '10.9.8.7:7000' },
      keys: 30,
    })
  })

  test.each([
    [
      'both sources',
      { cluster: { name: 'orders' }, server: { address: 'a:1' } },
      /exactly one of cluster .* and server/,
    ],
    ['no source', {}, /exactly one of cluster .* and server/],
    ['an address without a port', { server: { address: 'old.example' } }, /spec\.server\.address/],
    ['a port that is none', { server: { address: 'old.example:65536' } }, /spec\.server\.address/],
    [
      'servers to start of an image that nobody knows',
      { server: { address: 'a:1' }, verify: 'restore' },
      /spec.verify: .*needs spec.cluster/,
    ],
    ['a user without a password', { server: { address: 'a:1', username: 'x' } }, /a user is entered by a password/],
  ])('that names %s is refused with the field', async (_what, spec, message) => {
    await expect(cluster.create(redisBackups, 'wrong', { storageName: 'archive', ...spec })).rejects.toThrow(message)
  })

  test("that is the copy of a restore takes nobody else's place, and no policy takes it", async () => {
    const retentionPolicy = { keep: 1 }
    await cluster.create(redisBackupStorages, 'small', { s3: { bucket: 'backups' }, retentionPolicy })
    const owner = { apiVersion: 'slotkeeper.dev/v1beta1', kind: 'RedisRestore', name: 'clone', uid: 'clone-1' }
    const copies = { ownerReferences: [{ ...owner, controller: true, blockOwnerDeletion: true }] }
    const spec = { cluster: { name: 'orders' }, storageName: 'small' }
    // Of the ordinary ones the older goes; beside them are a copy that is the oldest of all, and one that is the newest.
    const days = { 'first-copy': 1, older: 2, newer: 3, 'last-copy': 4 }
    for (const [name, day] of Object.entries(days)) {
      await cluster.create(redisBackups, name, spec, name.endsWith('copy') ? copies : {})
      await cluster.tell(redisBackups, name, { ...COMPLETED, endedAt: `2026-11-0${day}T10:00:00Z` })
    }
    await cluster.sees(redisBackups, 'older', 'Deleting')
    for (const name of ['first-copy', 'newer', 'last-copy']) {
      // Each was looked at since.
      await until('its conditions', 30_000, async () => {
        const status = (await cluster.find(redisBackups, name))?.['status'] as BackupStatus | undefined
        return status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True') ? true : undefined
      })
      expect((await cluster.find(redisBackups, name))?.metadata.deletionTimestamp).toBeUndefined()
      expect((await cluster.find(redisBackups, name))?.['status']).not.toHaveProperty('expired')
    }
  })

  test('that is being restored does not expire before the restore has ended', async () => {
    const retentionPolicy = { keep: 1 }
    await cluster.create(redisBackupStorages, 'tiny', { s3: { bucket: 'backups' }, retentionPolicy })
    const restore = { source: { backup: { name: 'read' } }, target: { cluster: { name: 'again' } } }
    await cluster.create(redisRestores, 'reader', restore)
    for (const [day, name] of ['read', 'latest'].entries()) {
      await cluster.create(redisBackups, name, { cluster: { name: 'orders' }, storageName: 'tiny' })
      await cluster.tell(redisBackups, name, { ...COMPLETED, endedAt: `2026-11-0${day + 1}T10:00:00Z` })
    }
    await until('it is said', 30_000, () =>
      Promise.resolve(cluster.lines.some((line) => line.includes('BackupInUse')) || undefined),
    )
    expect((await cluster.find(redisBackups, 'read'))?.metadata.deletionTimestamp).toBeUndefined()
    await cluster.tell(redisRestores, 'reader', { state: 'Completed' })
    await cluster.sees(redisBackups, 'read', 'Deleting')
  })

  test('never changes once it is there', async () => {
    await backup('fixed')
    const spec = { cluster: { name: 'other' }, storageName: 'archive' }
    await expect(cluster.create(redisBackups, 'fixed', spec)).rejects.toThrow(/exists/)
  })
})

describe('a schedule', () => {
  const template = { cluster: { name: 'orders' }, storageName: 'archive' }

  test('makes a backup at once where that is asked for, and only one, whoever leads', async () => {
    await cluster.create(redisBackupSchedules, 'hourly', { schedule: '@hourly', immediate: true, template })
    const { lastBackup } = await until('the backup is told', 60_000, async () => {
      const status = (await cluster.find(redisBackupSchedules, 'hourly'))?.['status'] as
        | { lastBackup?: string }
        | undefined
      return status?.lastBackup === undefined ? undefined : status
    })
    await cluster.restart()
    await cluster.jobNamed('-store-0-1')
    const found = await cluster.find(redisBackups, lastBackup ?? '')
    expect(found?.metadata.labels).toMatchObject({ 'slotkeeper.dev/schedule': 'hourly' })
    expect(found?.metadata.ownerReferences).toBeUndefined()
    await until('all is told', 30_000, async () =>
      (await cluster.told('backupschedule', 'hourly')).length === 2 ? true : undefined,
    )
    expect(await cluster.told('backupschedule', 'hourly')).toEqual(['Accepted', 'BackupCreated'])
    await cluster.remove(redisBackupSchedules, 'hourly')
    await until('it is gone', 60_000, async () =>
      (await cluster.find(redisBackupSchedules, 'hourly')) === null ? true : undefined,
    )
    expect(await cluster.find(redisBackups, lastBackup ?? '')).not.toBeNull()
  })

  test('that nobody can read says which field is wrong', async () => {
    await cluster.create(redisBackupSchedules, 'wrong', { schedule: '0 25 * * *', template })
    expect(await cluster.sees(redisBackupSchedules, 'wrong', 'Invalid')).toMatchObject({
      reason: 'ScheduleInvalid',
      message: expect.stringContaining('spec.schedule'),
    })
  })
})

test('no log line holds a plan, and no pass breaks a law', () => {
  expect(cluster.lines.length).toBeGreaterThan(10)
  expect(cluster.lines.filter((line) => /InvariantBroken|is not allowed in state/.test(line))).toEqual([])
  expect(cluster.lines.join('\n')).not.toContain('/etc/slotkeeper/credentials')
})
