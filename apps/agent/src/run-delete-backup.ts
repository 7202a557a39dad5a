import { type AgentDone, objectOf } from '@slotkeeper/backup'
import { type ObjectStore, StorageError } from '@slotkeeper/object-storage'
import { deleteBelow } from './delete-below.ts'
import { limitsOf, type TaskContext, type TaskOf, withStorage } from './task-context.ts'

const NOTHING: ReadonlySet<string> = new Set()

/** Deletes a backup, the manifest first: what is left when it is interrupted is no backup. Harmless to repeat. */
export function runDeleteBackup({ backup }: TaskOf<'DeleteBackup'>, context: TaskContext): Promise<AgentDone> {
  return withStorage(context, {}, async (store) => {
    const limits = limitsOf(context)
    const manifest = objectOf.manifest(backup)
    const wasSealed = await isThere(store, manifest, limits)
    await store.delete([manifest], limits)
    const others = await deleteBelow(store, backup, NOTHING, limits)
    return { task: 'DeleteBackup', objects: others + (wasSealed ? 1 : 0) }
  })
}

async function isThere(store: ObjectStore, key: string, limits: Parameters<ObjectStore['head']>[1]): Promise<boolean> {
  try {
    await store.head(key, limits)
    return true
  } catch (error) {
    if (error instanceof StorageError && error.fault === 'NotFound') return false
    throw error
  }
}
