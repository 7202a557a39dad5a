import { expect, test } from 'vitest'
import { reads } from './reader-of.ts'

const NOW = Date.parse('2026-11-22T10:00:00Z')
const AGO = (minutes: number): string => new Date(NOW - minutes * 60_000).toISOString()
const MANIFEST = 'shop/nightly/backup-1/manifest'
const backup = { name: 'nightly', storage: 'archive', manifest: MANIFEST }
const storage = (name: string, spec: object) => ({ apiVersion: 'v1', kind: 'S', metadata: { name }, spec })
const storages = [
  storage('archive', { s3: { bucket: 'backups' } }),
  storage('same', { s3: { bucket: 'backups', endpoint: 'http://inside' } }),
  storage('elsewhere', { s3: { bucket: 'copies' } }),
  storage('azure', { azure: { account: 'a', container: 'backups' } }),
]
const restore = (source: object, status?: object, minutes = 5) => ({
  apiVersion: 'v1',
  kind: 'RedisRestore',
  metadata: { name: 'reader', creationTimestamp: AGO(minutes) },
  spec: { source, deadlineSeconds: 600 },
  ...(status === undefined ? {} : { status }),
})
const byName = { backup: { name: 'nightly' } }
const stored = (storageName: string, manifest = MANIFEST) => ({ stored: { storageName, manifest } })

test.each([
  ['by its name', byName, true],
  ['of another name', { backup: { name: 'other' } }, false],
  ['by its manifest', stored('archive'), true],
  ['by another manifest', stored('archive', 'shop/nightly/backup-0/manifest'), false],
  ['by its manifest, through another storage over the same bucket', stored('same'), true],
  ['by its manifest, through a storage that is not there', stored('gone'), true],
  ['a copy of it in another bucket', stored('elsewhere'), false],
  ['a copy of it on Azure', stored('azure'), false],
  ['a running cluster', { cluster: { name: 'orders', storageName: 'archive' } }, false],
])('a restore %s', (_how, source, expected) => {
  expect(reads(restore(source), backup, storages, NOW)).toBe(expected)
})

test('without a manifest nothing stored is meant', () => {
  const { manifest: _manifest, ...unsealed } = backup
  expect(reads(restore({ cluster: { name: 'orders' } }), unsealed, storages, NOW)).toBe(false)
})

test('one that nobody looks after is waited for until its own deadline, one that is looked after until it has ended', () => {
  expect(reads(restore(byName, undefined, 9), backup, storages, NOW)).toBe(true)
  expect(reads(restore(byName, undefined, 11), backup, storages, NOW)).toBe(false)
  expect(reads(restore(byName, { state: 'Seeding' }, 11), backup, storages, NOW)).toBe(true)
  expect(reads(restore(byName, { state: 'Failed' }, 1), backup, storages, NOW)).toBe(false)
})
