import { digested, type Limits, type ObjectStore } from '@slotkeeper/object-storage'
import { AgentError } from './agent-error.ts'

/** A record or a manifest is small: what is larger is none. */
const MOST_BYTES = 64 * 1024 * 1024

/** A small object, and the SHA-256 of it in hex. */
export type StoredText = { readonly text: string; readonly sha256: string }

/**
 * Reads a record or a manifest.
 *
 * @throws AgentError `ObjectDamaged` for what is too large to be one; StorageError
 */
export async function readText(store: ObjectStore, key: string, limits: Limits): Promise<StoredText> {
  const read = digested(store.get(key, limits))
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of read.chunks) {
    bytes += chunk.length
    if (bytes > MOST_BYTES) throw new AgentError('ObjectDamaged', `${key} is larger than it can be`)
    chunks.push(chunk)
  }
  return { text: Buffer.concat(chunks).toString('utf8'), sha256: read.digest().sha256 }
}
