import { connectServer, type RecordingWriter, until } from '@slotkeeper/testing'
import { healthy, readCluster, type ClusterView, writeTo } from '../demo/tour.ts'
import { attachPlatform, type Platform } from '../local/src/index.ts'

const PATIENCE_MS = 120_000
const DEPLOYMENT = 'deployment/slotkeeper-cluster-controller'

/** What a promise test works with: a namespace of its own on the shared platform. */
export type Stage = {
  readonly platform: Platform
  readonly namespace: string
  /** kubectl in the namespace. */
  kubectl(...args: readonly string[]): Promise<string>
  /** Applies an object in the namespace. */
  apply(object: object): Promise<void>
  /** Applies a RedisCluster: three shards of little pods, and what `spec` says. */
  create(name: string, spec: object): Promise<void>
  read(name: string): Promise<ClusterView>
  /** Waits until the cluster is Healthy, Ready and fully replicated. */
  healthy(name: string): Promise<ClusterView>
  /** Waits until a condition of the cluster is True for that reason; gives its message. */
  stalled(name: string, reason: string): Promise<string>
  /** Waits until the cluster is gone, with its pods. */
  remove(name: string): Promise<void>
  /** The content of a Secret. */
  secret(name: string): Promise<Readonly<Record<string, string>>>
  /** A client of one pod's server; as nobody when no user is named. */
  connect(
    pod: string,
    user?: { readonly username: string; readonly password: string },
  ): ReturnType<typeof connectServer>
  write(name: string, perSecond: number): Promise<RecordingWriter>
  /** Ends a pod's processes without a warning, and waits until Kubernetes has started its container again. */
  crash(...pods: readonly string[]): Promise<void>
  /** How often a pod's container was started again. */
  restarts(pod: string): Promise<number>
  /** Takes the controller away, or brings it back. */
  controller(running: boolean): Promise<void>
}

/** Opens a namespace of that name on the platform of that name. */
export async function openStage(platformName: string, namespace: string): Promise<Stage> {
  const platform = await attachPlatform(platformName)
  await platform.kubectl(['create', 'namespace', namespace])
  const kubectl = (...args: readonly string[]): Promise<string> =>
    platform.kubectl(['-n', namespace, ...args], { deadline: PATIENCE_MS })
  const apply = async (object: object): Promise<void> =>
    void (await platform.kubectl(['-n', namespace, 'apply', '-f', '-'], { input: JSON.stringify(object) }))
  const read = (name: string): Promise<ClusterView> => readCluster(platform, namespace, name)
  const restarts = async (pod: string): Promise<number> =>
    Number(await kubectl('get', 'pod', pod, '-o', 'jsonpath={.status.containerStatuses[0].restartCount}'))
  return {
    platform,
    namespace,
    kubectl,
    apply,
    create: (name, spec) => apply(redisCluster(name, spec)),
    read,
    healthy: (name) => healthy(platform, namespace, name, PATIENCE_MS),
    stalled: (name, reason) =>
      until(`${name} Stalled, ${reason}`, PATIENCE_MS, async () => {
        await kubectl('wait', 'rdc', name, '--for=condition=Stalled', '--timeout=60s')
        const { status } = await read(name)
        return status?.conditions?.find((one) => one.type === 'Stalled' && one.reason === reason)?.message
      }),
    remove: async (name) => {
      await kubectl('delete', 'rdc', name, '--timeout=90s')
      await kubectl('wait', 'pod', '--for=delete', '-l', `slotkeeper.dev/cluster=${name}`, '--timeout=90s')
    },
    secret: async (name) => {
      const { data } = JSON.parse(await kubectl('get', 'secret', name, '-o', 'json')) as {
        data: Record<string, string>
      }
      return Object.fromEntries(
        Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString('utf8')]),
      )
    },
    connect: async (pod, user) => {
      const host = await kubectl('get', 'pod', pod, '-o', 'jsonpath={.status.podIP}')
      return connectServer((...to) => platform.dial(...to), { host, port: 6379, ...user })
    },
    write: (name, perSecond) => writeTo(platform, namespace, name, perSecond),
    crash: async (...pods) => {
      const before = await Promise.all(pods.map(restarts))
      await Promise.all(pods.map((pod) => platform.switchboard.killInPod(namespace, pod, 'SIGKILL')))
      const restarted = (index: number) =>
        `--for=jsonpath={.status.containerStatuses[0].restartCount}=${(before[index] ?? 0) + 1}`
      await Promise.all(pods.map((pod, index) => kubectl('wait', 'pod', pod, restarted(index), '--timeout=60s')))
    },
    restarts,
    controller: async (running) => {
      const system = (...args: readonly string[]): Promise<string> =>
        platform.kubectl(['-n', 'slotkeeper-system', ...args], { deadline: PATIENCE_MS })
      await system('scale', DEPLOYMENT, `--replicas=${running ? 1 : 0}`)
      if (running) await system('rollout', 'status', DEPLOYMENT, '--timeout=60s')
      else
        await system(
          'wait',
          'pod',
          '--for=delete',
          '-l',
          'app.kubernetes.io/component=cluster-controller',
          '--timeout=60s',
        )
    },
  }
}

function redisCluster(name: string, spec: object): object {
  return {
    apiVersion: 'slotkeeper.dev/v1beta1',
    kind: 'RedisCluster',
    metadata: { name },
    spec: {
      version: 'valkey-9.1',
      shards: 3,
      resources: { requests: { cpu: '10m', memory: '16Mi' } },
      ...spec,
    },
  }
}
