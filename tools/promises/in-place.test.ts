import { randomBytes } from 'node:crypto'
import {
  redisBackups,
  redisBackupStorages,
  redisClusters,
  redisRestores,
  services,
  statefulSets,
} from '@slotkeeper/k8s'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { BackupStage } from './backup-stage.ts'
import { Stage } from './stage.ts'

const KEYS = 400
const LATER = 150
const SHARDS = [0, 1, 2]
let stage: Stage
let backups: BackupStage
let uid = ''

/** Names of all claims of the cluster, of the volumes that begin so. */
const claims = async (volume: RegExp): Promise<readonly string[]> => {
  const found = await stage.kubectl('get', 'pvc', '-o', 'name')
  return found
    .split('\n')
    .map((one) => one.replace('persistentvolumeclaim/', ''))
    .filter((one) => volume.test(one))
    .toSorted()
}
const OLD = /^data-orders-/
const NEW = /^data-0[0-9a-f]{7}-orders-/

const setUids = async (): Promise<readonly (string | undefined)[]> =>
  Promise.all(SHARDS.map(async (shard) => (await stage.find(statefulSets, `orders-${shard}`))?.metadata.uid))

const kill = (component: string): Promise<string> => {
  const label = `app.kubernetes.io/component=${component}`
  const now = ['--force', '--grace-period=0']
  return stage.platform.kubectl(['-n', 'slotkeeper-system', 'delete', 'pod', '-l', label, ...now])
}

beforeAll(async () => {
  stage = await Stage.open(inject('platform'), 'in-place')
  // Deleting these StatefulSets deletes their volumes, unless they are told otherwise in time.
  await stage.create('orders', { storage: { size: '64Mi', retain: false } })
  backups = await BackupStage.open(stage)
  await backups.secret('keys', { first: randomBytes(32).toString('base64') })
  await backups.secret('wrong-keys', { first: randomBytes(32).toString('base64') })
  const encryptedBy = (secretName: string): object => ({
    ...backups.s3Spec(),
    encryption: { secretName, currentKey: 'first' },
  })
  await backups.storage('archive', encryptedBy('keys'))
  await backups.storage('locked', encryptedBy('wrong-keys'))
  uid = (await stage.healthy('orders')).metadata.uid ?? ''
  await backups.fill('orders', KEYS)
  for (const name of ['archive', 'locked']) await backups.inState(redisBackupStorages, name, 'Usable')
  await backups.backup('nightly', 'orders')
  await backups.inState(redisBackups, 'nightly', 'Completed')
  await backups.fill('orders', LATER, KEYS)
})

afterAll(() => stage.close())

describe('a restore into a cluster that is there', () => {
  test('that fails before the switch: the cluster has noticed nothing', async () => {
    const before = await setUids()
    const { manifest = '' } = await backups.inState(redisBackups, 'nightly', 'Completed')
    const source = { stored: { storageName: 'locked', manifest } }
    await backups.restore('locked', source, { cluster: { name: 'orders' }, inPlace: { confirm: uid } })
    const status = await backups.sees(redisRestores, 'locked', 'its end', (one) => one.state === 'Failed')
    expect(status.reason).toBe('KeyWrong')
    await expect.poll(() => claims(NEW), { timeout: 60_000 }).toEqual([])
    expect(await setUids()).toEqual(before)
    await stage.healthy('orders')
    expect(await backups.count('orders', KEYS + LATER)).toBe(KEYS + LATER)
  })

  test('with consent: all keys of the backup, none written later, and the old volumes stay', async () => {
    const [password, service, old] = [
      await stage.secret('orders-auth'),
      (await stage.find(services, 'orders'))?.metadata.uid,
      await claims(OLD),
    ]
    const before = await setUids()
    await backups.restore('rewind', { backup: { name: 'nightly' } }, { cluster: { name: 'orders' }, inPlace: {} })
    const asked = await backups.inState(redisRestores, 'rewind', 'Confirming')
    expect(asked.message).toContain(`set spec.target.inPlace.confirm to ${uid}`)
    expect(await claims(NEW)).toEqual([])
    expect(await backups.count('orders', KEYS + LATER)).toBe(KEYS + LATER)
    const consent = JSON.stringify({ spec: { target: { inPlace: { confirm: uid } } } })
    await stage.kubectl('patch', 'rdr', 'rewind', '--type=merge', '-p', consent)
    expect(await backups.inState(redisRestores, 'rewind', 'Completed')).toMatchObject({ keys: KEYS, loadedKeys: KEYS })
    await stage.healthy('orders')
    expect(await backups.count('orders', KEYS + LATER)).toBe(KEYS)
    expect(await stage.secret('orders-auth')).toEqual(password)
    expect((await stage.find(services, 'orders'))?.metadata.uid).toBe(service)
    expect((await stage.read('orders')).metadata.uid).toBe(uid)
    const after = await setUids()
    for (const [shard, set] of after.entries()) expect(set).not.toBe(before[shard])
    expect(old).toHaveLength(6)
    expect(await claims(OLD)).toEqual(old)
    expect(await claims(NEW)).toHaveLength(6)
  })

  test('the cluster is one as any: it takes writes, and survives the death of primaries', async () => {
    await backups.fill('orders', LATER, KEYS)
    const { status } = await stage.read('orders')
    const [first, second] = (status?.topology ?? []).map(({ primary = '' }) => primary)
    await stage.crash(first ?? '')
    await stage.kubectl('delete', 'pod', second ?? '', '--wait=false')
    await stage.sees('orders', 'another primary', (one) => one.status?.topology?.[1]?.primary !== second)
    await stage.healthy('orders')
    expect(await backups.count('orders', KEYS + LATER)).toBe(KEYS + LATER)
  })

  test('into one that has lost a shard, with controllers that die in the middle; volumes of before go where that was asked for', async () => {
    const [oldest, former] = [await claims(OLD), await claims(NEW)]
    const lost = former.filter((name) => name.includes('-orders-1-'))
    expect(lost).toHaveLength(2)
    await stage.kubectl('delete', 'pvc', ...lost, '--wait=false')
    await stage.kubectl('delete', 'pod', 'orders-1-0', 'orders-1-1', '--force', '--grace-period=0')
    await stage.stalled('orders', 'DataMissing')
    const inPlace = { confirm: uid, oldVolumes: 'Delete' }
    await backups.restore('again', { backup: { name: 'nightly' } }, { cluster: { name: 'orders' }, inPlace })
    await backups.sees(redisRestores, 'again', 'Seeding', (one) => one.state === 'Seeding')
    await kill('restore-controller')
    await backups.sees(redisRestores, 'again', 'Starting', (one) => one.state !== 'Seeding')
    await stage.sees('orders', 'the switch', (one) => one.status?.state === 'Restoring')
    await Promise.all([kill('restore-controller'), kill('cluster-controller')])
    await backups.inState(redisRestores, 'again', 'Completed')
    await stage.healthy('orders')
    expect(await backups.count('orders', KEYS + LATER)).toBe(KEYS)
    const isFormer = async (): Promise<readonly string[]> => (await claims(NEW)).filter((name) => former.includes(name))
    await expect.poll(isFormer, { timeout: 120_000 }).toEqual([])
    expect(await claims(NEW)).toHaveLength(6)
    expect(await claims(OLD)).toEqual(oldest)
  })

  test('that the cluster can not follow yet is taken back with its RedisRestore: nothing was stopped, nothing is lost', async () => {
    await backups.fill('orders', LATER, KEYS)
    const before = await setUids()
    const until = new Date(Date.now() + 1_800_000).toISOString()
    await stage.kubectl('annotate', 'rdc', 'orders', `slotkeeper.dev/accept-data-loss=1@${until}`)
    const target = { cluster: { name: 'orders' }, inPlace: { confirm: uid } }
    await backups.restore('held', { backup: { name: 'nightly' } }, target)
    expect(await stage.stalled('orders', 'RestoreHeld')).toContain('delete the RedisRestore')
    await stage.kubectl('delete', 'rdr', 'held', '--timeout=100s')
    const restore = expect.objectContaining({ name: 'again', inPlace: true }) as object
    expect((await stage.find(redisClusters, 'orders'))?.['spec']).toMatchObject({ bootstrap: { restore } })
    await stage.kubectl('annotate', 'rdc', 'orders', 'slotkeeper.dev/accept-data-loss-')
    await stage.healthy('orders')
    expect(await setUids()).toEqual(before)
    expect(await backups.count('orders', KEYS + LATER)).toBe(KEYS + LATER)
  })
})
