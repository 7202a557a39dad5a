import { join } from 'node:path'
import {
  connectKube,
  type KubeObject,
  type Objects,
  objectsOf,
  pods,
  redisBackups,
  redisBackupStorages,
  redisClusters,
  redisRestores,
} from '@slotkeeper/k8s'
import { connectNats, subscribe, type Delivery } from '@slotkeeper/nats'
import { type RecordingWriter, startWriter, until } from '@slotkeeper/testing'
import type { Platform } from '../local/src/index.ts'

export { until }

const root = join(import.meta.dirname, '../..')
const local = join(root, 'deploy/overlays/local')

/** Installs Slotkeeper as a user does: CRDs, then an overlay (its folder); waits until it is available. */
export async function install(platform: Platform, overlay = local): Promise<void> {
  await platform.kubectl(['apply', '-k', join(root, 'deploy/crds')])
  await platform.kubectl(['wait', '--for=condition=Established', 'crd', '--all', '--timeout=30s'])
  await platform.kubectl(['apply', '-k', overlay])
  const controllers = ['cluster', 'backup', 'restore'].map((name) => `deployment/slotkeeper-${name}-controller`)
  for (const workload of [...controllers, 'statefulset/slotkeeper-nats']) {
    await platform.kubectl(['-n', 'slotkeeper-system', 'rollout', 'status', workload, '--timeout=120s'], {
      deadline: 130_000,
    })
  }
}

/** A RedisCluster as the demo looks at it. */
export type ClusterView = {
  readonly metadata: { readonly uid: string; readonly generation?: number }
  readonly status?: {
    readonly observedGeneration?: number
    readonly state?: string
    readonly version?: string
    readonly formedAt?: string
    readonly binding?: { readonly name: string }
    readonly lifecycle?: { readonly seq: number; readonly life: number }
    readonly outbox?: readonly unknown[]
    readonly topology?: readonly {
      readonly shard: number
      readonly primary?: string
      readonly attached?: readonly string[]
      readonly incarnations?: Readonly<Record<string, string>>
    }[]
    readonly conditions?: readonly {
      readonly type: string
      readonly status: string
      readonly reason: string
      readonly message: string
    }[]
  }
}

/** One kept connection a platform: polling by kubectl would start a process for every look. */
const clients = new Map<string, Objects>()

/** The objects of a platform, read over a connection that is kept. */
export function objectsIn({ kubeconfig }: Platform): Objects {
  const objects = clients.get(kubeconfig) ?? objectsOf(connectKube({ kubeconfigPath: kubeconfig }))
  clients.set(kubeconfig, objects)
  return objects
}

/** Reads a cluster; throws when there is none. */
export async function readCluster(platform: Platform, namespace: string, name: string): Promise<ClusterView> {
  const io = { signal: AbortSignal.timeout(10_000), deadline: Date.now() + 10_000 }
  const found = await objectsIn(platform).get(redisClusters, { namespace, name }, io)
  if (found === null) throw new Error(`there is no RedisCluster ${namespace}/${name}`)
  return found as unknown as ClusterView
}

/** How many events were committed of each of our objects in a namespace. */
export async function lifecycles(
  platform: Platform,
  namespace: string,
): Promise<readonly { readonly uid: string; readonly seq: number }[]> {
  const kinds = [redisClusters, redisBackups, redisBackupStorages, redisRestores]
  const io = { signal: AbortSignal.timeout(10_000) }
  const lists = await Promise.all(kinds.map((kind) => objectsIn(platform).list(kind, { namespace }, io)))
  return lists.flatMap(({ items }) =>
    items.map(({ metadata, ...object }) => {
      const status = object['status'] as { readonly lifecycle?: { readonly seq: number } } | undefined
      return { uid: metadata.uid ?? '', seq: status?.lifecycle?.seq ?? 0 }
    }),
  )
}

/** Whether a condition of a cluster is True. */
export function isTrue(cluster: ClusterView, type: string): boolean {
  return cluster.status?.conditions?.some((one) => one.type === type && one.status === 'True') ?? false
}

/** Waits until the cluster is Healthy, Ready and fully replicated. */
export function healthy(platform: Platform, namespace: string, name: string, timeoutMs = 90_000): Promise<ClusterView> {
  return until(`${namespace}/${name} Healthy`, timeoutMs, async () => {
    const cluster = await readCluster(platform, namespace, name)
    const { state, observedGeneration } = cluster.status ?? {}
    // What is said of an older spec says nothing of this one.
    const isOfThisSpec = observedGeneration === cluster.metadata.generation
    const isSound = state === 'Healthy' && isTrue(cluster, 'Ready') && isTrue(cluster, 'ReplicationHealthy')
    return isOfThisSpec && isSound ? cluster : undefined
  })
}

/** The pods of a cluster. */
export async function podsOf(platform: Platform, namespace: string, name: string): Promise<readonly KubeObject[]> {
  const selection = { namespace, labelSelector: `slotkeeper.dev/cluster=${name}` }
  return (await objectsIn(platform).list(pods, selection, { signal: AbortSignal.timeout(10_000) })).items
}

/** Starts the recording writer against a cluster, from outside, as an ordinary client. */
export async function writeTo(
  platform: Platform,
  namespace: string,
  name: string,
  perSecond: number,
): Promise<RecordingWriter> {
  const encoded = await platform.kubectl([
    '-n',
    namespace,
    'get',
    'secret',
    `${name}-auth`,
    '-o',
    'jsonpath={.data.password}',
  ])
  const found = await podsOf(platform, namespace, name)
  return startWriter({
    dial: (host, port) => platform.dial(host, port),
    // By name, as applications do: addresses change.
    startAt: found.map(({ metadata }) => ({
      host: `${metadata.name}.${name}-nodes.${namespace}.svc.cluster.local`,
      port: 6379,
    })),
    password: Buffer.from(encoded, 'base64').toString('utf8'),
    perSecond,
  })
}

/** Reads events from the stream of an installation, from the beginning; hands each to `take` until the signal aborts. */
export async function follow(
  platform: Platform,
  take: (delivery: Delivery) => void,
  signal: AbortSignal,
): Promise<{ readonly done: Promise<void> }> {
  const forwarded = await platform.forward({ namespace: 'slotkeeper-system', service: 'slotkeeper-nats', port: 4222 })
  const connection = await connectNats({ url: `nats://127.0.0.1:${forwarded.port}`, name: 'demo', signal })
  const events = await until('the stream', 30_000, () =>
    subscribe({ connection, from: { sequence: 1 }, signal }).catch(() => undefined),
  )
  const reading = (async () => {
    for await (const delivery of events) take(delivery)
  })()
  return { done: reading.finally(() => forwarded.close()) }
}

/** The faults in a story: gaps and repetitions in the sequence of each life. Empty when it is whole. */
export function storyFaults(story: readonly Delivery[]): readonly string[] {
  const last = new Map<string, number>()
  return story.flatMap(({ event }) => {
    const line = `${event.uid}:${event.life}`
    const expected = (last.get(line) ?? 0) + 1
    last.set(line, event.sequence)
    return event.sequence === expected
      ? []
      : [`${event.namespace}/${event.name}: ${event.type} has sequence ${event.sequence}, not ${expected}`]
  })
}
