import { type AgentProgress, type AgentRun, type AgentStep, parseReport } from '@slotkeeper/backup'
import { ANNOTATION, defined, LABEL } from '@slotkeeper/api'
import type { KubeObject } from '@slotkeeper/k8s'

/** What an agent's Job says of it. */
export type CachedJob = {
  readonly namespace: string
  readonly name: string
  readonly uid: string
  readonly agentOf: string
  readonly ownerUid: string
  readonly about: { readonly step: AgentStep; readonly part?: number; readonly attempt: number } | null
  /** Unix ms. */
  readonly createdAt: number
  readonly isOver: boolean
  readonly isStopping: boolean
}

/** What is kept of an agent's pod. */
export type CachedAgentPod = {
  readonly namespace: string
  readonly name: string
  readonly agentOf: string
  readonly jobUid: string
  readonly phase: string
  /** Whether the agent in it has ended; what others put beside it may run on. */
  readonly hasEnded: boolean
  readonly ip?: string
  readonly waitsFor?: string
  /** Its last words. */
  readonly words?: string
}

const STEPS: readonly string[] = [
  'find',
  'store',
  'seal',
  'delete',
  'check',
  'inspect',
  'load',
  'seed',
  'verify',
] satisfies readonly AgentStep[]
const STUCK = [
  'CreateContainerConfigError',
  'ErrImagePull',
  'ImagePullBackOff',
  'InvalidImageName',
  'ErrImageNeverPull',
  'CreateContainerError',
  'RunContainerError',
  'CrashLoopBackOff',
]

type Condition = { readonly type: string; readonly status: string; readonly message?: string }
type JobStatus = { readonly conditions?: readonly Condition[] }
type ContainerStatus = {
  readonly name?: string
  readonly state?: {
    readonly waiting?: { readonly reason?: string; readonly message?: string }
    readonly terminated?: { readonly message?: string }
  }
}
type PodStatus = {
  readonly phase?: string
  readonly podIP?: string
  readonly conditions?: readonly Condition[]
  readonly initContainerStatuses?: readonly ContainerStatus[]
  readonly containerStatuses?: readonly ContainerStatus[]
}

/** What is kept of a Job. */
export function projectJob({ metadata, ...object }: KubeObject): CachedJob {
  const { conditions = [] } = (object['status'] ?? {}) as JobStatus
  return {
    namespace: metadata.namespace ?? '',
    name: metadata.name,
    uid: metadata.uid ?? '',
    agentOf: metadata.labels?.[LABEL.agentOf] ?? '',
    ownerUid: metadata.ownerReferences?.find((one) => one.controller === true)?.uid ?? '',
    about: aboutOf(metadata.annotations?.[ANNOTATION.agent]),
    createdAt: Date.parse(String(metadata.creationTimestamp ?? '')) || 0,
    isOver: conditions.some(({ type, status }) => status === 'True' && (type === 'Complete' || type === 'Failed')),
    isStopping: metadata.deletionTimestamp !== undefined,
  }
}

function aboutOf(text: string | undefined): CachedJob['about'] {
  try {
    const about = JSON.parse(text ?? 'null') as CachedJob['about']
    return about !== null && STEPS.includes(about.step) && Number.isInteger(about.attempt) ? about : null
  } catch {
    return null
  }
}

/** What is kept of a pod. */
export function projectAgentPod({ metadata, ...object }: KubeObject): CachedAgentPod {
  const status = (object['status'] ?? {}) as PodStatus
  const { phase = 'Pending', podIP } = status
  return defined({
    namespace: metadata.namespace ?? '',
    name: metadata.name,
    agentOf: metadata.labels?.[LABEL.agentOf] ?? '',
    jobUid: metadata.ownerReferences?.find((one) => one.controller === true)?.uid ?? '',
    phase,
    ip: podIP,
    waitsFor: phase === 'Pending' ? (waitsFor(status) ?? withoutSidecars(object['spec'])) : undefined,
    hasEnded: phase === 'Succeeded' || phase === 'Failed' || agentIn(status)?.terminated !== undefined,
    words: agentIn(status)?.terminated?.message,
  })
}

const agentIn = ({ containerStatuses = [] }: PodStatus) => containerStatuses.find((one) => one.name === 'agent')?.state

/** Why a pod does not start, where time alone may not cure it. */
function waitsFor({
  conditions = [],
  initContainerStatuses = [],
  containerStatuses = [],
}: PodStatus): string | undefined {
  const unscheduled = conditions.find((one) => one.type === 'PodScheduled' && one.status === 'False')
  if (unscheduled?.message !== undefined) return unscheduled.message
  const stuck = [...initContainerStatuses, ...containerStatuses]
    .filter(({ name }) => name === 'agent' || name === 'server')
    .map(({ state }) => state?.waiting)
    .find((waiting) => STUCK.includes(waiting?.reason ?? ''))
  return stuck === undefined ? undefined : `its container: ${stuck.message ?? stuck.reason}`
}

/** A Kubernetes that knows no sidecars waits for the end of the server before it starts the agent. */
function withoutSidecars(spec: unknown): string | undefined {
  const { initContainers = [] } = (spec ?? {}) as {
    readonly initContainers?: readonly { readonly name?: string; readonly restartPolicy?: string }[]
  }
  const server = initContainers.find((one) => one.name === 'server')
  if (server === undefined || server.restartPolicy === 'Always') return undefined
  return 'this Kubernetes knows no sidecar containers: verify restore needs 1.29 or later'
}

/** So long after its Job was made a pod is there, unless it is refused. */
const POD_WITHIN_MS = 30_000

/** Why an agent does not run, as far as that is seen. */
function hindrance({ name, createdAt, isOver }: CachedJob, pod: CachedAgentPod | undefined, now: number) {
  if (pod !== undefined || isOver || now - createdAt < POD_WITHIN_MS) return pod?.waitsFor
  return `its pod is not made, perhaps for a quota, a policy or a missing service account: kubectl describe job ${name} says why`
}

/** What else is known of agents. */
export type RunsContext = {
  /** How far an agent is, by the uid of its Job. */
  readonly progress: ReadonlyMap<string, AgentProgress>
  /** Unix ms. */
  readonly now: number
}

/** The agents of one object, by their Jobs and pods. */
export function agentRuns(
  jobs: readonly CachedJob[],
  pods: readonly CachedAgentPod[],
  { progress, now }: RunsContext,
): readonly AgentRun[] {
  return jobs.flatMap((job): readonly AgentRun[] => {
    if (job.about === null) return []
    const pod = pods.find((one) => one.jobUid === job.uid)
    const isGone = pod === undefined ? job.isOver : pod.hasEnded
    const { name, uid, isStopping, about } = job
    const so = progress.get(job.uid)
    const waitsFor = hindrance(job, pod, now)
    return [
      {
        job: name,
        uid,
        ...about,
        // The words come with the end of the pod, which the Job may tell of before.
        state: isGone ? 'ended' : 'running',
        report: isGone ? parseReport(pod?.words) : null,
        isStopping,
        isGone,
        ...(waitsFor === undefined ? {} : { waitsFor }),
        ...(so === undefined ? {} : { progress: so }),
      },
    ]
  })
}
