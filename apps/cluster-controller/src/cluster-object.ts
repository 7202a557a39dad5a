import { redisClusterSpec, type RedisClusterSpec } from '@slotkeeper/api'
import type { Obj, StatusOf } from '@slotkeeper/controller'
import type { ClusterStatus } from '@slotkeeper/events'
import type { KubeObject } from '@slotkeeper/k8s'

/** A RedisCluster as this controller works with it. */
export type ClusterObject = Obj<RedisClusterSpec, ClusterStatus>

/** Reads a RedisCluster. The schema of the API server has checked the spec; defaults are filled in again for old objects. */
export function parseCluster(object: KubeObject): ClusterObject {
  const { metadata } = object
  const status = object['status'] as StatusOf<ClusterStatus> | undefined
  return {
    metadata: {
      namespace: metadata.namespace ?? '',
      name: metadata.name,
      uid: metadata.uid ?? '',
      resourceVersion: metadata.resourceVersion ?? '',
      generation: metadata.generation ?? 0,
      finalizers: metadata.finalizers ?? [],
      ...(metadata.deletionTimestamp === undefined ? {} : { deletionTimestamp: metadata.deletionTimestamp }),
      ...(metadata.annotations === undefined ? {} : { annotations: metadata.annotations }),
    } as ClusterObject['metadata'] & { readonly finalizers: readonly string[] },
    spec: redisClusterSpec.parse(object['spec']),
    status: status === undefined || Object.keys(status).length === 0 ? null : { ...status, state: status.state ?? '' },
  }
}

/** The finalizers of an object that `parseCluster` read. */
export function finalizersOf(object: ClusterObject): readonly string[] {
  return (object.metadata as { readonly finalizers?: readonly string[] }).finalizers ?? []
}
