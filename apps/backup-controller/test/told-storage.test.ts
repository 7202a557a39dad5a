import type { AgentReport } from '@slotkeeper/backup'
import { run } from '@slotkeeper/controller-host'
import type { StorageStatus } from '@slotkeeper/events'
import { redisBackupSchedules, redisBackupStorages } from '@slotkeeper/k8s'
import { PlayedCluster, until } from '@slotkeeper/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { backupApp } from '../src/backup-app.ts'
import { readConfig } from '../src/config.ts'

const PATIENCE_MS = 60_000
let cluster: PlayedCluster

beforeAll(async () => {
  cluster = await PlayedCluster.start('slotkeeper-backup-controller', (env, lent) =>
    run(backupApp, { ...lent, config: readConfig(env) }),
  )
}, 120_000)

afterAll(() => cluster?.stop())

const manifest = 'shop/orders-1/5c1f9a52/manifest'
const checked = (facts: object): AgentReport => ({
  result: 'Done',
  done: {
    task: 'CheckStorage',
    ok: true,
    missingPermissions: [],
    faults: [],
    keepsFirst: true,
    swept: 0,
    held: null,
    ...facts,
  },
})

/** The status, once it is so. */
const status = (name: string, is: (status: StorageStatus) => boolean): Promise<StorageStatus> =>
  until('the status', PATIENCE_MS, async () => {
    const found = (await cluster.find(redisBackupStorages, name))?.['status'] as StorageStatus | undefined
    return found !== undefined && is(found) ? found : undefined
  })

const condition = ({ conditions = [] }: StorageStatus, type: string) => conditions.find((one) => one.type === type)

test('a storage whose backups have lost their key stays Ready, and says so; asked, it looks at once whether it is back', async () => {
  const encryption = { secretName: 'keys', currentKey: 'first' }
  await cluster.create(redisBackupStorages, 'locked', { s3: { bucket: 'backups' }, encryption })
  const held = { backups: 4, newest: [{ manifest, endedAt: '2026-11-21T10:00:41Z' }] }
  const lost = { unreadable: 4, unreadableReason: 'KeyWrong', unreadableMessage: `${manifest}: only its namesake` }
  await cluster.end(await cluster.jobNamed('-check-1-1', 'locked-'), checked({ held: { ...held, ...lost } }))
  const told = await status('locked', (one) => condition(one, 'BackupsReadable') !== undefined)
  expect(condition(told, 'Ready')).toMatchObject({ status: 'True', message: 'Backups can be kept there.' })
  expect(condition(told, 'BackupsReadable')).toMatchObject({ status: 'False', reason: 'KeyWrong' })
  expect(told).toMatchObject({ held: lost, nextCheckAt: expect.any(String) })
  await until('it is told', PATIENCE_MS, async () =>
    (await cluster.told('storage', 'locked')).includes('BackupsUnreadable') ? true : undefined,
  )

  await cluster.annotate(redisBackupStorages, 'locked', { 'slotkeeper.dev/check': 'now' })
  const again = await cluster.jobNamed('-check-1-2', 'locked-')
  await cluster.end(again, checked({ held: { ...held, unreadable: 0 } }))
  const back = await status('locked', (one) => condition(one, 'BackupsReadable')?.status === 'True')
  expect(back.held).not.toHaveProperty('unreadableMessage')
  await until('it is told', PATIENCE_MS, async () =>
    (await cluster.told('storage', 'locked')).at(-1) === 'BackupsReadable' ? true : undefined,
  )
  expect(await cluster.told('storage', 'locked')).toEqual([
    'Accepted',
    'BecameUsable',
    'BackupsUnreadable',
    'BackupsReadable',
  ])
})

test('a storage without encryption is Ready, and says that it is', async () => {
  await cluster.create(redisBackupStorages, 'open', { s3: { bucket: 'backups' } })
  await cluster.end(await cluster.jobNamed('-check-1-1', 'open-'), checked({}))
  const { conditions } = await status('open', ({ state }) => state === 'Usable')
  expect(conditions).toContainEqual(
    expect.objectContaining({ type: 'Ready', status: 'True', message: 'Backups can be kept there, unencrypted.' }),
  )
})

test('a schedule that nobody can read is told, and accepted once it is put right', async () => {
  const template = { cluster: { name: 'orders' }, storageName: 'open' }
  await cluster.create(redisBackupSchedules, 'wrong', { schedule: '99 3 * * *', template })
  await cluster.sees(redisBackupSchedules, 'wrong', 'Invalid')
  await cluster.change(redisBackupSchedules, 'wrong', { schedule: '0 3 * * *' })
  await cluster.sees(redisBackupSchedules, 'wrong', 'Active')
  await until('all is told', PATIENCE_MS, async () =>
    (await cluster.told('backupschedule', 'wrong')).length >= 3 ? true : undefined,
  )
  expect(await cluster.told('backupschedule', 'wrong')).toEqual(['ScheduleInvalid', 'Accepted', 'StateChanged'])
})

const azure = { account: 'shop', container: 'backups', credentials: { secretName: 'azure' } }

test.each([
  [
    'both places',
    { s3: { bucket: 'backups' }, filesystem: { claimName: 'archive' } },
    /exactly one of s3, azure and filesystem/,
  ],
  ['two clouds', { s3: { bucket: 'backups' }, azure }, /exactly one of s3, azure and filesystem/],
  ['none', {}, /exactly one of s3, azure and filesystem/],
  ['no credentials of Azure', { azure: { ...azure, credentials: null } }, /spec.azure.credentials: Required/],
  ['a token', { azure: { ...azure, endpoint: 'https://a.example/?sig=x' } }, /spec.azure.endpoint: .*credentials/],
  ['a user', { s3: { bucket: 'backups', endpoint: 'https://me:x@a.example' } }, /spec.s3.endpoint: .*credentials/],
  ['a fragment', { s3: { bucket: 'backups', endpoint: 'https://a.example#x' } }, /spec.s3.endpoint: .*credentials/],
  ['certificates of nobody', { s3: { bucket: 'backups', ca: { secretName: 'ca' } } }, /begins with https/],
])('a storage that names %s is refused with the field', async (_what, spec, message) => {
  await expect(cluster.create(redisBackupStorages, 'wrong', spec)).rejects.toThrow(message)
})

const s3 = { bucket: 'backups', credentials: { secretName: 'credentials' } }

test.each([
  ['another bucket', { s3: { bucket: 'elsewhere' } }, /spec.s3.bucket: .*never changes/],
  ['another prefix', { s3: { prefix: 'elsewhere' } }, /spec.s3.prefix: .*never changes/],
  ['another endpoint', { s3: { endpoint: 'http://elsewhere' } }, /spec.s3.endpoint: .*never changes/],
  ['a volume instead', { s3: null, filesystem: { claimName: 'elsewhere' } }, /never changes/],
])('a storage stays where it is: %s', async (what, spec, message) => {
  const name = what.replaceAll(' ', '-')
  await cluster.create(redisBackupStorages, name, { s3 })
  await expect(cluster.change(redisBackupStorages, name, spec)).rejects.toThrow(message)
})

test.each(['account', 'container', 'prefix', 'endpoint'])('a container of Azure keeps its %s', async (part) => {
  await cluster.create(redisBackupStorages, `cloud-${part}`, { azure })
  const other = { azure: { [part]: part === 'endpoint' ? 'https://other' : 'other' } }
  const change = cluster.change(redisBackupStorages, `cloud-${part}`, other)
  await expect(change).rejects.toThrow(new RegExp(`spec.azure.${part}: .*never changes`))
})
