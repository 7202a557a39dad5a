import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '@slotkeeper/controller-host'
import type { BackupStatus } from '@slotkeeper/events'
import { jobs, redisBackups, redisBackupSchedules, redisBackupStorages, redisRestores } from '@slotkeeper/k8s'
import { PlayedCluster, until } from '@slotkeeper/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { backupApp } from '../src/backup-app.ts'
import { readConfig } from '../src/config.ts'

const DOCS = join(import.meta.dirname, '../../../docs')
const orders = { cluster: { name: 'orders' }, storageName: 'archive' }
let cluster: PlayedCluster

beforeAll(async () => {
  cluster = await PlayedCluster.start('slotkeeper-backup-controller', (env, lent) =>
    run(backupApp, { ...lent, config: readConfig(env) }),
  )
  await cluster.create(redisBackupStorages, 'archive', { s3: { bucket: 'backups' } })
}, 120_000)

afterAll(() => cluster?.stop())

/** One that was completed, or ended otherwise. */
async function ended(name: string, spec: object, status: object = {}): Promise<void> {
  await cluster.create(redisBackups, name, { ...orders, ...spec })
  await cluster.sees(redisBackups, name, 'Waiting')
  await tell(name, { endedAt: '2026-11-01T10:00:00Z', ...status })
}

const tell = (name: string, status: object): Promise<void> =>
  cluster.tell(redisBackups, name, {
    state: 'Completed',
    manifest: 'm',
    bytes: 1,
    keys: 1,
    cluster: { name: 'orders', uid: 'c' },
    beganAt: '2026-11-01T09:00:00Z',
    ...status,
  })

const isGone = (name: string): Promise<unknown> =>
  until(`${name} is gone`, 60_000, async () => ((await cluster.find(redisBackups, name)) === null ? true : undefined))

/** The lines of a page that a reader enters: the block with this word in it. */
async function entered(page: string, word: string): Promise<string> {
  const blocks = (await readFile(join(DOCS, page), 'utf8')).split('```').filter((_text, index) => index % 2 === 1)
  return blocks.find((one) => one.includes(word)) ?? `echo no ${word} in ${page}; false`
}

describe('deletionPolicy', () => {
  test('is Delete unless it is said, and may change both ways', async () => {
    await cluster.create(redisBackups, 'changed', orders)
    expect((await cluster.find(redisBackups, 'changed'))?.['spec']).toMatchObject({ deletionPolicy: 'Delete' })
    for (const deletionPolicy of ['Retain', 'Delete']) {
      await cluster.change(redisBackups, 'changed', { deletionPolicy })
      expect((await cluster.find(redisBackups, 'changed'))?.['spec']).toMatchObject({ deletionPolicy })
    }
  })

  test.each([
    ['another cluster', { cluster: { name: 'other' } }, /spec: a backup never changes, but for deletionPolicy/],
    ['a server instead', { cluster: null, server: { address: 'a:1' } }, /a backup never changes/],
    ['another storage', { storageName: 'other' }, /a backup never changes/],
    ['another target', { target: 'primary' }, /a backup never changes/],
    ['another consistency', { consistency: 'cluster' }, /a backup never changes/],
    ['another pause', { maxPauseMs: 100 }, /a backup never changes/],
    ['another proof', { verify: 'restore' }, /a backup never changes/],
    ['another deadline', { deadlineSeconds: 60 }, /a backup never changes/],
    ['one beside the policy', { deletionPolicy: 'Retain', deadlineSeconds: 60 }, /a backup never changes/],
    ['a policy that is none', { deletionPolicy: 'Keep' }, /spec.deletionPolicy: Unsupported value/],
  ])('all else stays: %s is refused', async (_what, spec, message) => {
    await expect(cluster.change(redisBackups, 'changed', spec)).rejects.toThrow(message)
  })

  test('Retain: no agent deletes anything, it goes at once, and it is told where the objects are', async () => {
    await ended('kept', { deletionPolicy: 'Retain' })
    const uid = (await cluster.find(redisBackups, 'kept'))?.metadata.uid
    await cluster.remove(redisBackups, 'kept')
    await isGone('kept')
    await until('its last event', 30_000, async () =>
      (await cluster.told('backup', 'kept')).at(-1) === 'Deleted' ? true : undefined,
    )
    expect((await cluster.told('backup', 'kept')).slice(-3)).toEqual(['DeletionStarted', 'ObjectsKept', 'Deleted'])
    const events = await until('its Kubernetes Event', 30_000, async () => {
      const shown = await cluster.shell('kubectl -n shop get events -o json')
      return shown.includes('ObjectsKept') ? shown : undefined
    })
    expect(events).toContain(`What is stored stays, in shop/kept/${uid}/ of archive`)
    expect(await cluster.shell('kubectl -n shop get jobs -o name')).not.toContain('kept-')
  })

  test('Retain: what a retention policy lets go of goes with its objects', async () => {
    await cluster.create(redisBackupStorages, 'small', { s3: { bucket: 'backups' }, retentionPolicy: { keep: 1 } })
    const spec = { storageName: 'small', deletionPolicy: 'Retain' }
    await ended('older', spec)
    await ended('newer', spec, { endedAt: '2026-11-02T10:00:00Z' })
    await cluster.end(await cluster.jobNamed('-delete-1', 'older-'), done(4))
    await isGone('older')
    expect(await cluster.told('backup', 'older')).toContain('ObjectsDeleted')
    expect((await cluster.find(redisBackups, 'newer'))?.metadata.deletionTimestamp).toBeUndefined()
  })

  test('Retain: what a retention policy lets go of, and a person deletes while a restore reads it, stays', async () => {
    await cluster.create(redisBackupStorages, 'tiny', { s3: { bucket: 'backups' }, retentionPolicy: { keep: 1 } })
    const restore = { source: { backup: { name: 'past' } }, target: { cluster: { name: 'again' } } }
    await cluster.create(redisRestores, 'reader', restore)
    const spec = { storageName: 'tiny', deletionPolicy: 'Retain' }
    await ended('past', spec)
    await ended('present', spec, { endedAt: '2026-11-02T10:00:00Z' })
    await until('its policy lets go of it', 30_000, async () => {
      const status = (await cluster.find(redisBackups, 'past'))?.['status'] as BackupStatus
      return status.expired
    })
    await cluster.remove(redisBackups, 'past')
    await isGone('past')
    expect(await cluster.told('backup', 'past')).toContain('ObjectsKept')
  })

  test('a retention policy that is put back leaves what could not be deleted yet', async () => {
    const storage = { s3: { bucket: 'backups' }, retentionPolicy: { keep: 1 } }
    await cluster.create(redisBackupStorages, 'mistaken', storage)
    await ended('mistaken-1', { storageName: 'mistaken' })
    await ended('mistaken-2', { storageName: 'mistaken' }, { endedAt: '2026-11-02T10:00:00Z' })
    const fault = { result: 'Failed', fault: 'StorageUnreachable', message: '503' } as const
    await cluster.end(await cluster.jobNamed('-delete-1', 'mistaken-1-'), fault)
    await cluster.change(redisBackupStorages, 'mistaken', { retentionPolicy: { keep: 30 } })
    await isGone('mistaken-1')
    expect((await cluster.told('backup', 'mistaken-1')).slice(-2)).toEqual(['ObjectsLeft', 'Deleted'])
  })

  test('of a template holds for what failed after it was sealed, once no restore reads it', async () => {
    const template = { ...orders, deletionPolicy: 'Retain' }
    const proven = { schedule: '@yearly', immediate: true, failedHistoryLimit: 0, template }
    await cluster.create(redisBackupSchedules, 'proven', proven)
    const name = await until('its backup', 60_000, async () => {
      const status = (await cluster.find(redisBackupSchedules, 'proven'))?.['status'] as { lastBackup?: string }
      return status?.lastBackup
    })
    await cluster.sees(redisBackups, name, 'Waiting')
    const source = { stored: { storageName: 'archive', manifest: `shop/${name}/1/manifest` } }
    await cluster.create(redisRestores, 'lender', { source, target: { cluster: { name: 'lent' } } })
    await tell(name, { ...TOO_LATE, manifest: `shop/${name}/1/manifest` })
    await until('it is said', 30_000, () =>
      Promise.resolve(cluster.lines.some((line) => line.includes(`lender restores ${name}`)) || undefined),
    )
    expect((await cluster.find(redisBackups, name))?.metadata.deletionTimestamp).toBeUndefined()
    await cluster.tell(redisRestores, 'lender', { state: 'Completed' })
    await isGone(name)
    expect(await cluster.told('backup', name)).toContain('ObjectsKept')
  }, 180_000)

  test('of a template holds for each backup; what failed goes with what it had stored', async () => {
    const template = { ...orders, deletionPolicy: 'Retain' }
    const often = { schedule: '@yearly', immediate: true, failedHistoryLimit: 0, template }
    await cluster.create(redisBackupSchedules, 'often', often)
    const name = await until('its backup', 60_000, async () => {
      const status = (await cluster.find(redisBackupSchedules, 'often'))?.['status'] as { lastBackup?: string }
      return status?.lastBackup
    })
    await cluster.sees(redisBackups, name, 'Waiting')
    expect((await cluster.find(redisBackups, name))?.['spec']).toMatchObject({ deletionPolicy: 'Retain' })
    await tell(name, { ...TOO_LATE, manifest: null })
    await cluster.end(await cluster.jobNamed('-delete-1', 'often-'), done(2))
    await isGone(name)
    expect(await cluster.told('backup', name)).toContain('ObjectsDeleted')
  })
})

const TOO_LATE = { state: 'Failed', reason: 'DeadlineExceeded', endedAt: '2026-11-01T10:00:00Z' }
const done = (objects: number) => ({ result: 'Done', done: { task: 'DeleteBackup', objects } }) as const

test('a deletion that fails says why while it is tried again, and goes on', async () => {
  await ended('denied', {})
  await cluster.remove(redisBackups, 'denied')
  const fault = { result: 'Failed', fault: 'SecretMissing', message: 'there is no accessKeyId' } as const
  for (const attempt of [1, 2]) {
    await cluster.end(await cluster.jobNamed(`-delete-${attempt}`, 'denied-'), fault)
    const why = { reason: 'SecretMissing', message: fault.message, attempt: attempt + 1 }
    await until('it says why', 30_000, async () => {
      const status = (await cluster.find(redisBackups, 'denied'))?.['status'] as BackupStatus
      return status.attempt === why.attempt && status.reason === why.reason && status.message === why.message
        ? true
        : undefined
    })
    await cluster.restart()
  }
  const third = await cluster.jobNamed('-delete-3', 'denied-')
  expect((await cluster.find(redisBackups, 'denied'))?.['status']).toMatchObject({ reason: 'SecretMissing' })
  // Those before the last one are not kept.
  const first = await cluster.find(jobs, third.metadata.name.replace(/3$/, '1'))
  expect(first === null || first.metadata.deletionTimestamp !== undefined).toBe(true)
  await cluster.end(third, done(4))
  await isGone('denied')
  expect((await cluster.told('backup', 'denied')).slice(-2)).toEqual(['ObjectsDeleted', 'Deleted'])
})

test('uninstalled as the page says, no agent deletes what is stored', async () => {
  await ended('first', {})
  await ended('second', {})
  await cluster.shell('kubectl create namespace other')
  const metadata = { name: 'third', namespace: 'other' }
  const third = { apiVersion: 'slotkeeper.dev/v1beta1', kind: 'RedisBackup', metadata, spec: orders }
  await cluster.shell(`echo '${JSON.stringify(third)}' | kubectl create -f -`)
  await cluster.shell(await entered('uninstall.md', 'delete redisbackupschedules'))
  expect(await cluster.shell(await entered('uninstall.md', 'xargs'))).toMatch(/second patched/)
  // The controller is no part of what runs here.
  const rest = (await entered('uninstall.md', 'POLICY')).split('\n').filter((line) => !line.includes('overlays'))
  const shown = await cluster.shell(rest.join('\n'))
  expect(shown).toMatch(/other +third +Retain/)
  expect(shown).not.toMatch(/(Delete|<none>)\n/)
  expect(shown).toContain('redisbackups.slotkeeper.dev" deleted')
  const agents = await cluster.shell('kubectl get jobs --all-namespaces -o name')
  for (const name of ['first', 'second', 'third']) expect(agents).not.toMatch(new RegExp(`${name}-.*-delete`))
}, 120_000)
