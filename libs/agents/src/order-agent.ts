import type { ActIo, Outcome } from '@slotkeeper/controller'
import { type CallIo, isKubeError, jobs, type Objects, type ResourceDescriptor } from '@slotkeeper/k8s'
import { agentJob, type JobRequest } from './agent-job.ts'
import { agentOf, type AgentOwner, ownerOf } from './agent-owner.ts'
import { ownImage, type OwnPod } from './own-image.ts'

/** What ordering agents reaches out to. */
export type AgentPorts = {
  readonly objects: Objects
  readonly image: (io: CallIo) => Promise<string>
  /** User and group of the pods of clusters; `platform`: of no pod one is named, for the platform chooses. */
  readonly podUid: number | 'platform'
}

/** What agents are ordered through, by a process of ours. */
export const agentPorts = (objects: Objects, own: OwnPod): AgentPorts => ({
  objects,
  image: ownImage(objects, own),
  podUid: own.SLOTKEEPER_POD_UID,
})

/** What an agent is ordered by. */
export type AgentRequest = Omit<JobRequest, 'namespace' | 'owner' | 'agentOf' | 'image' | 'isUserChosen'> & {
  readonly of: AgentOwner
}

/** Answers of the API server to a Job that another try does not change: a quota, a webhook, a namespace that goes. */
const REFUSALS = ['Forbidden', 'Invalid', 'NotFound'] as const
const ACCEPTED: Outcome = { result: 'accepted' }

/** Starts an agent, if it was not started before; `resource` is the kind of its owner. */
export async function runAgent(
  { objects, image, podUid }: AgentPorts,
  resource: ResourceDescriptor,
  { of, ...request }: AgentRequest,
  io: ActIo,
): Promise<Outcome> {
  const { namespace } = of
  const owner = ownerOf(resource, of)
  const isUserChosen = podUid === 'platform'
  const job = agentJob({ ...request, namespace, owner, agentOf: agentOf(of), image: await image(io), isUserChosen })
  try {
    await objects.create(jobs, job, io)
  } catch (error) {
    // Its name says whose it is and for which attempt: it was created before, and the watch has not shown it yet.
    if (isKubeError(error, ...REFUSALS)) return { result: 'failed', reason: error.reason, message: error.message }
    if (!isKubeError(error, 'AlreadyExists', 'Conflict')) throw error
  }
  return ACCEPTED
}

/** Stops an agent. In the foreground: the Job is there for as long as its pod is, which may still write. */
export async function stopAgent(
  { objects }: Pick<AgentPorts, 'objects'>,
  { namespace, job, uid }: { readonly namespace: string; readonly job: string; readonly uid: string },
  io: ActIo,
): Promise<Outcome> {
  try {
    await objects.delete(jobs, { namespace, name: job }, { uid, propagation: 'Foreground' }, io)
  } catch (error) {
    // Another one has its name by now.
    if (!isKubeError(error, 'Conflict')) throw error
  }
  return ACCEPTED
}
