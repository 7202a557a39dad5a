import type { AgentDone, AgentServer, BackupShard } from '@slotkeeper/backup'
import { unpackSlotCounts } from '@slotkeeper/rdb'
import { AgentError } from './agent-error.ts'
import { infoCount } from './info-count.ts'
import { readManifest } from './read-manifest.ts'
import { seedShard } from './run-seed-shard.ts'
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
 *   for one that was killed; whatever `seedShard` throws
 */
export async function runLoadShard(task: Load, context: TaskContext): Promise<AgentDone> {
  const { manifest: key, sha256, volume, shard, port, maxBytesPerSecond } = task
  const { stored, seeded } = await withStorage(context, { maxBytesPerSecond }, async (store) => {
    const { manifest } = await readManifest(store, key, limitsOf(context), sha256)
    const its = manifest.shards.find((one) => one.shard === shard)
    if (its === undefined) throw new AgentError('ObjectDamaged', `${key} has no shard ${shard}`)
    const alone = { slots: its.slots, epoch: 1, currentEpoch: 1, persistence: 'rdb' } as const
    const filling = { volume, restore: manifest.backup.uid, shard, ...alone }
    return { stored: its, seeded: await seedShard({ task: filling, context, store }, manifest) }
  })
  const server: AgentServer = { pod: 'the server beside the agent', host: '127.0.0.1', port, nodeId: seeded.nodeId }
  const access = { task: { username: 'default', credentials: null }, secrets: context.secrets, signal: context.signal }
  await untilLoaded(task, server, access)
  const { endingHashes = 0 } = seeded
  const expected = [{ shard, server, slots: stored.slots, keys: seeded.keys, endingHashes }]
  const { keys, expired } = await runVerifyRestore({ shards: expected, ...access.task }, context)
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
  const expired = infoCount(info, 'rdb_last_load_keys_expired') + infoCount(info, 'expired_keys')
  const difference = slotDifference(planned, found, { expired, endingHashes })
  if (difference !== null) throw new AgentError('CountsDiffer', `shard ${shard}: ${difference}`)
}
