import { redisClusterSpec, type RedisClusterSpec } from '@slotkeeper/api'
import type { Obj } from '@slotkeeper/controller'
import { parseObject } from '@slotkeeper/controller-host'
import type { ClusterStatus } from '@slotkeeper/events'
import type { KubeObject } from '@slotkeeper/k8s'

/** A RedisCluster as this controller works with it. */
export type ClusterObject = Obj<RedisClusterSpec, ClusterStatus>

/** Reads a RedisCluster. The schema of the API server has checked the spec; defaults are filled in again for old objects. */
export function parseCluster(object: KubeObject): ClusterObject {
  return parseObject<RedisClusterSpec, ClusterStatus>(object, (spec) => redisClusterSpec.parse(spec))
}
