import { redisBackupStorageSpec } from '@slotkeeper/api'
import type { StorageView } from '@slotkeeper/backup'
import type { StorageStatus } from '@slotkeeper/events'
import type { KubeObject } from '@slotkeeper/k8s'

/** A RedisBackupStorage for who uses it; null where there is none. It is usable once its present spec was tried and served. */
export function storageView(object: KubeObject | undefined): StorageView | null {
  if (object === undefined) return null
  const spec = redisBackupStorageSpec.safeParse(object['spec'])
  if (!spec.success || object.metadata.deletionTimestamp !== undefined) return null
  const { conditions = [], checkedGeneration } = (object['status'] ?? {}) as Partial<StorageStatus>
  const ready = conditions.find((one) => one.type === 'Ready')
  const isTried = checkedGeneration === object.metadata.generation
  return {
    isTried,
    usable: isTried && ready?.status === 'True',
    message: isTried ? (ready?.message ?? '') : 'it is being tried',
    spec: spec.data,
  }
}
