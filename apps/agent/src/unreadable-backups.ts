import { type HeldBackups, isNameOfOurs } from '@slotkeeper/backup'
import {
  ContainerError,
  type ContainerKeys,
  HEADER_MOST_BYTES,
  type Limits,
  type ObjectStore,
  StorageError,
  type StorageFault,
  tryContainerKeys,
} from '@slotkeeper/object-storage'
import { faultOf } from './fault-of.ts'
import { sharedLimits } from './task-context.ts'

/** For all of them: a storage that is slow is not to fail its check. */
const OPEN_MS = 30_000

/** What concerns one object, as one that lies in an archive, and says nothing of the others. */
const OF_ONE: readonly string[] = ['NotFound', 'Forbidden', 'Refused'] satisfies StorageFault[]

/** Why a backup can't be opened with the keys that there are, in words. */
type KeyFault = { readonly reason: 'KeyWrong' | 'NotEncrypted'; readonly message: string }

/**
 * Adds how many of the newest backups can't be opened with these keys. They are opened each time: a key may be another one by now.
 * Of each backup one shard tells for all, by its first bytes.
 *
 * @returns as it was where that could not be found out, or not in time
 */
export async function withUnreadable(
  store: ObjectStore,
  held: HeldBackups,
  keys: ContainerKeys | 'none',
  { signal, deadlineMs }: Limits,
): Promise<HeldBackups> {
  const limits = sharedLimits({ signal, deadlineMs: Math.min(OPEN_MS, deadlineMs) })
  const faults: KeyFault[] = []
  let refused = 0
  for (const { manifest } of held.newest) {
    try {
      const fault = await keyFaultOf(store, manifest, keys, limits)
      if (fault !== null) faults.push({ ...fault, message: `${manifest}: ${fault.message}` })
    } catch (error) {
      signal.throwIfAborted()
      if (!(error instanceof StorageError)) throw error
      if (!OF_ONE.includes(error.fault)) return held
      refused += 1
    }
  }
  if (refused === held.newest.length && refused > 0) return held
  const worst = faults.find(({ reason }) => reason === 'KeyWrong') ?? faults[0]
  if (worst === undefined) return { ...held, unreadable: 0 }
  return { ...held, unreadable: faults.length, unreadableReason: worst.reason, unreadableMessage: worst.message }
}

async function keyFaultOf(
  store: ObjectStore,
  manifest: string,
  keys: ContainerKeys | 'none',
  limits: () => Limits,
): Promise<KeyFault | null> {
  const object = await shardBeside(store, manifest, limits())
  if (object === null) return null
  try {
    await tryContainerKeys(store.get(object, { ...limits(), from: 0, to: HEADER_MOST_BYTES }), { keys })
    return null
  } catch (error) {
    if (!(error instanceof ContainerError)) throw error
    // What else is wrong with it is found, and told, by who reads it.
    if (faultOf(error).fault !== 'KeyWrong') return null
    return { reason: error.fault === 'NotEncrypted' ? 'NotEncrypted' : 'KeyWrong', message: error.message }
  }
}

/** One of the shards of a backup; null where none is left. */
async function shardBeside(store: ObjectStore, manifest: string, limits: Limits): Promise<string | null> {
  const folder = manifest.slice(0, manifest.lastIndexOf('/') + 1)
  for await (const { key } of store.list(folder, limits)) if (isNameOfOurs(key) && key.endsWith('.rdb')) return key
  return null
}
