import { type KubeObject, leases, type Objects, pods } from '@slotkeeper/k8s'
import { until } from '@slotkeeper/testing'
import type { Platform, PodSignal } from '../local/src/index.ts'

const CALL_MS = 10_000
const PATIENCE_MS = 120_000
/** Where Slotkeeper is installed. */
export const SYSTEM = 'slotkeeper-system'
const DEPLOYMENT = 'deployment/slotkeeper-cluster-controller'
const COMPONENT = 'app.kubernetes.io/component=cluster-controller'
const NEEDED = 'app.kubernetes.io/component in (cluster-controller, nats)'
const LEASE = { namespace: SYSTEM, name: 'slotkeeper-cluster-controller' }

/** A pod of the controller. */
export type ControllerPod = { readonly name: string; readonly ip: string; readonly node: string }

/** The controller's own pods, and what may be done to them. */
export class ControllerPods {
  readonly #platform: Platform
  readonly #objects: Objects

  constructor(platform: Platform, objects: Objects) {
    this.#platform = platform
    this.#objects = objects
  }

  /** kubectl in the namespace of the controller. */
  kubectl(...args: readonly string[]): Promise<string> {
    return this.#platform.kubectl(['-n', SYSTEM, ...args], { deadline: PATIENCE_MS })
  }

  /** All that are there. */
  async list(): Promise<readonly ControllerPod[]> {
    const io = { signal: AbortSignal.timeout(CALL_MS) }
    const { items } = await this.#objects.list(pods, { namespace: SYSTEM, labelSelector: COMPONENT }, io)
    return items.map(podOf)
  }

  /** The nodes that carry what clusters depend on: this controller and NATS, not the controller of backups. */
  async nodes(): Promise<readonly string[]> {
    const io = { signal: AbortSignal.timeout(CALL_MS) }
    const { items } = await this.#objects.list(pods, { namespace: SYSTEM, labelSelector: NEEDED }, io)
    return [...new Set(items.map((one) => podOf(one).node))]
  }

  /** Who holds the Lease; empty when nobody does. */
  async holder(): Promise<string> {
    const lease = await this.#objects.get(leases, LEASE, { signal: AbortSignal.timeout(CALL_MS) })
    return (lease?.['spec'] as { readonly holderIdentity?: string } | undefined)?.holderIdentity ?? ''
  }

  /** The pod of the holder; throws when it is none of ours. */
  async leading(): Promise<ControllerPod> {
    const holder = await until('a holder of the Lease', PATIENCE_MS, async () => (await this.holder()) || undefined)
    const found = (await this.list()).find(({ name }) => holder.startsWith(name))
    if (found === undefined) throw new Error(`the Lease is held by ${holder}, which is no pod of the controller`)
    return found
  }

  /** Waits until the Lease was renewed that many times. */
  async renewals(count: number): Promise<void> {
    const seen = new Set<string>()
    await until(`${count} renewals of the Lease`, PATIENCE_MS, async () => {
      const lease = await this.#objects.get(leases, LEASE, { signal: AbortSignal.timeout(CALL_MS) })
      seen.add(lease?.metadata.resourceVersion ?? '')
      return seen.size > count || undefined
    })
  }

  /** Waits until another than that one holds the Lease. */
  async succeeded(than: string): Promise<void> {
    await until(`another holder of the Lease than ${than}`, PATIENCE_MS, async () => {
      const holder = await this.holder()
      return (holder !== '' && holder !== than) || undefined
    })
  }

  /** Sends a signal to the processes of a pod. */
  async signal(pod: ControllerPod, signal: PodSignal): Promise<void> {
    await this.#platform.switchboard.killInPod(SYSTEM, pod.name, signal)
  }

  /**
   * SIGKILL to the one that leads, in the middle of whatever it does. Its pod is replaced, for a container that was killed
   * often is made to wait by kubelet.
   */
  async kill(): Promise<void> {
    const pod = await this.leading()
    await this.signal(pod, 'SIGKILL')
    await this.kubectl('delete', 'pod', pod.name, '--force', '--grace-period=0', '--ignore-not-found')
  }

  /** Makes it that many, and waits until they are available; the end of others is waited for as well. */
  async scale(replicas: number): Promise<void> {
    await this.kubectl('scale', DEPLOYMENT, `--replicas=${replicas}`)
    await this.kubectl('rollout', 'status', DEPLOYMENT, '--timeout=90s')
    await until('the end of the other controllers', PATIENCE_MS, async () =>
      (await this.list()).length === replicas ? true : undefined,
    )
  }

  /** What they have written to their logs. */
  log(): Promise<string> {
    return this.kubectl('logs', '-l', COMPONENT, '--prefix', '--tail=400')
  }
}

function podOf({ metadata, spec, status }: KubeObject): ControllerPod {
  return {
    name: metadata.name,
    ip: (status as { readonly podIP?: string } | undefined)?.podIP ?? '',
    node: (spec as { readonly nodeName?: string } | undefined)?.nodeName ?? '',
  }
}
