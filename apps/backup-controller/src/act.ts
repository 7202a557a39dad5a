import { GROUP, VERSION } from '@slotkeeper/api'
import { expiryOf } from '@slotkeeper/backup'
import type { ActIo, Outcome } from '@slotkeeper/controller'
import { setFinalizer } from '@slotkeeper/controller-host'
import type { BackupStatus } from '@slotkeeper/events'
import {
  type CallIo,
  isKubeError,
  jobs,
  type Objects,
  redisBackups,
  redisBackupSchedules,
  redisBackupStorages,
} from '@slotkeeper/k8s'
import { agentJob } from './agent-job.ts'
import { agentOf, type AppCommand } from './app-command.ts'
import { completedPart } from './caches.ts'

/** What acting reaches out to. */
export type ActPorts = { readonly objects: Objects; readonly image: (io: CallIo) => Promise<string> }

/** Answers of the API server to a Job that another try does not change: a quota, a webhook, a namespace that goes. */
const REFUSALS = ['Forbidden', 'Invalid', 'NotFound'] as const
const ACCEPTED: Outcome = { result: 'accepted' }
const RESOURCES = { backup: redisBackups, storage: redisBackupStorages, schedule: redisBackupSchedules } as const

/** Carries a command out; to repeat it is harmless. Throws what the API server refuses. */
export function act(ports: ActPorts, command: AppCommand, io: ActIo): Promise<Outcome> {
  const { objects } = ports
  switch (command.type) {
    case 'EnsureFinalizer':
      return setFinalizer(objects, RESOURCES[command.of.kind], command.of, true, io)
    case 'RemoveFinalizer':
      return setFinalizer(objects, RESOURCES[command.of.kind], command.of, false, io)
    case 'RunAgent':
      return runAgent(ports, command, io)
    case 'StopAgent':
      return stopAgent(ports, command, io)
    case 'ExpireBackup':
      return expire(ports, command, io)
  }
}

type Of<T extends AppCommand['type']> = Extract<AppCommand, { readonly type: T }>

async function runAgent({ objects, image }: ActPorts, command: Of<'RunAgent'>, io: ActIo): Promise<Outcome> {
  const { of, storage, cluster } = command
  if (storage === undefined) throw new Error(`${command.job} has no storage`)
  const owner = {
    apiVersion: `${GROUP}/${VERSION}`,
    kind: RESOURCES[of.kind].kind,
    name: of.name,
    uid: of.uid,
    controller: true,
    blockOwnerDeletion: true,
  }
  const job = agentJob({
    namespace: of.namespace,
    owner,
    agentOf: agentOf(of),
    image: await image(io),
    storage,
    cluster: cluster ?? null,
    order: command,
  })
  try {
    await objects.create(jobs, job, io)
  } catch (error) {
    // Its name says whose it is and for which attempt: it was created before, and the watch has not shown it yet.
    if (isKubeError(error, ...REFUSALS)) return { result: 'failed', reason: error.reason, message: error.message }
    if (!isKubeError(error, 'AlreadyExists', 'Conflict')) throw error
  }
  return ACCEPTED
}

/** In the foreground: the Job is there for as long as its pod is, which may still write. */
async function stopAgent({ objects }: ActPorts, { of, job, uid }: Of<'StopAgent'>, io: ActIo): Promise<Outcome> {
  try {
    await objects.delete(jobs, { namespace: of.namespace, name: job }, { uid, propagation: 'Foreground' }, io)
  } catch (error) {
    // Another one has its name by now.
    if (!isKubeError(error, 'Conflict')) throw error
  }
  return ACCEPTED
}

/** What cannot be taken back is decided once more, by what is there now and not by what was seen. */
async function expire({ objects }: ActPorts, { of }: Of<'ExpireBackup'>, io: ActIo): Promise<Outcome> {
  const { items } = await objects.list(redisBackups, { namespace: of.namespace }, io)
  const own = items.find((one) => one.metadata.uid === of.uid)
  if (own === undefined) return ACCEPTED
  const { storageName } = own['spec'] as { readonly storageName: string }
  const storage = await objects.get(redisBackupStorages, { namespace: of.namespace, name: storageName }, io)
  const policy = (storage?.['spec'] as { readonly retentionPolicy?: object } | undefined)?.retentionPolicy
  const status = (own['status'] ?? {}) as BackupStatus
  const { expired: _expired, ...kept } = status
  const its = completedPart(own, kept).completed
  const others = items
    .filter((one) => one !== own && (one['spec'] as { storageName?: string }).storageName === storageName)
    .flatMap((one) => completedPart(one, (one['status'] ?? {}) as BackupStatus).completed ?? [])
  if (its === undefined || expiryOf(its, others, policy, Date.now()) === null) {
    const message = 'by what is there now it is the one to keep, or the policy has changed'
    return { result: 'failed', reason: 'NotExpired', message }
  }
  if (!io.mayAct()) return { result: 'later', inMs: 1_000 }
  await objects.delete(redisBackups, of, { uid: of.uid }, io)
  return ACCEPTED
}
