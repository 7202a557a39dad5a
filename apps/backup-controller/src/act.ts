import { type AgentPorts, runAgent, stopAgent } from '@slotkeeper/agents'
import { defined } from '@slotkeeper/api'
import { expiryOf } from '@slotkeeper/backup'
import type { ActIo, Outcome } from '@slotkeeper/controller'
import { setFinalizer } from '@slotkeeper/controller-host'
import type { BackupStatus } from '@slotkeeper/events'
import { redisBackups, redisBackupSchedules, redisBackupStorages } from '@slotkeeper/k8s'
import type { AppCommand } from './app-command.ts'
import { completedPart } from './caches.ts'
import { deleteMarked } from './deletion-mark.ts'
import { inUse } from './reader-of.ts'

const ACCEPTED: Outcome = { result: 'accepted' }
const RESOURCES = { backup: redisBackups, storage: redisBackupStorages, schedule: redisBackupSchedules } as const

/** Carries a command out; to repeat it is harmless. Throws what the API server refuses. */
export function act(ports: AgentPorts, command: AppCommand, io: ActIo): Promise<Outcome> {
  const { objects } = ports
  switch (command.type) {
    case 'EnsureFinalizer':
      return setFinalizer(objects, RESOURCES[command.of.kind], command.of, true, io)
    case 'RemoveFinalizer':
      return setFinalizer(objects, RESOURCES[command.of.kind], command.of, false, io)
    case 'RunAgent':
      return order(ports, command, io)
    case 'StopAgent':
      return stopAgent(ports, { namespace: command.of.namespace, job: command.job, uid: command.uid }, io)
    case 'ExpireBackup':
      return expire(ports, command, io)
  }
}

type Of<T extends AppCommand['type']> = Extract<AppCommand, { readonly type: T }>

function order(ports: AgentPorts, command: Of<'RunAgent'>, io: ActIo): Promise<Outcome> {
  const { of, storage, cluster = null, server, isCopy, scratch } = command
  if (storage === undefined) throw new Error(`${command.job} has no storage`)
  const request = { of, storage, cluster, ...defined({ server, isCopy, scratch }), order: command }
  return runAgent(ports, RESOURCES[of.kind], request, io)
}

/** What cannot be taken back is decided once more, by what is there now and not by what was seen. */
async function expire({ objects }: AgentPorts, { of, why }: Of<'ExpireBackup'>, io: ActIo): Promise<Outcome> {
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
  const held = await inUse(objects, own, io)
  if (held !== null) return held
  if (!io.mayAct()) return { result: 'later', inMs: 1_000 }
  await deleteMarked(objects, own, { by: 'expired', why }, io)
  return ACCEPTED
}
