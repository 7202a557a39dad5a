import { hash } from '@slotkeeper/annotation-hash'
import {
  ANNOTATION,
  busPort,
  CATALOGUE,
  CLIENT_PORT,
  claimTemplate,
  defined,
  LABEL,
  labelsOf,
  podSecurityContext,
  type RedisClusterSpec,
  volumeName,
} from '@slotkeeper/api'
import { nameOf, ownedMeta, type ClusterRef } from './names.ts'

const NODE = 'kubernetes.io/hostname'
const ZONE = 'topology.kubernetes.io/zone'

/** The image of the servers: the catalogue's, or the one that was named. */
export function imageOf(spec: RedisClusterSpec): string {
  return spec.image ?? CATALOGUE[spec.version ?? 'valkey-9.1']
}

/**
 * Hash of what the user asked of a pod, and of nothing of ours: a new version of the controller must never make a
 * running pod look outdated.
 */
export function podHash(spec: RedisClusterSpec): string {
  const { resources, pod, imagePullSecrets, spread, bootstrap } = spec
  // Only of one that was told to since: others are as they were, whichever version of ours has made them.
  const { adoptVolumes, discardVolumes } = bootstrap ?? {}
  return hash({
    image: imageOf(spec),
    pull: spec.imagePullPolicy,
    resources: resources ?? null,
    pod: pod ?? null,
    secrets: imagePullSecrets ?? null,
    spread: spread ?? null,
    ...defined({ adopt: adoptVolumes, discard: discardVolumes }),
  })
}

/** Settings of the installation that pods depend on. `podUid` null: the platform chooses (OpenShift). */
export type PodSettings = { readonly podUid: number | null }

/** The StatefulSet of one shard. Any pod of it may be the shard's primary; only a planned command deletes a pod. */
export function shardStatefulSet(cluster: ClusterRef, spec: RedisClusterSpec, shard: number, settings: PodSettings) {
  const labels = { ...labelsOf(cluster.name), [LABEL.shard]: String(shard) }
  const volumes = spec.storage === undefined ? [{ name: 'data', emptyDir: {} }] : []
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: ownedMeta(cluster, nameOf.shard(cluster.name, shard)),
    spec: {
      serviceName: nameOf.headless(cluster.name),
      replicas: spec.replicasPerShard + 1,
      podManagementPolicy: 'Parallel',
      updateStrategy: { type: 'OnDelete' },
      selector: { matchLabels: { [LABEL.cluster]: cluster.name, [LABEL.shard]: String(shard) } },
      persistentVolumeClaimRetentionPolicy: {
        whenDeleted: spec.storage?.retain === false ? 'Delete' : 'Retain',
        whenScaled: 'Retain',
      },
      template: {
        metadata: {
          labels: { ...spec.pod?.labels, ...labels },
          annotations: { ...spec.pod?.annotations, [ANNOTATION.podHash]: podHash(spec) },
        },
        spec: { ...podSpec(cluster, spec, shard, settings), volumes: [...volumes, ...sharedVolumes(cluster)] },
      },
      ...(spec.storage === undefined
        ? {}
        : { volumeClaimTemplates: [claimTemplate(cluster.name, spec.storage, spec.bootstrap?.restore)] }),
    },
  }
}

function sharedVolumes(cluster: ClusterRef) {
  return [
    { name: 'config', configMap: { name: nameOf.config(cluster.name), defaultMode: 0o555 } },
    { name: 'internal', secret: { secretName: nameOf.internal(cluster.name), defaultMode: 0o440 } },
    { name: 'tmp', emptyDir: {} },
  ]
}

function podSpec(cluster: ClusterRef, spec: RedisClusterSpec, shard: number, settings: PodSettings) {
  const parts = spec.pod
  return {
    automountServiceAccountToken: false,
    terminationGracePeriodSeconds: parts?.terminationGracePeriodSeconds ?? 60,
    securityContext: podSecurityContext(spec, settings.podUid),
    ...defined({ imagePullSecrets: spec.imagePullSecrets }),
    ...defined({
      nodeSelector: parts?.nodeSelector,
      tolerations: parts?.tolerations,
      priorityClassName: parts?.priorityClassName,
      serviceAccountName: parts?.serviceAccountName,
    }),
    affinity: { podAntiAffinity: apart(cluster, spec, shard), ...parts?.affinity },
    topologySpreadConstraints: parts?.topologySpreadConstraints ?? spreadConstraints(cluster, spec, shard),
    containers: [serverContainer(cluster, spec, shard)],
  }
}

/** Keeps the members of a shard apart: a node or a zone that is lost takes one of them. */
function spreadConstraints(cluster: ClusterRef, { spread }: RedisClusterSpec, shard: number) {
  const one = (topologyKey: string, mode: 'Disabled' | 'Preferred' | 'Required' = 'Preferred') =>
    mode === 'Disabled'
      ? []
      : [
          {
            maxSkew: 1,
            topologyKey,
            whenUnsatisfiable: mode === 'Required' ? 'DoNotSchedule' : 'ScheduleAnyway',
            labelSelector: { matchLabels: { [LABEL.cluster]: cluster.name, [LABEL.shard]: String(shard) } },
          },
        ]
  return [...one(NODE, spread?.nodes), ...one(ZONE, spread?.zones)]
}

/**
 * Spreads all members over nodes and zones, where possible, so that no one of them holds most primaries: they elect. An
 * affinity, for Kubernetes takes one spread constraint of a kind for each key, and that one is the shard's. The shard is
 * named here as well and weighs more, or an empty node would draw all members of a shard.
 */
function apart(cluster: ClusterRef, { spread }: RedisClusterSpec, shard: number) {
  const keys = [...(spread?.nodes === 'Disabled' ? [] : [NODE]), ...(spread?.zones === 'Disabled' ? [] : [ZONE])]
  const ofCluster = { [LABEL.cluster]: cluster.name }
  const terms = [
    { weight: 100, matchLabels: { ...ofCluster, [LABEL.shard]: String(shard) } },
    { weight: 10, matchLabels: ofCluster },
  ]
  return {
    preferredDuringSchedulingIgnoredDuringExecution: keys.flatMap((topologyKey) =>
      terms.map(({ weight, matchLabels }) => ({
        weight,
        podAffinityTerm: { topologyKey, labelSelector: { matchLabels } },
      })),
    ),
  }
}

/** Whose volumes the guard takes over or discards: what a restore has filled, or what another cluster left. */
function volumeWords({ bootstrap, shards }: RedisClusterSpec): readonly { name: string; value: string }[] {
  const { restore, adoptVolumes } = bootstrap ?? {}
  // What a restore in place has filled is nothing that an earlier word discards; but a cluster that was deleted has left it.
  const discardVolumes = restore === undefined ? bootstrap?.discardVolumes : undefined
  const words = {
    SLOTKEEPER_RESTORE_UID: restore?.uid,
    SLOTKEEPER_ADOPT_UID: adoptVolumes?.uid,
    SLOTKEEPER_SHARDS: adoptVolumes === undefined ? undefined : String(shards),
    SLOTKEEPER_DISCARD_UID: discardVolumes?.uid,
  }
  return Object.entries(words).flatMap(([name, value]) => (value === undefined ? [] : [{ name, value }]))
}

function serverContainer(cluster: ClusterRef, spec: RedisClusterSpec, shard: number) {
  const script = (name: string, ...args: string[]) => ({
    exec: { command: ['/bin/sh', `/etc/slotkeeper/config/${name}`, ...args] },
  })
  return {
    name: 'server',
    image: imageOf(spec),
    imagePullPolicy: spec.imagePullPolicy,
    command: ['/bin/sh', '/etc/slotkeeper/config/start'],
    env: [
      { name: 'SLOTKEEPER_CLUSTER_UID', value: cluster.uid },
      { name: 'SLOTKEEPER_SHARD', value: String(shard) },
      ...volumeWords(spec),
      // 3 x node-timeout in rounds of about 0.2 s: then the guard says why it waits.
      { name: 'SLOTKEEPER_GUARD_ROUNDS', value: String(Math.ceil((3 * spec.nodeTimeoutMs) / 200)) },
      { name: 'SLOTKEEPER_POD_IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
    ],
    ports: [
      { name: 'redis', containerPort: CLIENT_PORT },
      { name: 'bus', containerPort: busPort(cluster.uid) },
    ],
    ...(spec.resources === undefined ? {} : { resources: spec.resources }),
    startupProbe: { ...script('probe', 'startup'), periodSeconds: 1, timeoutSeconds: 5, failureThreshold: 3600 },
    // Each run starts processes in the pod; nothing of ours waits for it. The first comes with the startup probe's success.
    readinessProbe: { ...script('probe', 'ready'), periodSeconds: 3, timeoutSeconds: 5, failureThreshold: 2 },
    livenessProbe: {
      tcpSocket: { port: CLIENT_PORT },
      periodSeconds: 5,
      timeoutSeconds: 5,
      failureThreshold: Math.ceil((6 * spec.nodeTimeoutMs) / 5000),
    },
    lifecycle: { preStop: script('prestop') },
    terminationMessagePolicy: 'FallbackToLogsOnError',
    securityContext: { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } },
    volumeMounts: [
      { name: volumeName(spec.bootstrap?.restore), mountPath: '/data' },
      { name: 'config', mountPath: '/etc/slotkeeper/config', readOnly: true },
      { name: 'internal', mountPath: '/etc/slotkeeper/internal', readOnly: true },
      { name: 'tmp', mountPath: '/tmp' },
    ],
  }
}
