import type { Failure } from './agent-outcome.ts'
import type { StorageView } from './backup-case.ts'

/** Why nothing can be read of a storage, or written to it; null when it can. */
export function storageWaitsFor(name: string, storage: StorageView | null): Failure | null {
  if (storage === null)
    return { reason: 'StorageMissing', message: `there is no RedisBackupStorage ${name} in this namespace` }
  if (!storage.usable)
    return { reason: 'StorageNotReady', message: `the RedisBackupStorage ${name}: ${storage.message}` }
  return null
}
