import type { AgentReport } from '@slotkeeper/backup'
import { run } from '@slotkeeper/controller-host'
import { persistentVolumeClaims, redisBackups, redisBackupStorages, redisRestores } from '@slotkeeper/k8s'
import { PlayedCluster, until } from '@slotkeeper/testing'
import { readConfig } from '../src/config.ts'
import { restoreApp } from '../src/restore-app.ts'

/** The manifest of the backup `nightly`. */
export const manifest = 'shop/nightly/uid/manifest'
/** When all was well already. */
export const since = '2026-11-22T10:00:00Z'
/** A condition of what serves. */
export const ready = {
  type: 'Ready',
  status: 'True',
  reason: 'Healthy',
  message: 'all is well',
  lastTransitionTime: since,
}

/** What an agent says that has done its task. */
export const done = (report: object): AgentReport => ({ result: 'Done', done: report as never })
/** What it says of the backup `nightly`. */
export const inspected = done({
  task: 'InspectBackup',
  sha256: 'b'.repeat(64),
  backup: { namespace: 'shop', name: 'nightly', uid: 'uid' },
  cluster: { namespace: 'shop', name: 'orders', uid: 'old' },
  engine: { engine: 'valkey', version: '9.1.2' },
  consistency: 'shard',
  beganAt: since,
  endedAt: since,
  shards: 3,
  bytes: 300,
  size: 900,
  keys: 30,
  expiring: 0,
  refusal: null,
  spec: { version: 'valkey-9.1', shards: 3, storage: { size: '1Gi' } },
})
/** The node that a shard's volume was filled for. */
export const nodeOf = (shard: number): string => `${shard}`.padStart(40, 'a')
/** What an agent says that has filled a shard's volume. */
export const seeded = (shard: number): AgentReport =>
  done({ task: 'SeedShard', shard, nodeId: nodeOf(shard), keys: 10, expiring: 0, size: 300 })

/** A restore controller, with a storage that is usable and a backup in it that is completed. */
export class RestoreStage {
  readonly cluster: PlayedCluster

  private constructor(cluster: PlayedCluster) {
    this.cluster = cluster
  }

  /** Starts it. */
  static async start(): Promise<RestoreStage> {
    const cluster = await PlayedCluster.start('slotkeeper-restore-controller', (env, lent) =>
      run(restoreApp, { ...lent, config: readConfig(env) }),
    )
    const encryption = { secretName: 'keys', currentKey: 'first' }
    await cluster.create(redisBackupStorages, 'archive', { s3: { bucket: 'backups' }, encryption })
    const checked = { checkedGeneration: 1, conditions: [{ ...ready, reason: 'Usable' }] }
    await cluster.tell(redisBackupStorages, 'archive', { state: 'Usable', ...checked })
    await cluster.create(redisBackups, 'nightly', { cluster: { name: 'orders' }, storageName: 'archive' })
    await cluster.tell(redisBackups, 'nightly', { state: 'Completed', endedAt: since, manifest })
    return new RestoreStage(cluster)
  }

  /** Creates a RedisRestore of the backup; gives its uid. */
  async restore(name: string, target: object): Promise<string> {
    const spec = { source: { backup: { name: 'nightly' } }, target }
    return (await this.cluster.create(redisRestores, name, spec)).metadata.uid ?? ''
  }

  /** Waits until there is, or is no longer, a claim of that name; gives the uid of the restore that made it. */
  claimOf(name: string, isThere: boolean): Promise<string> {
    return until(`the claim ${name}`, 60_000, async () => {
      const found = await this.cluster.find(persistentVolumeClaims, name)
      // What protects a claim that is in use is not played.
      if (found === null || found.metadata.deletionTimestamp !== undefined) return isThere ? undefined : ''
      return isThere ? (found.metadata.annotations?.['slotkeeper.dev/restored-by'] ?? 'nobody') : undefined
    })
  }
}
