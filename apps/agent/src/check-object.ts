import type { BackupShard } from '@slotkeeper/backup'
import type { Limits, ObjectStore } from '@slotkeeper/object-storage'
import { AgentError } from './agent-error.ts'
import { objectMissing } from './object-missing.ts'

/**
 * Looks whether the object of a shard is there, and as large as it was stored.
 *
 * @throws AgentError `ObjectMissing`, `ObjectDamaged`; StorageError
 */
export async function checkObject(
  store: ObjectStore,
  { shard, object, bytes: expected }: BackupShard,
  limits: Limits,
): Promise<void> {
  const { bytes } = await store.head(object, limits).catch((error: unknown) => {
    throw objectMissing(error, `${object} is not there: it holds shard ${shard} of the backup`)
  })
  if (bytes !== expected) throw new AgentError('ObjectDamaged', `${object} has ${bytes} bytes, ${expected} were stored`)
}
