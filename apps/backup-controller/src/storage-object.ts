import { redisBackupStorageSpec, type RedisBackupStorageSpec } from '@slotkeeper/api'
import type { Obj } from '@slotkeeper/controller'
import { parseObject } from '@slotkeeper/controller-host'
import type { StorageStatus } from '@slotkeeper/events'
import type { KubeObject } from '@slotkeeper/k8s'

/** A RedisBackupStorage as this controller works with it. */
export type StorageObject = Obj<RedisBackupStorageSpec, StorageStatus>

/** Reads a RedisBackupStorage. */
export const parseStorage = (object: KubeObject): StorageObject =>
  parseObject<RedisBackupStorageSpec, StorageStatus>(object, (spec) => redisBackupStorageSpec.parse(spec))

/** The bucket, the container or the volume, for people. */
export function whereIs({ s3, azure, filesystem }: RedisBackupStorageSpec): string {
  if (azure !== undefined) return `azure://${azure.account}/${azure.container}/${azure.prefix}`
  if (s3 !== undefined) return `s3://${s3.bucket}/${s3.prefix}`
  return `the volume ${filesystem?.claimName}${filesystem?.path === '' ? '' : `, ${filesystem?.path}`}`
}
