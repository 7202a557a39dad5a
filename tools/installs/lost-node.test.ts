import { LABEL } from '@slotkeeper/api'
import { nodes, pods, type KubeObject } from '@slotkeeper/k8s'
import { until } from '@slotkeeper/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ClusterView, healthy, install, objectsIn, readCluster, writeTo } from '../demo/tour.ts'
import { startPlatform, type Platform } from '../local/src/index.ts'

const SYSTEM = 'slotkeeper-system'
const TAINT = 'node.kubernetes.io/out-of-service'
const PATIENCE_MS = 170_000
const TEST_MS = 3 * PATIENCE_MS
const stop = new AbortController()
let platform: Platform
/** The machine to lose: neither the controller of clusters nor NATS is on it. */
let lost = ''

const podsIn = async (namespace: string): Promise<readonly KubeObject[]> =>
  (await objectsIn(platform).list(pods, { namespace }, { signal: AbortSignal.timeout(10_000) })).items
const hostOf = (pod: KubeObject): string => (pod['spec'] as { readonly nodeName?: string }).nodeName ?? ''
/** The machines that hold primaries of a cluster, each once. */
const hostsOfPrimaries = (cluster: string, all: readonly KubeObject[]): ReadonlySet<string> =>
  new Set(
    all
      .filter(({ metadata: { labels } }) => labels?.[LABEL.cluster] === cluster && labels[LABEL.role] === 'primary')
      .map(hostOf),
  )
const degraded = ({ status }: ClusterView): string => {
  const found = status?.conditions?.find((one) => one.type === 'Degraded' && one.status === 'True')
  return `${found?.reason}: ${found?.message}`
}
const sees = (name: string, what: string, holds: (cluster: ClusterView) => boolean): Promise<ClusterView> =>
  until(`${name}: ${what}`, PATIENCE_MS, async () => {
    const cluster = await readCluster(platform, 'default', name)
    return holds(cluster) ? cluster : undefined
  })

async function create(name: string, spec: object): Promise<void> {
  // Kubernetes waits five minutes before it gives up pods of a lost machine; the wait is not what is tried here.
  const tolerations = ['not-ready', 'unreachable'].map((key) => ({
    key: `node.kubernetes.io/${key}`,
    operator: 'Exists',
    effect: 'NoExecute',
    tolerationSeconds: 1,
  }))
  const resources = { requests: { cpu: '10m', memory: '16Mi' } }
  const object = {
    apiVersion: 'slotkeeper.dev/v1beta1',
    kind: 'RedisCluster',
    metadata: { name },
    spec: { version: 'valkey-9.1', shards: 3, resources, pod: { tolerations }, ...spec },
  }
  await platform.kubectl(['apply', '-f', '-'], { input: JSON.stringify(object) })
}

// A platform of its own: on the shared one others would lose their pods.
beforeAll(async () => {
  platform = await startPlatform({ name: `lost-node-${process.pid}`, signal: stop.signal, nodeGraceSeconds: 8 })
  await install(platform)
  const controller = 'deployment/slotkeeper-cluster-controller'
  await platform.kubectl(['-n', SYSTEM, 'set', 'env', controller, 'SLOTKEEPER_NODE_LOSS_SECONDS=10'])
  await platform.kubectl(['-n', SYSTEM, 'rollout', 'status', controller, '--timeout=60s'], { deadline: 70_000 })
  await Promise.all([create('cache', {}), create('kept', { storage: { size: '100Mi' } })])
  await Promise.all(['cache', 'kept'].map((name) => healthy(platform, 'default', name)))
  const members = await podsIn('default')
  for (const name of ['cache', 'kept']) expect([name, hostsOfPrimaries(name, members).size]).toEqual([name, 3])
  const needed = (await podsIn(SYSTEM)).filter(({ metadata: { name } }) =>
    /^slotkeeper-(cluster-controller|nats)-/.test(name),
  )
  const busy = new Set(needed.map(hostOf))
  const machines = (await objectsIn(platform).list(nodes, {}, { signal: AbortSignal.timeout(10_000) })).items
  lost = machines.find((one) => !busy.has(one.metadata.name))?.metadata.name ?? ''
})

afterAll(async () => {
  stop.abort()
  await platform?.stop()
})

test(
  'a lost machine is named; pods without volumes are replaced, pods with volumes when a person says that it is switched off',
  async () => {
    const writer = await writeTo(platform, 'default', 'kept', 50)
    const there = (await podsIn('default')).filter((pod) => hostOf(pod) === lost)
    const [kept, cache] = ['kept', 'cache'].map((name) => there.filter((pod) => pod.metadata.name.startsWith(name)))
    expect(kept?.length).toBeGreaterThan(0)
    expect(cache?.length).toBeGreaterThan(0)
    await platform.switchboard.cutNode(lost)

    const told = await sees('kept', 'the lost machine is named', (one) => degraded(one).startsWith('NodeLost'))
    for (const pod of kept ?? []) expect(degraded(told)).toContain(pod.metadata.name)
    expect(degraded(told)).toContain(`kubectl taint nodes ${lost} ${TAINT}=nodeshutdown:NoExecute`)
    expect(told.status?.conditions?.find((one) => one.type === 'Ready')?.status).toBe('True')

    await healthy(platform, 'default', 'cache', PATIENCE_MS)
    const after = await podsIn('default')
    expect(after.filter((pod) => pod.metadata.name.startsWith('cache') && hostOf(pod) === lost)).toEqual([])
    for (const pod of kept ?? []) {
      const now = after.find((one) => one.metadata.name === pod.metadata.name)
      expect(now?.metadata).toMatchObject({ uid: pod.metadata.uid, deletionTimestamp: expect.any(String) })
    }

    // A person says that it is switched off.
    await platform.kubectl(['taint', 'nodes', lost, `${TAINT}=nodeshutdown:NoExecute`])
    await until('the pods are given up', PATIENCE_MS, async () => {
      const uids = new Set((await podsIn('default')).map((pod) => pod.metadata.uid))
      return kept?.every((pod) => !uids.has(pod.metadata.uid)) === true ? true : undefined
    })
    await platform.switchboard.heal()
    await platform.kubectl(['taint', 'nodes', lost, `${TAINT}-`])
    await healthy(platform, 'default', 'kept', PATIENCE_MS)
    await writer.finish()
    expect((await writer.missing()).confirmed).toEqual([])
    writer.close()
  },
  TEST_MS,
)
