import { isKubeError, type Kube, type KubeObject, nodes, startPermittedReflector } from '@slotkeeper/k8s'
import { type HostView, OUT_OF_SERVICE_TAINT } from '@slotkeeper/redis-topology'

/** The machines of Kubernetes. The permission is optional: without it no lost machine is told of, and no taint is seen. */
export type Hosts = {
  /** Those of these names that exist; null while they can't be read. */
  among(names: ReadonlySet<string>): Readonly<Record<string, HostView>> | null
}

type Options = {
  readonly kube: Kube
  /** A machine was lost, came back, or was said to be out of service. */
  readonly onChange: (name: string) => void
  readonly onProblem: (error: unknown) => void
}

type Host = { readonly name: string; readonly notReadySince?: number; readonly outOfService: boolean }

const REFUSED = new Error(
  'nodes may not be read: a lost one is not told of (the optional ClusterRole slotkeeper-cluster-controller-nodes)',
)

/** Starts to follow the machines; the signal stops it. */
export function startHosts({ kube, onChange, onProblem }: Options, signal: AbortSignal): Hosts {
  const cache = startPermittedReflector<Host>(
    {
      kube,
      resource: nodes,
      project,
      onProblem: (error) => onProblem(isKubeError(error) && error.reason === 'Forbidden' ? REFUSED : error),
      onChange: (change) => {
        if (change.type !== 'modified' || differ(change.previous, change.object)) onChange(change.object.name)
      },
    },
    signal,
  )
  return {
    among(names) {
      const known = cache()
      if (known === undefined) return null
      const now = Date.now()
      const found = [...names].flatMap((name) => known.get('', name) ?? [])
      return Object.fromEntries(found.map((host) => [host.name, viewOf(host, now)]))
    },
  }
}

function viewOf({ notReadySince, outOfService }: Host, now: number): HostView {
  const ready = notReadySince === undefined
  return { ready, notReadyMs: ready ? 0 : Math.max(0, now - notReadySince), outOfService }
}

function differ(a: Host, b: Host): boolean {
  return a.notReadySince !== b.notReadySince || a.outOfService !== b.outOfService
}

type Ready = { readonly type: string; readonly status: string; readonly lastTransitionTime?: string }

function project(object: KubeObject): Host {
  const { conditions } = (object['status'] ?? {}) as { readonly conditions?: readonly Ready[] }
  const { taints } = (object['spec'] ?? {}) as { readonly taints?: readonly { readonly key: string }[] }
  const ready = conditions?.find((one) => one.type === 'Ready')
  const lost = ready !== undefined && ready.status !== 'True'
  return {
    name: object.metadata.name,
    outOfService: taints?.some((one) => one.key === OUT_OF_SERVICE_TAINT) ?? false,
    ...(lost ? { notReadySince: Date.parse(ready.lastTransitionTime ?? '') || 0 } : {}),
  }
}
