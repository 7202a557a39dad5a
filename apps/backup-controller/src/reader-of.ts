import type { AgentPorts } from '@slotkeeper/agents'
import type { RedisBackupStorageSpec, RedisRestoreSpec } from '@slotkeeper/api'
import { objectOf } from '@slotkeeper/backup'
import type { Io, Outcome } from '@slotkeeper/controller'
import type { BackupStatus } from '@slotkeeper/events'
import { isKubeError, type KubeObject, redisBackupStorages, redisRestores } from '@slotkeeper/k8s'

/** What of a backup tells that a restore reads it. */
export type ReadBackup = { readonly name: string; readonly storage: string; readonly manifest?: string | undefined }

const OVER: readonly string[] = ['Completed', 'Failed', 'Deleting']

/**
 * The name of a restore of the backup's namespace that needs what is stored of it; null when none does. One of another
 * namespace is not seen: it ends with `ObjectMissing`, before it has touched anything.
 */
async function readerOf(objects: AgentPorts['objects'], backup: KubeObject, io: Io): Promise<string | null> {
  const { name, namespace = '', uid = '' } = backup.metadata
  // One that was never told may be there all the same: by its name it is read.
  const { manifest = objectOf.manifest({ namespace, name, uid }) } = (backup['status'] ?? {}) as BackupStatus
  const { storageName } = backup['spec'] as { readonly storageName: string }
  const { items: restores } = await objects.list(redisRestores, { namespace }, io).catch((error: unknown) => {
    // Whoever has not installed restores has none.
    if (isKubeError(error, 'NotFound')) return { items: [] }
    throw error
  })
  if (restores.length === 0) return null
  const { items: storages } = await objects.list(redisBackupStorages, { namespace }, io)
  const its = { name, storage: storageName, manifest }
  return restores.find((one) => reads(one, its, storages, Date.now()))?.metadata.name ?? null
}

/**
 * What comes of deleting a backup that a restore reads; null where none does.
 *
 * @param named what the sentence calls it
 */
export async function inUse(
  objects: AgentPorts['objects'],
  backup: KubeObject,
  io: Io,
  named = 'it',
): Promise<Outcome | null> {
  const reader = await readerOf(objects, backup, io)
  if (reader === null) return null
  const message = `the RedisRestore ${reader} restores ${named}: it goes when that has ended`
  return { result: 'failed', reason: 'BackupInUse', message }
}

/** PURE: whether a restore may still read what is stored of a backup. */
export function reads(restore: KubeObject, backup: ReadBackup, storages: readonly KubeObject[], now: number): boolean {
  const { source, deadlineSeconds } = restore['spec'] as RedisRestoreSpec
  const { backup: named, stored } = source
  const isMeant = stored !== undefined && stored.manifest === backup.manifest
  if (named?.name !== backup.name && !(isMeant && maySharePlace(stored.storageName, backup.storage, storages)))
    return false
  const { state } = (restore['status'] ?? {}) as { readonly state?: string }
  if (state !== undefined) return !OVER.includes(state)
  // Nobody looks after it: it would have failed by then, and nothing is to wait longer.
  return !(now - Date.parse(restore.metadata.creationTimestamp ?? '') > deadlineSeconds * 1_000)
}

/**
 * Whether what is in one storage may be in the other: two may name the same bucket, by whatever endpoint. Of one that is not
 * there nothing is known.
 */
function maySharePlace(one: string, other: string, storages: readonly KubeObject[]): boolean {
  const [mine, its] = [one, other].map((name) => bucketOf(storages.find(({ metadata }) => metadata.name === name)))
  return one === other || mine === undefined || its === undefined || mine === its
}

function bucketOf(storage: KubeObject | undefined): string | undefined {
  const { s3, azure } = (storage?.['spec'] ?? {}) as Partial<RedisBackupStorageSpec>
  return s3?.bucket ?? (azure === undefined ? undefined : `${azure.account}/${azure.container}`)
}
