import {
  configMaps,
  type KubeObject,
  type Objects,
  type ObjectKey,
  pods,
  redisClusters,
  secrets,
  statefulSets,
} from '@slotkeeper/k8s'
import { until } from '@slotkeeper/testing'
import { bareNamespace } from './controller-process.ts'
import type { ServerFiles } from './plain-servers.ts'

/** A cluster whose controller has written everything that its servers need; pods there are none. */
export type BareCluster = { readonly name: string; readonly uid: string; readonly files: ServerFiles }

type Template = { readonly metadata: object; readonly spec: object }
type SetSpec = { readonly replicas: number; readonly template: Template }
const SETTLE_MS = 30_000

/** Creates a RedisCluster and waits for what the controller makes of it. */
export async function createBareCluster(
  objects: Objects,
  name: string,
  spec: { readonly version: string; readonly shards: number; readonly replicasPerShard: number },
  signal: AbortSignal,
): Promise<BareCluster> {
  const made = await objects.create(
    redisClusters,
    {
      apiVersion: 'slotkeeper.dev/v1beta1',
      kind: 'RedisCluster',
      metadata: { namespace: bareNamespace, name },
      spec,
    },
    { signal },
  )
  const key = (suffix: string): ObjectKey => ({ namespace: bareNamespace, name: `${name}-${suffix}` })
  const files = await until(
    `the objects of ${name}`,
    SETTLE_MS,
    async () => {
      const config = await objects.get(configMaps, key('config'), { signal })
      const internal = await objects.get(secrets, key('internal'), { signal })
      const sets = await Promise.all(
        Array.from({ length: spec.shards }, (_, shard) => objects.get(statefulSets, key(String(shard)), { signal })),
      )
      if (config === null || internal === null || sets.includes(null)) return undefined
      return { conf: dataOf(config)['redis.conf'] ?? '', internal: decoded(dataOf(internal)) }
    },
    { signal },
  )
  return { name, uid: made.metadata.uid ?? '', files }
}

const dataOf = (object: KubeObject): Readonly<Record<string, string>> =>
  (object['data'] ?? {}) as Readonly<Record<string, string>>

const decoded = (data: Readonly<Record<string, string>>): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(data).map(([name, value]) => [name, Buffer.from(value, 'base64').toString('utf8')]))

/** Creates the pods of a cluster as the StatefulSet controller would; nothing runs them. */
export async function createBarePods(
  objects: Objects,
  { name }: BareCluster,
  shards: number,
  signal: AbortSignal,
): Promise<readonly KubeObject[]> {
  const created: KubeObject[] = []
  for (let shard = 0; shard < shards; shard++) {
    const set = await objects.get(statefulSets, { namespace: bareNamespace, name: `${name}-${shard}` }, { signal })
    if (set === null) throw new Error(`${name} has no StatefulSet of shard ${shard}`)
    const { replicas, template } = set['spec'] as SetSpec
    for (let index = 0; index < replicas; index++) {
      const metadata = { ...template.metadata, namespace: bareNamespace, name: `${name}-${shard}-${index}` }
      const spec = { ...template.spec, nodeName: `node-${index}` }
      created.push(await objects.create(pods, { apiVersion: 'v1', kind: 'Pod', metadata, spec }, { signal }))
    }
  }
  return created
}

/** Says of a pod what a kubelet says when its server runs and is ready. */
export async function reportRunning(objects: Objects, pod: KubeObject, ip: string, signal: AbortSignal): Promise<void> {
  const now = new Date().toISOString()
  const { namespace = '', name, uid = '' } = pod.metadata
  const status = {
    phase: 'Running',
    podIP: ip,
    podIPs: [{ ip }],
    conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: now }],
    containerStatuses: [
      {
        name: 'server',
        ready: true,
        started: true,
        restartCount: 0,
        image: 'plain',
        imageID: 'plain',
        containerID: `plain://${uid}`,
        state: { running: { startedAt: now } },
      },
    ],
  }
  await objects.patchStatus(pods, { namespace, name }, status, { uid }, { signal })
}

/** Deletes a cluster and its pods; the servers are the caller's. */
export async function deleteBareCluster(
  objects: Objects,
  { name, uid }: BareCluster,
  made: readonly KubeObject[],
  signal: AbortSignal,
): Promise<void> {
  const key = { namespace: bareNamespace, name }
  await objects.delete(redisClusters, key, { uid }, { signal })
  await until(
    `the end of ${name}`,
    SETTLE_MS,
    async () => ((await objects.get(redisClusters, key, { signal })) === null ? true : undefined),
    { signal },
  )
  for (const { metadata } of made) {
    const pod = { namespace: bareNamespace, name: metadata.name }
    await objects.delete(pods, pod, { uid: metadata.uid ?? '', gracePeriodSeconds: 0 }, { signal })
  }
}
