import { setTimeout as pause } from 'node:timers/promises'
import { CLIENT_PORT, LABEL } from '@slotkeeper/api'
import { type Kube, type KubeObject, pods, redisClusters, startReflector } from '@slotkeeper/k8s'
import { parseClusterNodes } from '@slotkeeper/redis-topology'
import { connectServer, type Dial } from '@slotkeeper/testing'
import type { Claim, SeenStatus } from './invariants.ts'

/** A pod as a trial looks at it. */
export type SeenPod = {
  readonly name: string
  readonly uid: string
  readonly ip: string
  readonly node: string
  readonly restarts: number
  /** As it is labelled: what Services select by. */
  readonly role: string
  readonly deleting: boolean
}

/** What is followed of a cluster, from outside, for as long as a trial lasts. */
export type Watch = {
  statuses(): readonly SeenStatus[]
  pods(): readonly SeenPod[]
  /** Pods that were made anew, or whose container was, since the watch began. */
  disturbed(): readonly string[]
  claims(): readonly Claim[]
  stop(): Promise<void>
}

/** Where the cluster is, and as whom its servers are asked. */
export type Watched = {
  readonly kube: Kube
  readonly dial: Dial
  readonly namespace: string
  readonly name: string
  readonly control: { readonly username: string; readonly password: string }
}

const CLAIM_EVERY_MS = 100

/** Follows the statuses and pods of a cluster by watches, and asks each of its servers again and again what it owns. */
export async function startWatch(watched: Watched): Promise<Watch> {
  const { kube, namespace, name } = watched
  const ending = new AbortController()
  const statuses: SeenStatus[] = []
  const disturbed = new Set<string>()
  const claims: Claim[] = []
  const asking: Promise<void>[] = []
  const scope = { kube, namespaces: [namespace], onProblem: () => undefined }
  const clusters = startReflector<KubeObject>(
    {
      ...scope,
      resource: redisClusters,
      project: (object) => object,
      onChange: ({ type, object }) => {
        const { status } = object
        if (object.metadata.name === name && type !== 'deleted' && status !== undefined)
          statuses.push({ at: performance.now(), status: status as SeenStatus['status'] })
      },
    },
    ending.signal,
  )
  const podCache = startReflector<SeenPod>(
    {
      ...scope,
      resource: pods,
      labelSelector: `${LABEL.cluster}=${name}`,
      project: seenPod,
      onChange: (change) => {
        const { object } = change
        const another = change.type === 'modified' && change.previous.restarts !== object.restarts
        if (change.type === 'deleted' || another) disturbed.add(object.name)
        if (change.type !== 'added') return
        asking.push(
          askForClaims(watched, object.name, () => podCache.get(namespace, object.name), claims, ending.signal),
        )
      },
    },
    ending.signal,
  )
  await Promise.all([clusters.synced(AbortSignal.timeout(30_000)), podCache.synced(AbortSignal.timeout(30_000))])
  return {
    statuses: () => statuses,
    pods: () => podCache.list(namespace),
    disturbed: () => [...disturbed].toSorted(),
    claims: () => claims,
    stop: async () => {
      ending.abort()
      await Promise.all([clusters.stopped, podCache.stopped, ...asking])
    },
  }
}

/** Asks one pod's server what it owns until the pod is gone; a claim is kept when it differs from the one before. */
async function askForClaims(
  { dial, control }: Watched,
  pod: string,
  find: () => SeenPod | undefined,
  claims: Claim[],
  signal: AbortSignal,
): Promise<void> {
  const uid = find()?.uid
  let last = ''
  while (!signal.aborted && find()?.uid === uid) {
    const host = find()?.ip ?? ''
    const client =
      host === ''
        ? undefined
        : await connectServer(dial, { host, port: CLIENT_PORT, ...control }).catch(() => undefined)
    try {
      while (client !== undefined && !signal.aborted) {
        const row = parseClusterNodes(String(await client.cluster('NODES'))).find((one) => one.myself)
        const text = JSON.stringify(row)
        if (row !== undefined && text !== last) claims.push({ at: performance.now(), pod, row })
        last = text
        await rest(signal)
      }
    } catch {
      // It is asked again on a new connection.
    } finally {
      client?.disconnect()
    }
    await rest(signal)
  }
}

const rest = (signal: AbortSignal): Promise<void> => pause(CLAIM_EVERY_MS, undefined, { signal }).catch(() => undefined)

function seenPod({ metadata, spec, status }: KubeObject): SeenPod {
  type Status = {
    readonly podIP?: string
    readonly containerStatuses?: readonly { readonly restartCount: number }[]
  }
  const { podIP = '', containerStatuses } = (status ?? {}) as Status
  return {
    name: metadata.name,
    uid: metadata.uid ?? '',
    ip: podIP,
    node: (spec as { readonly nodeName?: string } | undefined)?.nodeName ?? '',
    role: metadata.labels?.[LABEL.role] ?? '',
    restarts: containerStatuses?.[0]?.restartCount ?? 0,
    deleting: metadata.deletionTimestamp !== undefined,
  }
}
