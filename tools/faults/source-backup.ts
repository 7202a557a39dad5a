import { LABEL } from '@slotkeeper/api'
import { redisBackups, redisBackupStorages } from '@slotkeeper/k8s'
import { BackupStage } from '../promises/backup-stage.ts'
import type { Stage } from '../promises/stage.ts'

/** The backup that clusters of trials are restored from. */
export type SourceBackup = {
  readonly backups: BackupStage
  /** Of the RedisBackup. */
  readonly name: string
  /** How many keys are in it: those that `BackupStage.fill` sets first. */
  readonly keys: number
}

const NAME = 'source'
const KEYS = 400
/** Another number than that of any cluster that is restored from it. */
const SHARDS = 4

/** Forms a cluster, fills it, backs it up into an S3 server of the namespace, and deletes it with its volumes. */
export async function makeSourceBackup(stage: Stage): Promise<SourceBackup> {
  const backups = await BackupStage.open(stage)
  await stage.create(NAME, { shards: SHARDS, replicasPerShard: 0, storage: { size: '64Mi' } })
  await backups.storage('archive', backups.s3Spec())
  await stage.healthy(NAME)
  await backups.fill(NAME, KEYS)
  await backups.inState(redisBackupStorages, 'archive', 'Usable')
  await backups.backup(NAME, NAME)
  await backups.inState(redisBackups, NAME, 'Completed')
  await stage.remove(NAME)
  await stage.kubectl('delete', 'pvc', '-l', `${LABEL.cluster}=${NAME}`, '--wait=false')
  return { backups, name: NAME, keys: KEYS }
}
