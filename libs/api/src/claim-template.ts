import { LABEL, labelsOf, shortHash } from './meta.ts'
import type { RedisClusterSpec } from './redis-cluster.ts'

type Storage = NonNullable<RedisClusterSpec['storage']>

/** The restore that a cluster is made of, as in `spec.bootstrap.restore`. */
export type BootstrapRestore = { readonly uid: string; readonly inPlace?: boolean | undefined }

/**
 * The name of the volume of each pod, which its claim begins with: `data`; `data-0` and seven hexadecimal digits for what
 * a restore in place has filled, beside the volumes that the cluster had. No name of a cluster begins with a digit, so
 * that nobody takes these digits for a part of one.
 */
export function volumeName(restore?: BootstrapRestore): string {
  if (restore?.inPlace !== true) return 'data'
  return `data-0${(shortHash(restore.uid) >>> 4).toString(16).padStart(7, '0')}`
}

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
export function claimTemplate(
  cluster: string,
  { size, storageClassName }: Storage,
  restore?: BootstrapRestore,
): DataClaim {
  return {
    metadata: { name: volumeName(restore), labels: labelsOf(cluster) },
    spec: {
      accessModes: ['ReadWriteOnce'],
      resources: { requests: { storage: size } },
      ...(storageClassName === undefined ? {} : { storageClassName }),
    },
  }
}

/** The name that Kubernetes gives the claim of a pod; `volume` is that of `volumeName`. */
export const claimName = (volume: string, cluster: string, shard: number, index: number): string =>
  `${volume}-${cluster}-${shard}-${index}`

/**
 * The claim of one pod as Kubernetes makes it of that template: with the labels that the StatefulSet selects its pods by.
 * Whoever makes it first gives it no owner: what owns a claim takes the data away when it is deleted. A claim that exists
 * is never made anew, nor changed.
 *
 * @param index the pod's ordinal in its shard
 */
export function claimOf(
  { cluster, storage, restore }: { cluster: string; storage: Storage; restore?: BootstrapRestore | undefined },
  shard: number,
  index: number,
): DataClaim {
  const { metadata, spec } = claimTemplate(cluster, storage, restore)
  return {
    metadata: {
      name: claimName(metadata.name, cluster, shard, index),
      labels: { ...metadata.labels, [LABEL.shard]: String(shard) },
    },
    spec,
  }
}
