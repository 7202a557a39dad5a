import { redisRestoreSpec, type RedisRestoreSpec } from '@slotkeeper/api'
import type { Obj } from '@slotkeeper/controller'
import { parseObject } from '@slotkeeper/controller-host'
import type { RestoreStatus } from '@slotkeeper/events'
import type { KubeObject } from '@slotkeeper/k8s'

/** A RedisRestore as this controller works with it. */
export type RestoreObject = Obj<RedisRestoreSpec, RestoreStatus>

/** Reads a RedisRestore. */
export const parseRestore = (object: KubeObject): RestoreObject =>
  parseObject<RedisRestoreSpec, RestoreStatus>(object, (spec) => redisRestoreSpec.parse(spec))

/** What is restored, for people. */
export function sourceInWords({ source }: RedisRestoreSpec): string {
  const { backup, stored, cluster, server } = source
  if (server !== undefined) return `the server ${server.address}`
  if (cluster !== undefined) return `RedisCluster ${cluster.name}`
  return backup === undefined ? `${stored?.manifest} in ${stored?.storageName}` : `RedisBackup ${backup.name}`
}
