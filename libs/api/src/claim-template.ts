import { LABEL, labelsOf } from './meta.ts'
import type { RedisClusterSpec } from './redis-cluster.ts'

type Storage = NonNullable<RedisClusterSpec['storage']>

/** A PersistentVolumeClaim, what of it is asked for. */
export type DataClaim = {
  readonly metadata: { readonly name: string; readonly labels: Readonly<Record<string, string>> }
  readonly spec: {
    readonly accessModes: readonly string[]
    readonly resources: { readonly requests: { readonly storage: string } }
    readonly storageClassName?: string
  }
}

/** The template by which the StatefulSets of a cluster claim the volume of each pod. */
export function claimTemplate(cluster: string, { size, storageClassName }: Storage): DataClaim {
  return {
    metadata: { name: 'data', labels: labelsOf(cluster) },
    spec: {
      accessModes: ['ReadWriteOnce'],
      resources: { requests: { storage: size } },
      ...(storageClassName === undefined ? {} : { storageClassName }),
    },
  }
}

/**
 * The claim of one pod as Kubernetes makes it of that template: with the labels that the StatefulSet selects its pods by.
 * Whoever makes it first gives it no owner: what owns a claim takes the data away when it is deleted. A claim that exists
 * is never made anew, nor changed.
 *
 * @param index the pod's ordinal in its shard
 */
export function claimOf(cluster: string, storage: Storage, shard: number, index: number): DataClaim {
  const { metadata, spec } = claimTemplate(cluster, storage)
  return {
    metadata: {
      name: `${metadata.name}-${cluster}-${shard}-${index}`,
      labels: { ...metadata.labels, [LABEL.shard]: String(shard) },
    },
    spec,
  }
}
