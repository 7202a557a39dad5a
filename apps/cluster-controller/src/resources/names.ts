import { internalSecretOf, labelsOf } from '@slotkeeper/api'

/** Whose objects these are. */
export type ClusterRef = { readonly namespace: string; readonly name: string; readonly uid: string }

/** The names of a cluster's objects. */
export const nameOf = {
  shard: (name: string, shard: number): string => `${name}-${shard}`,
  pod: (name: string, shard: number, index: number): string => `${name}-${shard}-${index}`,
  client: (name: string): string => name,
  headless: (name: string): string => `${name}-nodes`,
  config: (name: string): string => `${name}-config`,
  /** A pod's name in the cluster's DNS; like an address of the pod, it is there before the pod is ready. */
  podHost: (cluster: ClusterRef, shard: number, index: number): string =>
    `${cluster.name}-${shard}-${index}.${cluster.name}-nodes.${cluster.namespace}.svc`,
  members: (name: string): string => `${name}-members`,
  auth: (name: string): string => `${name}-auth`,
  internal: internalSecretOf,
  connection: (name: string): string => `${name}-connection`,
} as const

/** Metadata of an object that the cluster owns. */
export function ownedMeta(
  cluster: ClusterRef,
  name: string,
): { readonly [key: string]: unknown; readonly name: string; readonly namespace: string } {
  return {
    name,
    namespace: cluster.namespace,
    labels: labelsOf(cluster.name),
    ownerReferences: [
      {
        apiVersion: 'slotkeeper.dev/v1beta1',
        kind: 'RedisCluster',
        name: cluster.name,
        uid: cluster.uid,
        controller: true,
        blockOwnerDeletion: true,
      },
    ],
  }
}
