import type { BackupManifest, BackupShard } from '@slotkeeper/backup'
import { commonHeader, type RdbHeader, unpackSlotCounts } from '@slotkeeper/rdb'
import { SLOT_COUNT, type SlotRange } from '@slotkeeper/redis-topology'
import { AgentError } from './agent-error.ts'

/** What the data of one primary are made of. */
export type SeedSources = {
  /** The shards of the backup that are read, in order. */
  readonly sources: readonly BackupShard[]
  /** What its file is to be. */
  readonly header: RdbHeader
  /** How many keys it is to have, by slot. */
  readonly keys: Uint32Array
  readonly has: (slot: number) => boolean
  /** Bytes that its file has at least, and presumably. */
  readonly leastBytes: number
  readonly likelyBytes: number
}

/**
 * Which shards of a backup hold the keys of a primary's slots. A shard without such keys is not read, unless none of
 * the others has functions: then the smallest that has them is, whole, since only its end shows that it is what was stored.
 *
 * @throws AgentError `DataUnreadable` where records of Valkey 9 would stand beside those of Redis 7.4 and later: no server reads both
 */
export function seedSources({ shards }: BackupManifest, slots: readonly SlotRange[]): SeedSources {
  const owned = new Uint8Array(SLOT_COUNT)
  for (const { first, last } of slots) owned.fill(1, first, last + 1)
  const keys = new Uint32Array(SLOT_COUNT)
  const withKeys: BackupShard[] = []
  let [leastBytes, likelyBytes] = [0, 0]
  for (const shard of shards) {
    const { content } = shard
    let taken = 0
    unpackSlotCounts(content.slots).forEach((count, slot) => {
      if (owned[slot] !== 1) return
      keys[slot] = (keys[slot] ?? 0) + count
      taken += count
    })
    if (taken === 0) continue
    withKeys.push(shard)
    // Where a part is taken nobody knows how large the keys are that it has.
    if (taken === content.keys) leastBytes += content.recordBytes
    likelyBytes += Math.ceil((content.recordBytes * taken) / content.keys)
  }
  const sources = withFunctions(shards, withKeys)
  const header = headerOf(sources.length === 0 ? shards : sources)
  return { sources, header, keys, has: (slot) => owned[slot] === 1, leastBytes, likelyBytes }
}

/** With the functions first, as servers write them. */
function withFunctions(all: readonly BackupShard[], chosen: readonly BackupShard[]): readonly BackupShard[] {
  const hasFunctions = ({ content }: BackupShard): boolean => content.functions > 0
  if (chosen.some(hasFunctions)) return chosen
  const [smallest] = all.filter(hasFunctions).toSorted((one, other) => one.bytes - other.bytes)
  return smallest === undefined ? chosen : [smallest, ...chosen]
}

function headerOf(shards: readonly BackupShard[]): RdbHeader {
  if (shards.length === 0) throw new AgentError('ObjectDamaged', 'the backup has no shards')
  const header = commonHeader(shards.map(({ content: { format, version } }) => ({ format, version })))
  if (header !== null) return header
  const names = shards.map(({ shard, content }) => `${shard} (${content.format.toUpperCase()} ${content.version})`)
  throw new AgentError(
    'DataUnreadable',
    `no server reads all of the shards ${names.join(', ')} of the backup in one file`,
  )
}
