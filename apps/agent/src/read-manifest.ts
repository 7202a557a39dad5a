import { type BackupManifest, ManifestError, parseManifest } from '@slotkeeper/backup'
import type { Limits, ObjectStore } from '@slotkeeper/object-storage'
import { AgentError } from './agent-error.ts'
import { objectMissing } from './object-missing.ts'
import { readText } from './read-text.ts'

/** A manifest as it lies in the storage. */
export type StoredManifest = { readonly manifest: BackupManifest; readonly sha256: string }

/**
 * Reads the manifest of a backup. An empty object is none: an upload to Azure that was interrupted may leave one.
 *
 * @param expected the SHA-256 that it must have; any when not said
 * @throws AgentError `ObjectMissing`, `ObjectDamaged`; StorageError
 */
export async function readManifest(
  store: ObjectStore,
  key: string,
  limits: Limits,
  expected?: string,
): Promise<StoredManifest> {
  const { text, sha256 } = await readText(store, key, limits).catch((error: unknown) => {
    throw objectMissing(error, `there is no manifest ${key}: the backup was deleted, or was never sealed`)
  })
  if (text === '') throw new AgentError('ObjectMissing', `${key} is empty: no backup was sealed under that name`)
  if (expected !== undefined && sha256 !== expected)
    throw new AgentError('ObjectDamaged', `${key} is another manifest than was inspected: ${sha256}, not ${expected}`)
  try {
    return { manifest: parseManifest(text), sha256 }
  } catch (error) {
    if (!(error instanceof ManifestError)) throw error
    throw new AgentError('ObjectDamaged', `${key} can't be relied on: ${error.message}`)
  }
}
