import { randomBytes } from 'node:crypto'
import {
  persistentVolumeClaims,
  redisBackups,
  redisBackupStorages,
  redisClusters,
  redisRestores,
} from '@slotkeeper/k8s'
import type { Delivery } from '@slotkeeper/nats'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { follow } from '../demo/tour.ts'
import { BackupStage, storyOf } from './backup-stage.ts'
import { Stage } from './stage.ts'

const KEYS = 600
const resources = { requests: { cpu: '10m', memory: '16Mi' } }
const little = { version: 'valkey-9.1', resources, storage: { size: '64Mi' } }
let stage: Stage
let backups: BackupStage
let manifest = ''
const stop = new AbortController()
const story: Delivery[] = []
let told: { readonly done: Promise<void> }

const kill = (component: string): Promise<string> =>
  stage.platform.kubectl([
    '-n',
    'slotkeeper-system',
    'delete',
    'pod',
    '-l',
    `app.kubernetes.io/component=${component}`,
    '--force',
    '--grace-period=0',
  ])

const claims = async (cluster: string): Promise<readonly string[]> => {
  const found = await stage.kubectl('get', 'pvc', '-o', 'name')
  return found.split('\n').filter((one) => one.includes(`/data-${cluster}-`))
}

beforeAll(async () => {
  stage = await Stage.open(inject('platform'), 'restores')
  await stage.create('orders', { ...little, replicasPerShard: 0 })
  backups = await BackupStage.open(stage)
  await backups.secret('keys', { first: randomBytes(32).toString('base64') })
  await backups.storage('archive', { ...backups.s3Spec(), encryption: { secretName: 'keys', currentKey: 'first' } })
  await stage.healthy('orders')
  await backups.fill('orders', KEYS)
  await backups.inState(redisBackupStorages, 'archive', 'Usable')
  await backups.backup('nightly', 'orders')
  manifest = (await backups.inState(redisBackups, 'nightly', 'Completed')).manifest ?? ''
  told = await follow(stage.platform, (delivery) => void story.push(delivery), stop.signal)
})

afterAll(async () => {
  stop.abort()
  await told?.done.catch(() => undefined)
  await stage.close()
})

describe('refused, and nothing touched', () => {
  test('where a cluster of that name is', async () => {
    const before = (await stage.find(redisClusters, 'orders'))?.metadata.uid
    await backups.restore('onto', { backup: { name: 'nightly' } }, { cluster: { name: 'orders' } })
    const status = await backups.sees(redisRestores, 'onto', 'its end', (one) => one.state === 'Failed')
    expect(status.reason).toBe('NameTaken')
    expect((await stage.find(redisClusters, 'orders'))?.metadata.uid).toBe(before)
    expect(await backups.count('orders', KEYS)).toBe(KEYS)
  })

  test('where its servers would not load the backup', async () => {
    const template = { ...little, version: 'redis-7.0', shards: 3, replicasPerShard: 0 }
    await backups.restore('older', { backup: { name: 'nightly' } }, { cluster: { name: 'older' }, template })
    const status = await backups.sees(redisRestores, 'older', 'its end', (one) => one.state === 'Failed')
    expect(status).toMatchObject({ reason: 'Incompatible' })
    expect(status.message).toMatch(/Redis 7\.0 does not load/)
    expect(await claims('older')).toEqual([])
    const shown = await stage.kubectl('get', 'events', '--field-selector', 'involvedObject.name=older', '-o', 'json')
    expect(shown).toContain('Refused')
  })

  test('by the schema, with the field and the remedy', async () => {
    await expect(backups.restore('none', {}, { cluster: { name: 'x' } })).rejects.toThrow(
      /spec\.source: set exactly one of backup .* and server/,
    )
    await expect(
      stage.kubectl('patch', 'rdr', 'onto', '--type=merge', '-p', '{"spec":{"deadlineSeconds":99}}'),
    ).rejects.toThrow(/a restore never changes/)
  })
})

describe('everything is lost', () => {
  beforeAll(async () => {
    await stage.kubectl('delete', 'rdr', '--all', '--timeout=60s')
    await stage.remove('orders')
    await stage.kubectl('delete', 'pvc', '--all', '--timeout=60s')
  })

  test('another number of shards: every key is there, and each step is told', async () => {
    const target = { cluster: { name: 'again' }, template: { ...little, shards: 4, replicasPerShard: 1 } }
    await backups.restore('back', { backup: { name: 'nightly' } }, target)
    const status = await backups.inState(redisRestores, 'back', 'Completed')
    expect(status).toMatchObject({ keys: KEYS, loadedKeys: KEYS })
    await stage.healthy('again')
    expect(await backups.count('again', KEYS)).toBe(KEYS)
    const events = await storyOf(story, 'restore', 'back', (one) => one.type === 'Completed')
    expect(events.map((one) => one.type).filter((type) => type !== 'StateChanged')).toEqual([
      'Accepted',
      'Inspected',
      'Seeding',
      ...Array.from({ length: 4 }, () => 'ShardSeeded'),
      'ClusterCreated',
      'SlotsFormed',
      'Verified',
      'Completed',
    ])
    expect(events.map((one) => one.sequence)).toEqual(events.map((_one, index) => index + 1))
    const spoken = JSON.stringify(events) + (await stage.kubectl('get', 'rdr', 'back', '-o', 'yaml'))
    for (const word of Object.values(await stage.secret('keys'))) expect(spoken).not.toContain(word)
    expect(await stage.kubectl('get', 'rdr', 'back', '--no-headers')).toMatch(/back +again +Completed +600/)
  })

  test('what was restored is a cluster as any: it takes writes, and survives the death of primaries', async () => {
    await backups.fill('again', 100, KEYS)
    const { status } = await stage.read('again')
    const [first, second] = (status?.topology ?? []).map(({ primary = '' }) => primary)
    await stage.crash(first ?? '')
    await stage.kubectl('delete', 'pod', second ?? '', '--wait=false')
    await stage.sees('again', 'another primary', (one) => one.status?.topology?.[1]?.primary !== second)
    await stage.healthy('again')
    expect(await backups.count('again', KEYS + 100)).toBe(KEYS + 100)
    await stage.kubectl('delete', 'rdr', 'back', '--timeout=60s')
    await stage.remove('again')
    expect(await claims('again')).toHaveLength(8)
  })

  test('from the storage alone, as it was, with controllers that die in the middle', async () => {
    // As after a disaster: the object is made anew, and its status says what there is to be restored.
    await backups.storage('found', { ...backups.s3Spec(), encryption: { secretName: 'keys', currentKey: 'first' } })
    const { held } = await backups.inState(redisBackupStorages, 'found', 'Usable')
    expect(held).toMatchObject({ backups: 1, newest: [{ manifest, cluster: `${stage.namespace}/orders`, keys: KEYS }] })
    const source = { stored: { storageName: 'found', manifest: held?.newest[0]?.manifest ?? '' } }
    await backups.restore('alone', source, { cluster: { name: 'alone' } })
    await backups.sees(redisRestores, 'alone', 'Seeding', (one) => one.state === 'Seeding')
    await kill('restore-controller')
    await backups.sees(redisRestores, 'alone', 'Starting', (one) => one.state !== 'Seeding')
    await Promise.all([kill('restore-controller'), kill('cluster-controller')])
    await backups.inState(redisRestores, 'alone', 'Completed')
    await stage.healthy('alone')
    expect(await backups.count('alone', KEYS)).toBe(KEYS)
  })

  test('deleted in the middle it leaves nothing behind, and deleted afterwards the cluster stays', async () => {
    const template = { ...little, shards: 3, replicasPerShard: 0, storage: { size: '64Mi', persistence: 'rdb' } }
    await backups.restore('given-up', { backup: { name: 'nightly' } }, { cluster: { name: 'given-up' }, template })
    await backups.sees(redisRestores, 'given-up', 'Seeding', (one) => one.state === 'Seeding')
    await stage.kubectl('delete', 'rdr', 'given-up', '--timeout=100s')
    expect(await stage.find(redisClusters, 'given-up')).toBeNull()
    expect(await claims('given-up')).toEqual([])
    await stage.kubectl('delete', 'rdr', 'alone', '--timeout=60s')
    await stage.healthy('alone')
    expect(await stage.find(persistentVolumeClaims, 'data-alone-0-0')).not.toBeNull()
  })

  test('with another key it fails, and nothing is left', async () => {
    await backups.secret('keys', { first: randomBytes(32).toString('base64') })
    await backups.restore('locked', { stored: { storageName: 'archive', manifest } }, { cluster: { name: 'locked' } })
    const status = await backups.sees(redisRestores, 'locked', 'its end', (one) => one.state === 'Failed')
    expect(status.reason).toBe('KeyWrong')
    await expect.poll(() => claims('locked'), { timeout: 60_000 }).toEqual([])
    expect(await stage.find(redisClusters, 'locked')).toBeNull()
  })
})
