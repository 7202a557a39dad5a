import type { BackupManifest, BackupShard } from '@slotkeeper/backup'
import { packSlotCounts } from '@slotkeeper/rdb'
import { parseRanges } from '@slotkeeper/redis-topology'
import { expect, test } from 'vitest'
import { seedSources } from './seed-sources.ts'

/** A shard with so many keys in each of some slots. */
function shardOf(shard: number, keys: Readonly<Record<number, number>>, more: Partial<BackupShard['content']> = {}) {
  const counts = new Uint32Array(16_384)
  for (const [slot, count] of Object.entries(keys)) counts[Number(slot)] = count
  const total = Object.values(keys).reduce((sum, count) => sum + count, 0)
  const content = { format: 'redis', version: 11, keys: total, recordBytes: 1_000, functions: 0 }
  return {
    shard,
    bytes: 900 - shard,
    content: { ...content, slots: packSlotCounts(counts), ...more },
  } as BackupShard
}

const sourcesFor = (slots: string, ...shards: readonly BackupShard[]) => {
  const { sources, ...rest } = seedSources({ shards } as BackupManifest, parseRanges(slots))
  return { read: sources.map(({ shard }) => shard), ...rest }
}

const three: readonly [BackupShard, BackupShard, BackupShard] = [
  shardOf(0, { 5: 4, 90: 6 }),
  shardOf(1, { 100: 1 }),
  shardOf(2, { 200: 2, 300: 2 }),
]

test('only shards with keys of the slots are read, and it is known what the file must hold', () => {
  const found = sourcesFor('0-89,200-400', ...three)
  expect(found).toMatchObject({ read: [0, 2], header: { format: 'redis', version: 11 } })
  expect(Array.from(found.keys.entries()).filter(([, count]) => count > 0)).toEqual([
    [5, 4],
    [200, 2],
    [300, 2],
  ])
  expect([5, 89, 90, 199, 200].filter(found.has)).toEqual([5, 89, 200])
  // All of the last one, and four of ten keys of the first, of which nobody knows how large they are.
  expect([found.leastBytes, found.likelyBytes]).toEqual([1_000, 1_400])
})

test('functions come from somewhere, though no key does', () => {
  const functions = { functions: 2 }
  const [zero, one, two] = three
  const with1 = shardOf(1, { 100: 1 }, functions)
  expect(sourcesFor('0-99', zero, with1, two).read).toEqual([1, 0])
  expect(sourcesFor('100', zero, with1, two).read).toEqual([1])
  expect(sourcesFor('16000', zero, with1, shardOf(2, { 200: 2 }, functions)).read).toEqual([2])
  expect(sourcesFor('16000', zero, one, two)).toMatchObject({ read: [], header: { version: 11 }, leastBytes: 0 })
})

test('shards of different RDB versions meet in a file of the latest', () => {
  const later = shardOf(1, { 100: 1 }, { version: 12 })
  expect(sourcesFor('0-200', three[0], later)).toMatchObject({ read: [0, 1], header: { version: 12 } })
  expect(sourcesFor('5', three[0], later)).toMatchObject({ read: [0], header: { version: 11 } })
  const other = shardOf(2, { 200: 1 }, { format: 'valkey', version: 80 })
  expect(sourcesFor('0-99,200', three[0], later, other)).toMatchObject({ header: { format: 'valkey', version: 80 } })
  expect(() => sourcesFor('0-200', three[0], later, other)).toThrow(
    expect.objectContaining({
      fault: 'DataUnreadable',
      message: expect.stringContaining('0 (REDIS 11), 1 (REDIS 12), 2 (VALKEY 80)'),
    }),
  )
})
