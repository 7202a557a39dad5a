import { randomBytes } from 'node:crypto'
import { redisBackups, redisBackupSchedules, redisBackupStorages } from '@slotkeeper/k8s'
import type { Delivery } from '@slotkeeper/nats'
import { until } from '@slotkeeper/testing'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { follow } from '../demo/tour.ts'
import { BackupStage, type OneStatus, storyOf } from './backup-stage.ts'
import type { S3Server } from '../demo/s3-server.ts'
import { Stage } from './stage.ts'

const PATIENCE_MS = 120_000
const KEYS = 600
const cluster = 'orders'
let stage: Stage
let s3: S3Server
let backups: BackupStage
const stop = new AbortController()
const story: Delivery[] = []
let told: { readonly done: Promise<void> }

beforeAll(async () => {
  stage = await Stage.open(inject('platform'), 'backups')
  await stage.create(cluster, { replicasPerShard: 1 })
  backups = await BackupStage.open(stage)
  s3 = backups.s3
  await backups.secret('keys', { first: randomBytes(32).toString('base64') })
  await stage.healthy(cluster)
  await backups.fill(cluster, KEYS)
  told = await follow(stage.platform, (delivery) => void story.push(delivery), stop.signal)
})

afterAll(async () => {
  stop.abort()
  await told?.done.catch(() => undefined)
  await stage.close()
})

describe('a storage', () => {
  test('is tried when it is created, and says that it serves', async () => {
    const retentionPolicy = { keep: 2 }
    await backups.storage('archive', {
      ...backups.s3Spec(),
      encryption: { secretName: 'keys', currentKey: 'first' },
      retentionPolicy,
    })
    const { conditions } = await backups.inState(redisBackupStorages, 'archive', 'Usable')
    expect(conditions?.find((one) => one.type === 'Ready')?.status).toBe('True')
    expect(await stage.kubectl('get', 'rdbs', 'archive', '--no-headers')).toMatch(/archive +True +Usable/)
  })

  test.each([
    [
      'a wrong password',
      () => backups.secret('wrong', { ...s3.credentials, secretAccessKey: 'wrong' }),
      { credentials: { secretName: 'wrong' } },
      /StorageForbidden|PermissionMissing|CheckFailed/,
    ],
    [
      'a Secret that is not there',
      () => Promise.resolve(),
      { credentials: { secretName: 'nowhere' } },
      /SecretMissing/,
    ],
    ['a bucket that is not there', () => Promise.resolve(), { bucket: 'nowhere' }, /StorageMissing|CheckFailed/],
  ])('says what is wrong: %s', async (what, prepare, change, reason) => {
    await prepare()
    const name = what.toLowerCase().replaceAll(' ', '-')
    await backups.storage(name, backups.s3Spec(change))
    const status = await backups.inState(redisBackupStorages, name, 'Unusable')
    expect(status.reason).toMatch(reason)
    expect(status.message?.length).toBeGreaterThan(20)
    expect(JSON.stringify(status)).not.toContain(s3.credentials.secretAccessKey)
    await stage.kubectl('delete', 'rdbs', name, '--timeout=60s')
  })
})

describe('a backup', () => {
  test.each(['shard', 'cluster'])('is stored, read back and sealed: consistency %s', async (consistency) => {
    const name = `by-${consistency}`
    await backups.backup(name, cluster, { consistency })
    const status = await backups.inState(redisBackups, name, 'Completed')
    expect(status.keys).toBe(KEYS)
    expect(status.shards?.map((one) => one.keys ?? 0).reduce((sum, keys) => sum + keys, 0)).toBe(KEYS)
    const { topology = [] } = (await stage.read(cluster)).status ?? {}
    const replicas = topology.map(({ attached = [] }) => attached)
    expect(status.shards?.map((one) => [one.takenFrom])).toEqual(replicas)
    if (consistency === 'cluster') expect(status.heldMs).toBeGreaterThan(0)
    const events = await storyOf(story, 'backup', name, (one) => one.cloudEvent.data['to'] === 'Completed')
    const types = events.map((one) => one.type)
    expect(types.filter((type) => type !== 'StateChanged')).toEqual([
      'Accepted',
      'Started',
      'ShardStreamed',
      'ShardStreamed',
      'ShardStreamed',
      'Verified',
      'Completed',
    ])
    expect(events.map((one) => one.sequence)).toEqual(events.map((_one, index) => index + 1))
    // Nothing of it runs on, and nothing that is secret was told.
    await until('no Job is left', PATIENCE_MS, async () =>
      (await stage.kubectl('get', 'jobs', '-l', `slotkeeper.dev/agent-of=backup.${name}`, '-o', 'name')) === ''
        ? true
        : undefined,
    )
    const text = await stage.kubectl('get', 'rdb', name, '-o', 'yaml')
    for (const word of Object.values(await stage.secret('keys'))) expect(text).not.toContain(word)
  })

  test('verify restore: a server was started from each shard, had all of it, and is gone', async () => {
    await backups.backup('proven', cluster, { verify: 'restore' })
    const status = await backups.inState(redisBackups, 'proven', 'Completed')
    expect(status.verified).toBe('restore')
    const loaded = status.shards?.map((one) => one.loaded?.keys ?? 0) ?? []
    expect(loaded.reduce((sum, keys) => sum + keys, 0)).toBe(KEYS)
    await until('no pod is left', PATIENCE_MS, async () =>
      (await stage.kubectl('get', 'pods', '-l', 'slotkeeper.dev/agent-of=backup.proven', '-o', 'name')) === ''
        ? true
        : undefined,
    )
    await stage.kubectl('delete', 'rdb', 'proven', '--timeout=60s')
  })

  test('is stored although the controller dies in the middle', async () => {
    await backups.backup('killed', cluster)
    await backups.sees(redisBackups, 'killed', 'Streaming', (one) => one.state === 'Streaming')
    await stage.platform.kubectl([
      '-n',
      'slotkeeper-system',
      'delete',
      'pod',
      '-l',
      'app.kubernetes.io/component=backup-controller',
      '--force',
      '--grace-period=0',
    ])
    const { state } = await backups.sees(
      redisBackups,
      'killed',
      'its end',
      (one) => one.state === 'Completed' || one.state === 'Failed',
    )
    expect(state).toBe('Completed')
  })

  test('waits for what is not there, and says for what', async () => {
    await backups.backup('waiting', 'nobody')
    const status = await backups.sees(redisBackups, 'waiting', 'its reason', (one) => one.reason !== undefined)
    expect(status).toMatchObject({ state: 'Waiting', reason: 'SourceMissing' })
    expect(await stage.kubectl('describe', 'rdb', 'waiting')).toContain(
      'there is no RedisCluster nobody in this namespace',
    )
    await stage.kubectl('delete', 'rdb', 'waiting', '--timeout=60s')
  })

  test('never changes', async () => {
    await expect(
      stage.kubectl('patch', 'rdb', 'killed', '--type=merge', '-p', '{"spec":{"target":"primary"}}'),
    ).rejects.toThrow(/a backup never changes/)
  })

  test('beyond the retention policy the oldest goes, with its objects', async () => {
    await until('two are left', PATIENCE_MS, async () => {
      const left = (await stage.kubectl('get', 'rdb', '-o', 'name')).trim().split('\n')
      return left.length === 2 ? left : undefined
    })
    expect(await stage.find(redisBackups, 'by-shard')).toBeNull()
    expect((await s3.keys()).filter((key) => key.includes('/by-shard/'))).toEqual([])
    const shown = await stage.kubectl('get', 'events', '--field-selector', 'involvedObject.name=by-shard', '-o', 'json')
    expect(shown).toContain('ObjectsDeleted')
    expect(shown).toContain('keep 2')
  })

  test('whose status is lost is found whole in its storage', async () => {
    const { keys, bytes } = await backups.inState(redisBackups, 'killed', 'Completed')
    const objects = await s3.keys()
    const erase = ['--subresource=status', '--type=json', '-p', '[{"op":"remove","path":"/status"}]']
    await stage.kubectl('patch', 'rdb', 'killed', ...erase)
    expect(await backups.inState(redisBackups, 'killed', 'Completed')).toMatchObject({ keys, bytes })
    await storyOf(story, 'backup', 'killed', (one) => one.type === 'Adopted')
    expect(await s3.keys()).toEqual(objects)
  })

  test('goes with its objects when it is deleted', async () => {
    expect((await s3.keys()).length).toBeGreaterThan(0)
    await stage.kubectl('delete', 'rdb', 'killed', 'by-cluster', '--timeout=100s')
    expect(await s3.keys()).toEqual([])
    const shown = await stage.kubectl('get', 'events', '--field-selector', 'involvedObject.name=killed', '-o', 'json')
    expect(shown).toMatch(/\d objects are gone from the storage/)
  })

  test('is stored although its agents are evicted while the storage stands still', async () => {
    const s3Pod = (signal: 'SIGSTOP' | 'SIGCONT') => stage.platform.switchboard.killInPod(stage.namespace, 's3', signal)
    const ours = ['pods', '-l', 'slotkeeper.dev/agent-of=backup.evicted']
    await s3Pod('SIGSTOP')
    await backups.backup('evicted', cluster)
    await until('all agents run', PATIENCE_MS, async () => {
      const running = await stage.kubectl('get', ...ours, '--field-selector=status.phase=Running', '-o', 'name')
      return running.trim().split('\n').length === 3 ? true : undefined
    })
    await stage.kubectl('delete', ...ours, '--wait=false')
    const isAgain = ({ shards = [] }: OneStatus): boolean => shards.every((one) => one.attempt > 1)
    await backups.sees(redisBackups, 'evicted', 'another attempt at all shards', isAgain)
    await s3Pod('SIGCONT')
    await backups.inState(redisBackups, 'evicted', 'Completed')
    expect(await s3.keys()).toHaveLength(4)
    await stage.kubectl('delete', 'rdb', 'evicted', '--timeout=100s')
    expect(await s3.keys()).toEqual([])
  })

  test('is made by a schedule', async () => {
    await stage.apply({
      apiVersion: 'slotkeeper.dev/v1beta1',
      kind: 'RedisBackupSchedule',
      metadata: { name: 'nightly' },
      spec: {
        schedule: '@yearly',
        immediate: true,
        template: { cluster: { name: cluster }, storageName: 'archive' },
      },
    })
    const name = await until('its backup', PATIENCE_MS, async () => {
      const found = await stage.find(redisBackupSchedules, 'nightly')
      return (found?.['status'] as { readonly lastBackup?: string } | undefined)?.lastBackup
    })
    await backups.inState(redisBackups, name, 'Completed')
    expect(await stage.kubectl('get', 'redisbackupschedules', '--no-headers')).toMatch(/nightly +@yearly +Active +20/)
    await stage.kubectl('delete', 'redisbackupschedule', 'nightly', '--timeout=60s')
    await stage.kubectl('delete', 'rdb', name, '--timeout=100s')
  })

  test('and when its storage is gone before it, it says what is left', async () => {
    await backups.backup('orphan', cluster)
    await backups.inState(redisBackups, 'orphan', 'Completed')
    await stage.kubectl('delete', 'rdbs', 'archive', '--timeout=60s')
    await stage.kubectl('delete', 'rdb', 'orphan', '--timeout=60s')
    const shown = await stage.kubectl('get', 'events', '--field-selector', 'involvedObject.name=orphan', '-o', 'json')
    expect(shown).toContain('ObjectsLeft')
    expect(await s3.keys()).toHaveLength(4)
  })
})
