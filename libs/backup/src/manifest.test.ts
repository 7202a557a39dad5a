import { packSlotCounts } from '@slotkeeper/rdb'
import { evenRanges, formatRanges } from '@slotkeeper/redis-topology'
import { describe, expect, test } from 'vitest'
import { type BackupManifest, type BackupShard, parseManifest } from './manifest.ts'
import { isNameOfOurs, objectOf, objectOfRecord } from './object-names.ts'
import { refusalOf } from './refusal.ts'

const backup = { namespace: 'shop', name: 'nightly', uid: 'u-1' }
const cluster = { namespace: 'shop', name: 'orders', uid: 'u-2' }

/** How many keys each of these slots has. */
const keysIn = (...slots: readonly number[]): string => {
  const counts = new Uint32Array(16_384)
  for (const slot of slots) counts[slot] = 1
  return packSlotCounts(counts)
}

const shardOf = (shard: number, range: { readonly first: number; readonly last: number }): BackupShard => ({
  shard,
  object: objectOf.shard(backup, shard, 'a1'),
  bytes: 1_000,
  sha256: 'a'.repeat(64),
  slots: formatRanges([range]),
  replicationId: 'b'.repeat(40),
  offset: 17,
  takenFrom: { pod: `orders-${shard}-1`, role: 'replica' },
  content: {
    format: 'redis',
    version: 11,
    keys: 2,
    expiring: 1,
    recordBytes: 100,
    functions: 0,
    functionBytes: 0,
    types: { string: 2 },
    modules: [],
    slots: keysIn(range.first, range.last),
    size: 200,
    checksum: 'c'.repeat(16),
    checksumSaid: true,
    producer: 'valkey 9.1.2',
  },
})

const whole: BackupManifest = {
  kind: 'slotkeeper.dev/backup',
  version: 1,
  backup,
  cluster,
  engine: { engine: 'valkey', version: '9.1.2' },
  consistency: 'shard',
  beganAt: '2026-11-21T10:00:00Z',
  endedAt: '2026-11-21T10:00:05Z',
  spec: { shards: 3 },
  shards: evenRanges(3).map((range, shard) => shardOf(shard, range)),
}

const withShard = (change: (one: BackupShard) => object): object => ({
  ...whole,
  shards: whole.shards.map((one) => (one.shard === 1 ? { ...one, ...change(one) } : one)),
})

test('a manifest is read as it was written, and what a later version adds is left alone', () => {
  expect(parseManifest(JSON.stringify(whole))).toEqual(whole)
  expect(parseManifest(JSON.stringify({ ...whole, later: 1 }))).toEqual(whole)
})

describe('refused, and the field is named', () => {
  const cases: readonly (readonly [string, object, string])[] = [
    ['another kind', { ...whole, kind: 'backup' }, 'kind: '],
    ['a later version', { ...whole, version: 2 }, 'version: '],
    ['no shards', { ...whole, shards: [] }, 'shards: '],
    ['a shard twice', { ...whole, shards: [...whole.shards, whole.shards[0]] }, 'shards: must be numbered'],
    ['a shard missing', { ...whole, shards: whole.shards.slice(0, 2) }, 'no shard has the slots 10923-16383'],
    ['slots of two shards', withShard(() => ({ slots: '5460-10922' })), 'two shards have the same slots'],
    ['slots that are none', withShard(() => ({ slots: '5461-20000' })), 'shards.1.slots: must be slots'],
    ['slots the wrong way round', withShard(() => ({ slots: '10922-5461' })), 'shards.1.slots: must be slots'],
    [
      'keys of another shard',
      withShard(({ content }) => ({ content: { ...content, slots: keysIn(7) } })),
      'shard 1 holds keys',
    ],
    [
      'counts that are none',
      withShard(({ content }) => ({ content: { ...content, slots: 'AA==' } })),
      'shards.1.content.slots: ',
    ],
    [
      'one object for two',
      withShard(() => ({ object: objectOf.shard(backup, 0, 'a1') })),
      'two shards are in one object',
    ],
    ['a hash that is none', withShard(() => ({ sha256: 'xyz' })), 'shards.1.sha256: must be 64 hex digits'],
    ['a count below zero', withShard(() => ({ offset: -1 })), 'shards.1.offset: '],
  ]
  test.each(cases)('%s', (_what, value, message) => {
    expect(() => parseManifest(JSON.stringify(value))).toThrow(message)
  })

  test('no JSON at all', () => {
    expect(() => parseManifest('{')).toThrow('is no JSON')
  })
})

test('who does not load it is told before anything is touched', () => {
  expect(refusalOf(whole, { engine: 'redis', version: '8.0.3' })).toBe(null)
  expect(refusalOf(whole, { engine: 'redis', version: '7.0.15' })).toContain('Redis 7.0.15 does not load REDIS 11')
  const mixed = {
    ...whole,
    shards: whole.shards.map((one) => ({ ...one, content: { ...one.content, version: 10 + (one.shard % 2) } })),
  }
  expect(refusalOf(mixed, { engine: 'redis', version: '7.2.0' })).toBe(null)
  expect(refusalOf(mixed, { engine: 'redis', version: '7.0.15' })).toContain('does not load REDIS 11')
})

test('backups of one name have objects of their own', () => {
  expect(objectOf.manifest(backup)).toBe('shop/nightly/u-1/manifest')
  expect(objectOf.shard({ ...backup, uid: 'u-3' }, 0, 'a1').startsWith(objectOf.all(backup))).toBe(false)
})

test('names of ours are known, and a record names its object', () => {
  const names = [objectOf.manifest(backup), objectOf.shard(backup, 3, '0a'), objectOf.record(backup, 3, '0a')]
  expect(names.filter((one) => !isNameOfOurs(one))).toEqual([])
  expect(['photo.jpg', 'a/b/c/photo.jpg', 'a/b/shard-0-0a.rdb', 'a/b/c/d/manifest'].filter(isNameOfOurs)).toEqual([])
  expect(objectOfRecord(backup, objectOf.record(backup, 3, '0a'))).toBe(objectOf.shard(backup, 3, '0a'))
  expect(objectOfRecord(backup, objectOf.record({ ...backup, uid: 'u-3' }, 3, '0a'))).toBe(null)
  expect(objectOfRecord(backup, objectOf.manifest(backup))).toBe(null)
})
