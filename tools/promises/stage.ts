import { type KubeObject, type Objects, pods, type ResourceDescriptor, secrets } from '@slotkeeper/k8s'
import { connectServer, type RecordingWriter, startWriter, until } from '@slotkeeper/testing'
import { type ClusterView, isTrue, objectsIn, readCluster } from '../demo/tour.ts'
import { attachPlatform, type Platform } from '../local/src/index.ts'

const PATIENCE_MS = 120_000
const CALL_MS = 10_000
const SYSTEM = 'slotkeeper-system'
const CONTROLLER = 'deployment/slotkeeper-cluster-controller'

type PodStatus = {
  readonly podIP?: string
  readonly containerStatuses?: readonly { readonly restartCount: number }[]
}
type Client = Awaited<ReturnType<typeof connectServer>>

/** The spec of a cluster with three shards of little pods, and what `spec` says. */
export function littleCluster(spec: object): object {
  const resources = { requests: { cpu: '10m', memory: '16Mi' } }
  return { version: 'valkey-9.1', shards: 3, resources, ...spec }
}

/** What a promise test works with: a namespace of its own on the shared platform. */
export class Stage {
  readonly platform: Platform
  readonly namespace: string
  readonly #objects: Objects

  private constructor(platform: Platform, namespace: string) {
    this.platform = platform
    this.namespace = namespace
    this.#objects = objectsIn(platform)
  }

  /** Makes a namespace of that name on the platform of that name. */
  static async open(platformName: string, namespace: string): Promise<Stage> {
    const platform = await attachPlatform(platformName)
    await platform.kubectl(['create', 'namespace', namespace])
    return new Stage(platform, namespace)
  }

  /** Deletes the namespace with all that is in it; what comes next need not wait for that. */
  async close(): Promise<void> {
    await this.platform.kubectl(['delete', 'namespace', this.namespace, '--wait=false'])
  }

  /** kubectl in the namespace. */
  kubectl(...args: readonly string[]): Promise<string> {
    return this.platform.kubectl(['-n', this.namespace, ...args], { deadline: PATIENCE_MS })
  }

  /** Applies an object in the namespace, by kubectl. */
  async apply(object: object): Promise<void> {
    await this.platform.kubectl(['-n', this.namespace, 'apply', '-f', '-'], { input: JSON.stringify(object) })
  }

  /** Applies a RedisCluster: three shards of little pods, and what `spec` says. */
  create(name: string, spec: object): Promise<void> {
    return this.apply({
      apiVersion: 'slotkeeper.dev/v1beta1',
      kind: 'RedisCluster',
      metadata: { name },
      spec: littleCluster(spec),
    })
  }

  /** An object of the namespace, null when there is none. */
  find(resource: ResourceDescriptor, name: string): Promise<KubeObject | null> {
    return this.#objects.get(resource, { namespace: this.namespace, name }, { signal: AbortSignal.timeout(CALL_MS) })
  }

  /** A cluster of the namespace; rejects when there is none. */
  read(name: string): Promise<ClusterView> {
    return readCluster(this.platform, this.namespace, name)
  }

  /** Waits until the cluster is as it should be; the error says how it was last. */
  async sees(name: string, what: string, holds: (cluster: ClusterView) => boolean): Promise<ClusterView> {
    let last: ClusterView['status']
    try {
      return await until(`${this.namespace}/${name}: ${what}`, PATIENCE_MS, async () => {
        const cluster = await this.read(name)
        last = cluster.status
        return holds(cluster) ? cluster : undefined
      })
    } catch (error) {
      throw new Error(`last seen: ${JSON.stringify([last?.state, last?.conditions])}`, { cause: error })
    }
  }

  /** Waits until the cluster is Healthy, Ready and fully replicated. */
  healthy(name: string): Promise<ClusterView> {
    return this.sees(
      name,
      'Healthy',
      (one) => one.status?.state === 'Healthy' && isTrue(one, 'Ready') && isTrue(one, 'ReplicationHealthy'),
    )
  }

  /** Waits until the cluster is Stalled for that reason; gives the message. */
  async stalled(name: string, reason: string): Promise<string> {
    const why = (one: ClusterView) =>
      one.status?.conditions?.find((condition) => condition.type === 'Stalled' && condition.reason === reason)
    return why(await this.sees(name, `Stalled, ${reason}`, (one) => why(one) !== undefined))?.message ?? ''
  }

  /** Deletes the cluster, and waits until it is gone with its pods. */
  async remove(name: string): Promise<void> {
    await this.kubectl('delete', 'rdc', name, '--timeout=90s')
    await until(`${name} is gone with its pods`, PATIENCE_MS, async () =>
      (await this.podsOf(name)).length === 0 ? true : undefined,
    )
  }

  /** The names of a cluster's pods. */
  async podsOf(name: string): Promise<readonly string[]> {
    return (await this.#pods(this.namespace, `slotkeeper.dev/cluster=${name}`))
      .map((pod) => pod.metadata.name)
      .toSorted()
  }

  async #pods(namespace: string, labelSelector: string): Promise<readonly KubeObject[]> {
    const io = { signal: AbortSignal.timeout(CALL_MS) }
    return (await this.#objects.list(pods, { namespace, labelSelector }, io)).items
  }

  async #podStatus(name: string): Promise<PodStatus> {
    return ((await this.find(pods, name))?.['status'] ?? {}) as PodStatus
  }

  /** The content of a Secret; empty when there is none. */
  async secret(name: string): Promise<Readonly<Record<string, string>>> {
    const data = ((await this.find(secrets, name))?.['data'] ?? {}) as Record<string, string>
    return Object.fromEntries(
      Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString('utf8')]),
    )
  }

  /** A client of one pod's server; as nobody when no user is named. */
  async connect(pod: string, user?: { readonly username: string; readonly password: string }): Promise<Client> {
    const host = await this.addressOf(pod)
    return connectServer((...to) => this.platform.dial(...to), { host, port: 6379, ...user })
  }

  /** The address of a pod; empty while it has none. */
  async addressOf(pod: string): Promise<string> {
    return (await this.#podStatus(pod)).podIP ?? ''
  }

  /** Starts the recording writer against a cluster, from outside, as an ordinary client. */
  async write(name: string, perSecond: number): Promise<RecordingWriter> {
    const found = await this.#pods(this.namespace, `slotkeeper.dev/cluster=${name}`)
    const startAt = found.map((pod) => ({ host: (pod['status'] as PodStatus).podIP ?? '', port: 6379 }))
    const { password = '' } = await this.secret(`${name}-auth`)
    return startWriter({ dial: (...to) => this.platform.dial(...to), startAt, password, perSecond })
  }

  /** How often the containers of these pods were started again. */
  restarts(...names: readonly string[]): Promise<readonly number[]> {
    return Promise.all(
      names.map(async (name) => (await this.#podStatus(name)).containerStatuses?.[0]?.restartCount ?? 0),
    )
  }

  /** Ends the processes of pods without a warning, and waits until Kubernetes has started their containers again. */
  async crash(...names: readonly string[]): Promise<void> {
    const before = await this.restarts(...names)
    await Promise.all(names.map((name) => this.platform.switchboard.killInPod(this.namespace, name, 'SIGKILL')))
    await until(`the restart of ${names.join(', ')}`, PATIENCE_MS, async () => {
      const after = await this.restarts(...names)
      return after.every((count, index) => count > (before[index] ?? 0)) ? true : undefined
    })
  }

  /** Takes the controller away, or brings it back. */
  async controller(running: boolean): Promise<void> {
    const system = (...args: readonly string[]): Promise<string> =>
      this.platform.kubectl(['-n', SYSTEM, ...args], { deadline: PATIENCE_MS })
    await system('scale', CONTROLLER, `--replicas=${running ? 1 : 0}`)
    if (running) return void (await system('rollout', 'status', CONTROLLER, '--timeout=60s'))
    await until('the end of the controller', PATIENCE_MS, async () =>
      (await this.#pods(SYSTEM, 'app.kubernetes.io/component=cluster-controller')).length === 0 ? true : undefined,
    )
  }
}
