import type { AgentDone, AgentServer, BackupShard } from '@slotkeeper/backup'
import { unpackSlotCounts } from '@slotkeeper/rdb'
import { AgentError } from './agent-error.ts'
import { readManifest } from './read-manifest.ts'
import { runSeedShard } from './run-seed-shard.ts'
import { runVerifyRestore } from './run-verify-restore.ts'
import { askServer, type ServerAccess } from './server-access.ts'
import { untilLoaded } from './scratch-server.ts'
import { slotDifference } from './slot-difference.ts'
import { limitsOf, type TaskContext, type TaskOf, withStorage } from './task-context.ts'

type Load = TaskOf<'LoadShard'>

/** What a pipeline takes at once. */
const SLOTS_AT_ONCE = 2_048

/**
 * Fills a volume with one shard of a backup as a restore does, waits until the server beside this agent has loaded it, and
 * compares what that has with the manifest: who it is, its slots, and the keys of each of them.
 *
 * @throws AgentError `CountsDiffer`; `DataUnreadable` with the end of the log of a server that would not load it; `Interrupted`
 *   for one that was killed; whatever `runSeedShard` throws
 */
export async function runLoadShard(task: Load, context: TaskContext): Promise<AgentDone> {
  const { manifest: key, sha256, volume, shard, port, maxBytesPerSecond } = task
  const limits = limitsOf(context)
  const { manifest } = await withStorage(context, {}, (store) => readManifest(store, key, limits, sha256))
  const stored = manifest.shards.find((one) => one.shard === shard)
  if (stored === undefined) throw new AgentError('ObjectDamaged', `${key} has no shard ${shard}`)
  const { slots } = stored
  const epochs = { epoch: 1, currentEpoch: 1 }
  const seed = { manifest: key, sha256, volume, restore: manifest.backup.uid, shard, slots, ...epochs }
  const pace = maxBytesPerSecond === undefined ? {} : { maxBytesPerSecond }
  const seeded = await runSeedShard({ type: 'SeedShard', ...seed, persistence: 'rdb', ...pace }, context)
  if (seeded.task !== 'SeedShard') throw new Error(`seeding ended as ${seeded.task}`)
  const server: AgentServer = { pod: 'the server beside the agent', host: '127.0.0.1', port, nodeId: seeded.nodeId }
  const access = { task: { username: 'default', credentials: null }, secrets: context.secrets, signal: context.signal }
  await untilLoaded(task, server, access)
  const { endingHashes = 0 } = seeded
  const expected = [{ shard, server, slots, keys: seeded.keys, endingHashes }]
  const verified = await runVerifyRestore({ shards: expected, ...access.task }, context)
  if (verified.task !== 'VerifyRestore') throw new Error(`asking ended as ${verified.task}`)
  const { keys, expired } = verified
  await compareSlots(stored, { server, endingHashes }, access)
  return { task: 'LoadShard', shard, keys, expired }
}

/** Every slot has as many keys as the manifest says, but for those whose time was over. */
async function compareSlots(
  { shard, content }: BackupShard,
  { server, endingHashes }: { readonly server: AgentServer; readonly endingHashes: number },
  access: ServerAccess,
): Promise<void> {
  const planned = unpackSlotCounts(content.slots)
  const found: number[] = []
  while (found.length < planned.length) {
    const count = Math.min(SLOTS_AT_ONCE, planned.length - found.length)
    const words = Array.from({ length: count }, (_, index) => [
      'CLUSTER',
      'COUNTKEYSINSLOT',
      String(found.length + index),
    ])
    found.push(...(await askServer(server, access, words)).map(Number))
  }
  // Asked last: what went while the slots were counted is in it.
  const [info = ''] = await askServer(server, access, [['INFO', 'persistence', 'stats']])
  const expired = countOf(info, 'rdb_last_load_keys_expired') + countOf(info, 'expired_keys')
  const difference = slotDifference(planned, found, { expired, endingHashes })
  if (difference !== null) throw new AgentError('CountsDiffer', `shard ${shard}: ${difference}`)
}

const countOf = (info: string, name: string): number => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1] ?? 0)
