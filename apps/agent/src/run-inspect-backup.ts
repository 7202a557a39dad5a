import { type AgentDone, type BackupShard, refusalOf } from '@slotkeeper/backup'
import { checkObject } from './check-object.ts'
import { readManifest } from './read-manifest.ts'
import { limitsOf, type TaskContext, type TaskOf, withStorage } from './task-context.ts'

/**
 * Reads the manifest of a backup and tells what is in it. Every object that it names must be there with its size; what is in
 * them is read by those who need it.
 */
export function runInspectBackup(
  { manifest: key, target }: TaskOf<'InspectBackup'>,
  context: TaskContext,
): Promise<AgentDone> {
  return withStorage(context, {}, async (store) => {
    const limits = limitsOf(context)
    const { manifest, sha256 } = await readManifest(store, key, limits)
    for (const shard of manifest.shards) await checkObject(store, shard, limits)
    const sum = (of: (shard: BackupShard) => number): number =>
      manifest.shards.reduce((total, shard) => total + of(shard), 0)
    const { backup, cluster, engine, consistency, beganAt, endedAt, spec, shards } = manifest
    return {
      task: 'InspectBackup',
      sha256,
      backup,
      cluster,
      engine,
      consistency,
      beganAt,
      endedAt,
      shards: shards.length,
      bytes: sum(({ bytes }) => bytes),
      size: sum(({ content }) => content.size),
      keys: sum(({ content }) => content.keys),
      expiring: sum(({ content }) => content.expiring),
      refusal: refusalOf(manifest, target ?? engine),
      // What was taken of other servers is of no RedisCluster.
      spec: Object.keys(spec).length === 0 ? null : spec,
    }
  })
}
