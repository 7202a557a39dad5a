import { hash } from '@slotkeeper/annotation-hash'
import { ANNOTATION, busPort, CLIENT_PORT, LABEL, type RedisClusterSpec } from '@slotkeeper/api'
import type { RestoredStatus } from '@slotkeeper/events'
import { nameOf, ownedMeta, type ClusterRef } from './names.ts'
import { redisConf } from './redis-conf.ts'
import { scripts } from './scripts.ts'
import { shardStatefulSet, type PodSettings } from './stateful-set.ts'

/** An object as we apply it. */
export type WantedObject = {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace: string; readonly [key: string]: unknown }
  readonly [key: string]: unknown
}

/** What the members ConfigMap records, once the cluster was formed. */
export type MembersRecord = {
  readonly formedAt: string
  readonly nodes: Readonly<Record<string, string>>
  readonly addresses: Readonly<Record<string, string>>
  /** The restore in place with whose data it was whole. */
  readonly restored?: RestoredStatus
}

/**
 * Every object that a cluster wants, Secrets aside, in the order in which they are applied. The client Service appears
 * when the cluster is formed: until then nothing may find the servers by name.
 */
export function wantedObjects(
  cluster: ClusterRef,
  spec: RedisClusterSpec,
  members: MembersRecord | null,
  settings: PodSettings,
): readonly WantedObject[] {
  const shards = Array.from({ length: spec.shards }, (_, shard) => shard)
  const objects: WantedObject[] = [
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: ownedMeta(cluster, nameOf.config(cluster.name)),
      data: { 'redis.conf': redisConf(spec, cluster.uid), peers: peersFile(cluster, spec), ...scripts },
    },
    headlessService(cluster),
    ...shards.map((shard) => shardStatefulSet(cluster, spec, shard, settings)),
    ...budgets(cluster, spec),
  ]
  if (members !== null) {
    const data = {
      formedAt: members.formedAt,
      nodes: JSON.stringify(members.nodes),
      addresses: JSON.stringify(members.addresses),
      ...(members.restored === undefined ? {} : { restored: JSON.stringify(members.restored) }),
    }
    objects.push({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: ownedMeta(cluster, nameOf.members(cluster.name)),
      data,
    })
    objects.push(clientService(cluster, spec))
  }
  return objects.map(withHash)
}

/** The names of all pods, a line each: where a server finds the others whose addresses have changed. */
function peersFile(cluster: ClusterRef, spec: RedisClusterSpec): string {
  const members = Array.from({ length: spec.replicasPerShard + 1 }, (_, index) => index)
  const shards = Array.from({ length: spec.shards }, (_, shard) => shard)
  return shards.flatMap((shard) => members.map((index) => `${nameOf.podHost(cluster, shard, index)}\n`)).join('')
}

function withHash(object: WantedObject): WantedObject {
  const annotations = {
    ...(object.metadata['annotations'] as Record<string, string> | undefined),
    [ANNOTATION.specHash]: hash(object),
  }
  return { ...object, metadata: { ...object.metadata, annotations } }
}

function headlessService(cluster: ClusterRef): WantedObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: ownedMeta(cluster, nameOf.headless(cluster.name)),
    spec: {
      clusterIP: 'None',
      publishNotReadyAddresses: true,
      selector: { [LABEL.cluster]: cluster.name },
      ports: [
        { name: 'redis', port: CLIENT_PORT, targetPort: 'redis' },
        { name: 'bus', port: busPort(cluster.uid), targetPort: 'bus' },
      ],
    },
  }
}

function clientService(cluster: ClusterRef, spec: RedisClusterSpec): WantedObject {
  const meta = ownedMeta(cluster, nameOf.client(cluster.name))
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      ...meta,
      ...(spec.service?.annotations === undefined ? {} : { annotations: spec.service.annotations }),
    },
    spec: {
      type: spec.service?.type ?? 'ClusterIP',
      selector: { [LABEL.cluster]: cluster.name },
      ports: [{ name: 'redis', port: CLIENT_PORT, targetPort: 'redis' }],
    },
  }
}

function budgets(cluster: ClusterRef, spec: RedisClusterSpec): readonly WantedObject[] {
  const mode = spec.podDisruptionBudget?.mode ?? 'Shard'
  const budget = (name: string, matchLabels: Record<string, string>): WantedObject => ({
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: ownedMeta(cluster, name),
    spec: { maxUnavailable: 1, unhealthyPodEvictionPolicy: 'IfHealthyBudget', selector: { matchLabels } },
  })
  if (mode === 'Disabled') return []
  if (mode === 'Cluster') return [budget(cluster.name, { [LABEL.cluster]: cluster.name })]
  return Array.from({ length: spec.shards }, (_, shard) =>
    budget(nameOf.shard(cluster.name, shard), { [LABEL.cluster]: cluster.name, [LABEL.shard]: String(shard) }),
  )
}
