import { unpackSlotCounts } from '@slotkeeper/rdb'
import { formatRanges, parseRanges, SLOT_COUNT, slotCount, uncovered } from '@slotkeeper/redis-topology'
import { z } from 'zod'
import { strangeSlots } from './strange-slots.ts'

const count = z.int().nonnegative()
const name = z.string().min(1)
/** A number of hexadecimal digits. */
export const hex = (digits: number) =>
  z.string().regex(new RegExp(`^[0-9a-f]{${digits}}$`), `must be ${digits} hex digits`)
/** Slots in words; what is none ends the reading, for what comes after relies on them. */
export const slots = z.string().refine(isSlots, { error: 'must be slots, as 0-5460,5462', abort: true })
/** Names an object of Kubernetes: names may come back, the uid does not. */
export const reference = z.object({ namespace: name, name, uid: name })

const content = z.object({
  format: z.enum(['redis', 'valkey']),
  version: count,
  keys: count,
  expiring: count,
  recordBytes: count,
  functions: count,
  functionBytes: count,
  types: z.record(z.string(), count),
  modules: z.array(z.string()),
  slots: z.string().refine(isSlotCounts, { error: 'must be the keys of all slots', abort: true }),
  size: count,
  checksum: hex(16),
  checksumSaid: z.boolean(),
  producer: z.string().nullable(),
})

/** What a manifest says of one shard. */
export const backupShard = z.object({
  shard: count,
  /** The object in the storage, its size and the SHA-256 of it as it is stored. */
  object: name,
  bytes: count,
  sha256: hex(64),
  slots,
  replicationId: hex(40),
  offset: count,
  takenFrom: z.object({ pod: name, role: z.enum(['primary', 'replica']) }),
  content,
})

/** What the servers were, as `valkey` and `9.1.2`. */
export const engine = z.object({
  engine: z.enum(['redis', 'valkey']),
  version: z.string().regex(/^\d+\.\d+(\.\d+)?$/, 'must be a version, as 9.1 or 9.1.2'),
})

/** Written last: what has no manifest is no backup. Fields are only ever added; what is unknown is left alone. */
const manifest = z
  .object({
    kind: z.literal('slotkeeper.dev/backup'),
    version: z.literal(1),
    backup: reference,
    cluster: reference,
    engine,
    /** `cluster`: all shards at one moment; `shard`: each at a moment of its own. */
    consistency: z.enum(['shard', 'cluster']),
    beganAt: z.iso.datetime(),
    endedAt: z.iso.datetime(),
    /** The spec of the cluster as it was. */
    spec: z.record(z.string(), z.unknown()),
    shards: z.array(backupShard).min(1),
  })
  .superRefine(({ shards }, context) => {
    for (const message of faultsOf(shards)) context.addIssue({ code: 'custom', path: ['shards'], message })
  })

/** What a backup is made of, as it is kept beside its objects. It holds no secret. */
export type BackupManifest = z.infer<typeof manifest>

/** One shard of a backup. */
export type BackupShard = z.infer<typeof backupShard>

/** Why something is no manifest that can be relied on. */
export class ManifestError extends Error {
  override readonly name = 'ManifestError'
}

/**
 * Reads a manifest. Beyond its fields it must make sense: every slot in one shard, every key in a slot of its shard.
 *
 * @throws ManifestError that names the field
 */
export function parseManifest(text: string): BackupManifest {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new ManifestError('the manifest of the backup is no JSON')
  }
  const { success, data, error } = manifest.safeParse(value)
  if (success) return data
  const [first] = error.issues
  const where = first?.path.map(String).join('.')
  throw new ManifestError(`the manifest of the backup: ${where === '' ? '' : `${where}: `}${first?.message}`)
}

function faultsOf(shards: readonly BackupShard[]): readonly string[] {
  const owned = shards.map((one) => parseRanges(one.slots))
  const missing = uncovered(owned.flat())
  const total = slotCount(owned.flat())
  return [
    ...(shards.some((one, index) => one.shard !== index) ? ['must be numbered from 0 on'] : []),
    ...(new Set(shards.map((one) => one.object)).size < shards.length ? ['two shards are in one object'] : []),
    ...(missing.length > 0 ? [`no shard has the slots ${formatRanges(missing)}`] : []),
    ...(missing.length === 0 && total > SLOT_COUNT ? ['two shards have the same slots'] : []),
    ...shards.filter((one, index) => strangeSlots(one.content, owned[index] ?? []).length > 0).map(strangeKeys),
  ]
}

const strangeKeys = ({ shard: number }: BackupShard): string =>
  `shard ${number} holds keys of slots that it does not have`

function isSlots(text: string): boolean {
  if (!/^(\d+(-\d+)?(,\d+(-\d+)?)*)?$/.test(text)) return false
  return parseRanges(text).every(({ first, last }) => first <= last && last < SLOT_COUNT)
}

function isSlotCounts(text: string): boolean {
  try {
    return unpackSlotCounts(text).length === SLOT_COUNT
  } catch {
    return false
  }
}
