import { redisBackupSpec, type RedisBackupSpec } from '@slotkeeper/api'
import type { Obj } from '@slotkeeper/controller'
import { parseObject } from '@slotkeeper/controller-host'
import type { BackupStatus } from '@slotkeeper/events'
import type { KubeObject } from '@slotkeeper/k8s'

/** A RedisBackup as this controller works with it. */
export type BackupObject = Obj<RedisBackupSpec, BackupStatus>

/** Reads a RedisBackup. */
export const parseBackup = (object: KubeObject): BackupObject =>
  parseObject<RedisBackupSpec, BackupStatus>(object, (spec) => redisBackupSpec.parse(spec))
