import { LABEL } from '@slotkeeper/api'
import { type KubeObject, type Kube, pods, redisClusters, startReflector } from '@slotkeeper/k8s'
import { type ClusterView, isTrue } from '../demo/tour.ts'

/** A pod as the bench follows it. */
export type SeenPod = {
  readonly name: string
  readonly uid: string
  readonly ip?: string
  readonly node?: string
  readonly running: boolean
}

/** A cluster followed by watches. The moments are of `performance.now()`, taken when the watch told. */
export type ClusterWatch = {
  /** When all pods had a running server for the first time. */
  runningAt(): number | undefined
  /** When the object said Ready for the first time. */
  readyAt(): number | undefined
  /** The pods as they are now. */
  pods(): readonly SeenPod[]
  stop(): Promise<void>
}

/** Follows a cluster that does not exist yet, and its pods, of which there will be `podCount`. */
export function watchCluster(
  kube: Kube,
  cluster: { readonly namespace: string; readonly name: string; readonly podCount: number },
  signal: AbortSignal,
): ClusterWatch {
  const { namespace, name, podCount } = cluster
  const ending = new AbortController()
  const end = (): void => ending.abort()
  signal.addEventListener('abort', end, { once: true })
  let runningAt: number | undefined
  let readyAt: number | undefined
  const scope = { kube, namespaces: [namespace], onProblem: () => undefined }
  const podCache = startReflector<SeenPod>(
    {
      ...scope,
      resource: pods,
      labelSelector: `${LABEL.cluster}=${name}`,
      project: seenPod,
      onChange: () => {
        const running = podCache.list(namespace).filter((pod) => pod.running).length
        if (running >= podCount) runningAt ??= performance.now()
      },
    },
    ending.signal,
  )
  const clusters = startReflector<boolean>(
    {
      ...scope,
      resource: redisClusters,
      project: (object) => object.metadata.name === name && isTrue(object as unknown as ClusterView, 'Ready'),
      onChange: ({ object: ready }) => {
        if (ready) readyAt ??= performance.now()
      },
    },
    ending.signal,
  )
  return {
    runningAt: () => runningAt,
    readyAt: () => readyAt,
    pods: () => podCache.list(namespace),
    stop: async () => {
      signal.removeEventListener('abort', end)
      end()
      await Promise.all([podCache.stopped, clusters.stopped])
    },
  }
}

function seenPod({ metadata, spec, status }: KubeObject): SeenPod {
  type Status = {
    readonly podIP?: string
    readonly containerStatuses?: readonly { readonly name: string; readonly state?: { readonly running?: object } }[]
  }
  const { podIP, containerStatuses } = (status ?? {}) as Status
  const server = containerStatuses?.find((one) => one.name === 'server')
  const node = (spec as { readonly nodeName?: string } | undefined)?.nodeName
  return {
    name: metadata.name,
    uid: metadata.uid ?? '',
    ...(node === undefined ? {} : { node }),
    running: server?.state?.running !== undefined,
    ...(podIP === undefined ? {} : { ip: podIP }),
  }
}
