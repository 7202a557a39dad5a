import { ANNOTATION, defined, LABEL } from '@slotkeeper/api'
import {
  configMaps,
  type KubeObject,
  type Kube,
  podDisruptionBudgets,
  pods,
  redisClusters,
  type Reflector,
  type ResourceDescriptor,
  services,
  startReflector,
  statefulSets,
} from '@slotkeeper/k8s'
import type { Key } from '@slotkeeper/controller'
import type { PodView } from '@slotkeeper/redis-topology'
import { type Hosts, startHosts } from './hosts.ts'

/** What is kept of an object that we own. */
export type OwnedView = {
  readonly kind: string
  readonly namespace: string
  readonly name: string
  readonly uid: string
  readonly cluster: string
  readonly ownerUid?: string
  readonly specHash?: string
  readonly data?: Readonly<Record<string, string>>
  /** Of a StatefulSet: the name of the volume that it claims for each pod, and whether it takes no claim along. */
  readonly volume?: string
  readonly keeps?: boolean
}
/** What is kept of a pod. */
export type CachedPod = PodView & {
  readonly namespace: string
  readonly name: string
  readonly cluster: string
  /** The name of its volume, where that is claimed. */
  readonly volume?: string
}

/** Everything that the controller watches. */
export type Caches = {
  readonly pods: Reflector<CachedPod>
  readonly owned: Readonly<Record<string, Reflector<OwnedView>>>
  readonly hosts: Hosts
  /** Remembers a write of ours until the watch has shown it. */
  wrote(cluster: string, object: KubeObject): void
  /** `Kind/name` of a cluster's objects that the caches do not show yet as we wrote them. */
  behind(namespace: string, cluster: string): readonly string[]
  /** Resolves when everything in a namespace was listed once: one that may not be read holds up no other. */
  synced(signal: AbortSignal, namespace: string): Promise<void>
}

type Options = {
  readonly kube: Kube
  readonly namespaces: readonly string[]
  readonly wake: (key: Key) => void
  readonly onProblem: (error: unknown) => void
  /** Told when the clusters of a namespace may no longer be read, and when they may again. */
  readonly onAccess: (namespace: string, allowed: boolean) => void
}

/** Starts the watches; every change wakes the cluster that it belongs to. */
export function startCaches(options: Options, signal: AbortSignal): Caches {
  const { kube, namespaces, wake, onProblem } = options
  const scope = namespaces.length === 0 ? {} : { namespaces }
  const watch = <T extends { readonly namespace: string; readonly cluster: string }>(
    resource: ResourceDescriptor,
    project: (object: KubeObject) => T,
  ): Reflector<T> =>
    startReflector<T>(
      {
        kube,
        resource,
        ...scope,
        labelSelector: LABEL.cluster,
        project,
        indexLabels: [LABEL.cluster],
        onProblem,
        onChange: ({ object }) => wake({ namespace: object.namespace, name: object.cluster }),
      },
      signal,
    )
  const podCache = watch(pods, projectPod)
  const owned = Object.fromEntries(
    [statefulSets, services, configMaps, podDisruptionBudgets].map((resource) => [
      resource.kind,
      watch(resource, (object) => projectOwned(resource.kind, object)),
    ]),
  )
  const clusters = startReflector<Key>(
    {
      kube,
      resource: redisClusters,
      ...scope,
      project: ({ metadata }) => ({ namespace: metadata.namespace ?? '', name: metadata.name }),
      onProblem,
      onAccess: options.onAccess,
      onChange: ({ object }) => wake(object),
    },
    signal,
  )
  const followed: Readonly<Record<string, Reflector<unknown>>> = { ...owned, [pods.kind]: podCache }
  const writes = new Map<string, { readonly kind: string; readonly name: string }[]>()
  const hosts = startHosts({ kube, onProblem, onChange: (name) => wakeAllOn(name, podCache, wake) }, signal)
  return {
    pods: podCache,
    owned,
    hosts,
    wrote(cluster, { kind = '', metadata }) {
      const { namespace = '', name, resourceVersion = '' } = metadata
      followed[kind]?.noteWrite(namespace, name, resourceVersion)
      const key = `${namespace}/${cluster}`
      writes.set(key, [
        ...(writes.get(key) ?? []).filter((one) => one.kind !== kind || one.name !== name),
        { kind, name },
      ])
    },
    behind(namespace, cluster) {
      const key = `${namespace}/${cluster}`
      const late = (writes.get(key) ?? []).filter(
        ({ kind, name }) => followed[kind]?.isAtLeast(namespace, name) === false,
      )
      if (late.length === 0) writes.delete(key)
      else writes.set(key, late)
      return late.map(({ kind, name }) => `${kind}/${name}`)
    },
    synced: async (stop, namespace) => {
      await Promise.all([podCache, clusters, ...Object.values(owned)].map((one) => one.synced(stop, namespace)))
    },
  }
}

/** Wakes the clusters that have pods on a machine. */
function wakeAllOn(host: string, podCache: Reflector<CachedPod>, wake: Options['wake']): void {
  for (const pod of podCache.list().filter((one) => one.nodeName === host))
    wake({ namespace: pod.namespace, name: pod.cluster })
}

function projectOwned(kind: string, object: KubeObject): OwnedView {
  const { metadata } = object
  const owner = metadata.ownerReferences?.find((one) => one.controller === true)
  const specHash = metadata.annotations?.[ANNOTATION.specHash]
  const data =
    kind === 'ConfigMap' && metadata.name.endsWith('-members')
      ? (object['data'] as Record<string, string> | undefined)
      : undefined
  return defined({
    kind,
    namespace: metadata.namespace ?? '',
    name: metadata.name,
    uid: metadata.uid ?? '',
    cluster: metadata.labels?.[LABEL.cluster] ?? '',
    ownerUid: owner?.uid,
    specHash,
    data,
    ...(kind === statefulSets.kind ? { volume: volumeOfSet(object), keeps: keepsClaims(object) } : {}),
  })
}

type SetSpec = {
  readonly volumeClaimTemplates?: readonly { readonly metadata?: { readonly name?: string } }[]
  readonly persistentVolumeClaimRetentionPolicy?: { readonly whenDeleted?: string; readonly whenScaled?: string }
}

const volumeOfSet = ({ spec }: KubeObject): string | undefined =>
  (spec as SetSpec | undefined)?.volumeClaimTemplates?.[0]?.metadata?.name

/**
 * Whether a StatefulSet leaves all claims there, when it is deleted and when it is made smaller. Kubernetes fills the policy
 * in where it knows of one; where it does not, it never deletes a claim.
 */
export function keepsClaims({ spec }: KubeObject): boolean {
  const policy = (spec as SetSpec | undefined)?.persistentVolumeClaimRetentionPolicy
  return policy === undefined || (policy.whenDeleted === 'Retain' && policy.whenScaled === 'Retain')
}

type ContainerState = {
  readonly running?: { readonly startedAt?: string }
  readonly waiting?: { readonly reason?: string; readonly message?: string }
  readonly terminated?: {
    readonly containerID?: string
    readonly exitCode: number
    readonly signal?: number
    readonly reason?: string
    readonly message?: string
  }
}
type PodStatus = {
  readonly podIP?: string
  readonly conditions?: readonly {
    readonly type: string
    readonly status: string
    readonly reason?: string
    readonly message?: string
  }[]
  readonly containerStatuses?: readonly {
    readonly name: string
    readonly containerID?: string
    readonly restartCount: number
    readonly state?: ContainerState
    readonly lastState?: ContainerState
  }[]
}

/** What decisions need of a pod. */
export function projectPod(object: KubeObject): CachedPod {
  const { metadata } = object
  const status = (object['status'] ?? {}) as PodStatus
  const spec = (object['spec'] ?? {}) as PodSpec
  const claim = claimOfPod(spec, metadata.name)
  return defined({
    namespace: metadata.namespace ?? '',
    name: metadata.name,
    cluster: metadata.labels?.[LABEL.cluster] ?? '',
    uid: metadata.uid ?? '',
    deleting: metadata.deletionTimestamp !== undefined,
    ready: status.conditions?.some((one) => one.type === 'Ready' && one.status === 'True') ?? false,
    ip: status.podIP,
    nodeName: spec.nodeName,
    volume: claim?.slice(0, -metadata.name.length - 1),
    role: metadata.labels?.[LABEL.role],
    podHash: metadata.annotations?.[ANNOTATION.podHash],
    ...containerPart(status),
  })
}

type PodSpec = {
  readonly nodeName?: string
  readonly volumes?: readonly { readonly persistentVolumeClaim?: { readonly claimName?: string } }[]
}

/** The claim that its StatefulSet made for it: its name ends with that of the pod. */
function claimOfPod({ volumes = [] }: PodSpec, pod: string): string | undefined {
  const names = volumes.map((one) => one.persistentVolumeClaim?.claimName)
  return names.find((name) => name?.endsWith(`-${pod}`) === true)
}

/** What is said of the server's container. */
function containerPart(status: PodStatus) {
  const container = status.containerStatuses?.find((one) => one.name === 'server')
  const ended = [container?.state?.terminated, container?.lastState?.terminated].flatMap((one) =>
    one?.containerID === undefined ? [] : [one],
  )
  const unscheduled = status.conditions?.find((one) => one.type === 'PodScheduled' && one.status === 'False')
  return {
    ...runningPart(container?.state?.running),
    restarts: container?.restartCount ?? 0,
    containerId: container?.containerID,
    terminated: ended.map((one) =>
      defined({
        containerId: one.containerID ?? '',
        exitCode: one.exitCode,
        reason: one.reason ?? '',
        signal: one.signal,
        message: one.message,
      }),
    ),
    blocked: blockedBy(container?.state?.waiting, ended[0]?.message, unscheduled),
  }
}

function runningPart(running: ContainerState['running']) {
  const since = running?.startedAt
  return { running: running !== undefined, ...(since === undefined ? {} : { runningSince: Date.parse(since) }) }
}

/** Why a pod can't start, where a person must act; what time alone cures is left out. */
function blockedBy(
  waiting: ContainerState['waiting'],
  lastWords: string | undefined,
  unscheduled: { readonly reason?: string; readonly message?: string } | undefined,
): { readonly reason: string; readonly message: string } | undefined {
  const words = lastWords?.trim().slice(-300)
  if (words?.includes('VolumeHasOtherData')) {
    return { reason: 'VolumeHasOtherData', message: words.replace('VolumeHasOtherData: ', '') }
  }
  if (waiting?.reason === 'CrashLoopBackOff' && words !== undefined) return { reason: 'ConfigRefused', message: words }
  if (IMAGE_TROUBLE.includes(waiting?.reason ?? ''))
    return { reason: 'ConfigRefused', message: `the image can't be pulled: ${waiting?.message ?? waiting?.reason}` }
  if (unscheduled?.reason === 'Unschedulable')
    return { reason: 'Unschedulable', message: unscheduled.message ?? 'no node fits' }
  return undefined
}

const IMAGE_TROUBLE = ['ErrImagePull', 'ImagePullBackOff', 'InvalidImageName', 'ErrImageNeverPull']
