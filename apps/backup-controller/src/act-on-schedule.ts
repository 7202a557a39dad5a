import { GROUP, LABEL, VERSION } from '@slotkeeper/api'
import { isAllStored, isReplaceable } from '@slotkeeper/backup'
import type { ActIo, Outcome } from '@slotkeeper/controller'
import { setFinalizer } from '@slotkeeper/controller-host'
import type { BackupStatus } from '@slotkeeper/events'
import { isKubeError, type Objects, redisBackups, redisBackupSchedules } from '@slotkeeper/k8s'
import type { ScheduleAppCommand } from './decide-schedule.ts'
import { deleteMarked } from './deletion-mark.ts'
import { inUse } from './reader-of.ts'

const ACCEPTED: Outcome = { result: 'accepted' }

/** Carries a command for a schedule out; to repeat it is harmless. Throws what the API server refuses. */
export async function actOnSchedule(objects: Objects, command: ScheduleAppCommand, io: ActIo): Promise<Outcome> {
  const { of } = command
  switch (command.type) {
    case 'EnsureFinalizer':
      return setFinalizer(objects, redisBackupSchedules, of, true, io)
    case 'RemoveFinalizer':
      return setFinalizer(objects, redisBackupSchedules, of, false, io)
    case 'DeleteBackup':
      return remove(objects, command, io)
    case 'CreateBackup':
      return create(objects, command, io)
  }
}

/**
 * Deletes a backup, decided once more by what is there now and not by what was seen. What was never whole goes with what is
 * stored of it, whatever its template says: nothing would ever find it again. What may be whole stays if that is said; which of
 * them it is its deletion decides, by what it is then.
 */
async function remove(
  objects: Objects,
  { of, name, uid, why }: Extract<ScheduleAppCommand, { readonly type: 'DeleteBackup' }>,
  io: ActIo,
): Promise<Outcome> {
  const key = { namespace: of.namespace, name }
  const found = await objects.get(redisBackups, key, io)
  const { uid: its, deletionTimestamp } = found?.metadata ?? {}
  if (found === null || its !== uid || deletionTimestamp !== undefined) return ACCEPTED
  const status = (found['status'] ?? {}) as Partial<BackupStatus>
  const { state, endedAt } = status
  // What says nothing may be completed, and its status lost.
  if (why === 'Failed' ? state !== 'Failed' : endedAt !== undefined || !isReplaceable(state)) return ACCEPTED
  const held = isAllStored(status) ? await inUse(objects, found, io, name) : null
  if (held !== null) return held
  if (!io.mayAct()) return { result: 'later', inMs: 1_000 }
  await deleteMarked(objects, found, { by: 'discarded', why }, io)
  return ACCEPTED
}

/** No owner: what a schedule made outlives it. */
async function create(
  objects: Objects,
  { of, name, template }: Extract<ScheduleAppCommand, { readonly type: 'CreateBackup' }>,
  io: ActIo,
): Promise<Outcome> {
  const labels = { [LABEL.name]: 'slotkeeper', [LABEL.managedBy]: 'slotkeeper', [LABEL.schedule]: of.name }
  const metadata = { name, namespace: of.namespace, labels }
  const backup = { apiVersion: `${GROUP}/${VERSION}`, kind: redisBackups.kind, metadata, spec: template }
  try {
    await objects.create(redisBackups, backup, io)
    return ACCEPTED
  } catch (error) {
    if (!isKubeError(error, 'AlreadyExists', 'Conflict')) throw error
  }
  const found = await objects.get(redisBackups, { namespace: of.namespace, name }, io)
  if (found === null || found.metadata.labels?.[LABEL.schedule] === of.name) return ACCEPTED
  const message = `a RedisBackup ${name} is there that this schedule did not make: delete or rename it`
  return { result: 'failed', reason: 'NameTaken', message }
}
