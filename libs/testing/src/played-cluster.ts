import { join } from 'node:path'
import {
  connectKube,
  jobs,
  type Kube,
  type KubeObject,
  leases,
  type Objects,
  objectsOf,
  pods,
  redisBackups,
  redisBackupSchedules,
  redisBackupStorages,
  redisClusters,
  redisRestores,
  type ResourceDescriptor,
} from '@slotkeeper/k8s'
import { type AgentPlan, agentPlan, type AgentReport } from '@slotkeeper/backup'
import { connectNats, createEventStore } from '@slotkeeper/nats'
import { createLogger, createMetrics, type Logger, type Metrics } from '@slotkeeper/observability'
import { type KubeApiServer, startKubeApiServer } from './kube-apiserver.ts'
import { kubectl, kubectlShell } from './limited-user.ts'
import { type NatsServer, startNatsServer } from './nats-server.ts'
import { until } from './until.ts'

const PATIENCE_MS = 60_000
const NAMESPACE = 'shop'
const TOLD = {
  backup: redisBackups,
  backupschedule: redisBackupSchedules,
  cluster: redisClusters,
  restore: redisRestores,
  storage: redisBackupStorages,
} as const
const ROOT = join(import.meta.dirname, '../../..')
const CRDS = join(ROOT, 'deploy/crds')

type Job = {
  readonly metadata: { readonly uid: string; readonly name: string }
  readonly spec: {
    readonly template: { readonly metadata: { readonly labels: Record<string, string> }; readonly spec: PodSpec }
  }
}
type PodSpec = { readonly containers: readonly { readonly env: readonly { readonly value: string }[] }[] }

/** Runs a controller until its signal fires, with this environment. */
export type PlayedController = (
  env: Readonly<Record<string, string>>,
  lent: {
    readonly log: Logger
    readonly metrics: Metrics
    readonly holder: string
    readonly signal: AbortSignal
  },
) => Promise<unknown>

type Servers = { readonly api: KubeApiServer; readonly nats: NatsServer }

/** A real API server and event store, with the controller running; what Kubernetes would do with Jobs is done by hand. */
export class PlayedCluster {
  /** What the controller logged. */
  readonly lines: string[] = []
  readonly metrics = createMetrics()
  readonly #servers: Servers
  readonly #kube: Kube
  readonly #objects: Objects
  readonly #stop = new AbortController()
  readonly #io = { signal: this.#stop.signal }
  readonly #controller: PlayedController
  #stopController: () => Promise<void> = () => Promise.resolve()

  private constructor(servers: Servers, controller: PlayedController) {
    this.#servers = servers
    this.#controller = controller
    this.#kube = connectKube({ kubeconfigPath: servers.api.kubeconfig })
    this.#objects = objectsOf(this.#kube)
  }

  /** Starts all; the Lease of that name is free. */
  static async start(lease: string, controller: PlayedController): Promise<PlayedCluster> {
    const servers = { api: await startKubeApiServer(), nats: await startNatsServer() }
    const cluster = new PlayedCluster(servers, controller)
    const { api } = cluster.#servers
    await kubectl(api, 'apply', '-k', CRDS)
    await kubectl(api, 'wait', '--for=condition=Established', 'crd', '--all', '--timeout=30s')
    await kubectl(api, 'create', 'namespace', NAMESPACE)
    await kubectl(api, 'label', 'namespace', NAMESPACE, 'pod-security.kubernetes.io/enforce=restricted')
    await kubectl(api, '-n', NAMESPACE, 'create', 'serviceaccount', 'default')
    // Given back by whoever led before: nobody is waited for.
    const spec = { holderIdentity: '', leaseDurationSeconds: 15 }
    const metadata = { namespace: 'default', name: lease }
    const free = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata, spec }
    await cluster.#objects.create(leases, free, cluster.#io)
    cluster.#run()
    return cluster
  }

  #run(): void {
    const mine = new AbortController()
    const env = {
      SLOTKEEPER_NAMESPACE: 'default',
      SLOTKEEPER_NATS_URL: this.#servers.nats.url,
      SLOTKEEPER_IMAGE: 'slotkeeper:test',
      KUBECONFIG: this.#servers.api.kubeconfig,
    }
    const running = this.#controller(env, {
      log: createLogger({ level: 'debug', name: 'test', write: (line) => this.lines.push(line) }),
      metrics: this.metrics,
      holder: `holder-${Math.random()}`,
      signal: mine.signal,
    })
    this.#stopController = async () => {
      mine.abort()
      await running
    }
  }

  /** Ends the controller, and starts another. */
  async restart(): Promise<void> {
    await this.#stopController()
    this.#run()
  }

  async stop(): Promise<void> {
    await this.#stopController()
    this.#stop.abort()
    await this.#kube.close()
    await Promise.all([this.#servers.nats.stop(), this.#servers.api.stop()])
  }

  /** An object; null where there is none. */
  find(resource: ResourceDescriptor, name: string): Promise<KubeObject | null> {
    return this.#objects.get(resource, { namespace: NAMESPACE, name }, this.#io)
  }

  /** Creates an object; `marks` are its labels and annotations. */
  create(resource: ResourceDescriptor, name: string, spec: object, marks: object = {}): Promise<KubeObject> {
    const { group, version, kind } = resource
    const apiVersion = group === '' ? version : `${group}/${version}`
    const object = { apiVersion, kind, metadata: { ...marks, name, namespace: NAMESPACE }, spec }
    return this.#objects.create(resource, object, this.#io)
  }

  /** Writes a status, as another controller would. */
  async tell(resource: ResourceDescriptor, name: string, status: object): Promise<void> {
    const uid = (await this.find(resource, name))?.metadata.uid ?? ''
    await this.#objects.patchStatus(resource, { namespace: NAMESPACE, name }, status, { uid }, this.#io)
  }

  async change(resource: ResourceDescriptor, name: string, spec: object): Promise<void> {
    const uid = (await this.find(resource, name))?.metadata.uid ?? ''
    await this.#objects.patch(resource, { namespace: NAMESPACE, name }, { spec }, { uid }, this.#io)
  }

  async annotate(resource: ResourceDescriptor, name: string, annotations: object): Promise<void> {
    const uid = (await this.find(resource, name))?.metadata.uid ?? ''
    await this.#objects.patch(
      resource,
      { namespace: NAMESPACE, name },
      { metadata: { annotations } },
      { uid },
      this.#io,
    )
  }

  async remove(resource: ResourceDescriptor, name: string): Promise<void> {
    const uid = (await this.find(resource, name))?.metadata.uid ?? ''
    await this.#objects.delete(resource, { namespace: NAMESPACE, name }, { uid }, this.#io)
  }

  /** Runs lines of a shell as a person would in the root of the repository; gives what they print. */
  shell(lines: string): Promise<string> {
    return kubectlShell(this.#servers.api, lines, ROOT)
  }

  /** Takes away what owns an object, as Kubernetes does with claims that are to stay. */
  async disown(resource: ResourceDescriptor, name: string): Promise<void> {
    const uid = (await this.find(resource, name))?.metadata.uid ?? ''
    const none = { metadata: { ownerReferences: null } }
    await this.#objects.patch(resource, { namespace: NAMESPACE, name }, none, { uid }, this.#io)
  }

  /** A pod is gone, as when kubelet has ended all of it. */
  async vanish(resource: ResourceDescriptor, name: string): Promise<void> {
    const uid = (await this.find(resource, name))?.metadata.uid
    if (uid === undefined) return
    await this.#objects.delete(resource, { namespace: NAMESPACE, name }, { uid, gracePeriodSeconds: 0 }, this.#io)
  }

  /** Waits until an object is in a state; gives its status. */
  sees(resource: ResourceDescriptor, name: string, state: string): Promise<Readonly<Record<string, unknown>>> {
    return until(`${resource.kind} ${name}: ${state}`, PATIENCE_MS, async () => {
      const status = (await this.find(resource, name))?.['status'] as { readonly state?: string } | undefined
      return status?.state === state ? status : undefined
    })
  }

  /** Waits for a Job by the end of its name, and by the beginning. */
  jobNamed(part: string, of = ''): Promise<Job> {
    return until(`the Job ${of}...${part}`, PATIENCE_MS, async () => {
      const { items } = await this.#objects.list(jobs, { namespace: NAMESPACE }, this.#io)
      return items.find(({ metadata: { name } }) => name.startsWith(of) && name.endsWith(part)) as unknown as
        | Job
        | undefined
    })
  }

  /** What the agent of a Job was told to do. */
  planOf({ spec: { template } }: Job): AgentPlan {
    return agentPlan.parse(JSON.parse(template.spec.containers[0]?.env[0]?.value ?? ''))
  }

  /** Makes the pod of a Job, as the template says, and lets it end with these words. */
  async end({ metadata, spec: { template } }: Job, report: AgentReport): Promise<void> {
    const owner = { apiVersion: 'batch/v1', kind: 'Job', name: metadata.name, uid: metadata.uid, controller: true }
    const made = { name: `${metadata.name}-x`, namespace: NAMESPACE, ...template.metadata, ownerReferences: [owner] }
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: made, spec: template.spec }
    await this.#objects.create(pods, pod, this.#io)
    const terminated = { exitCode: 0, reason: 'Completed', message: JSON.stringify(report) }
    const container = { name: 'agent', image: 'slotkeeper:test', imageID: '', ready: false, restartCount: 0 }
    await this.tell(pods, made.name, {
      phase: report.result === 'Done' ? 'Succeeded' : 'Failed',
      containerStatuses: [{ ...container, state: { terminated } }],
    })
  }

  /** All that was told of an object, by type, once everything is told that was committed. */
  async told(kind: keyof typeof TOLD, name: string): Promise<readonly string[]> {
    // What is gone was let go of only when all was told.
    await until(`${kind} ${name}: an empty outbox`, PATIENCE_MS, async () => {
      const found = await this.find(TOLD[kind], name)
      const { lifecycle } = (found?.['status'] ?? {}) as {
        readonly lifecycle?: { readonly seq: number; readonly published: number }
      }
      return found === null || (lifecycle !== undefined && lifecycle.seq === lifecycle.published) ? true : undefined
    })
    const connection = await connectNats({ url: this.#servers.nats.url, name: 'test', signal: this.#stop.signal })
    const events: string[] = []
    const filter = `redis.evt.${kind}.${NAMESPACE}.${name}.>`
    for await (const { event } of createEventStore({ connection, mode: 'ensure' }).read({ filter }))
      events.push(event?.type ?? '')
    return events
  }
}
