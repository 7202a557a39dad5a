import { strangeSlots } from '@slotkeeper/backup'
import {
  type ContainerKey,
  type ContainerKeys,
  digested,
  type Limits,
  type ObjectStore,
  packContainer,
  unpackContainer,
} from '@slotkeeper/object-storage'
import { contentDifference, type RdbCounts, RdbParser, RdbTally } from '@slotkeeper/rdb'
import type { Snapshot } from '@slotkeeper/redis-client'
import { formatRanges, type SlotRange } from '@slotkeeper/redis-topology'
import { clearingLimits } from './task-context.ts'

/** What is to be stored, and where. */
export type StoreRequest = {
  readonly snapshot: Snapshot
  /** The slots of the shard when the snapshot was made: a key of any other is an error. */
  readonly slots: readonly SlotRange[]
  readonly store: ObjectStore
  /** The object; it must not be there yet. */
  readonly key: string
  /** What the object is about: a reader may insist on it, so that no two can be taken for each other. */
  readonly subject: string
  readonly encryption: ContainerKey | 'none'
  /** Of zstd; 1 when not said. */
  readonly level?: number
  /** Of a frame of the container, as `PackOptions`: smaller ones where many snapshots are stored at a time. */
  readonly frameBytes?: number
  /** The most bytes that the object may have, where that is known. */
  readonly mostBytes?: number
  /** Told, now and then, how much of the snapshot has come. */
  readonly progress?: (so: { readonly bytes: number; readonly keys: number }) => void
}

/** A snapshot that is stored, and was read back. */
export type StoredSnapshot = {
  readonly object: string
  /** Of the object, as it is stored. */
  readonly bytes: number
  readonly sha256: string
  readonly slots: string
  readonly replicationId: string
  readonly offset: number
  readonly content: RdbCounts
}

/** What is wrong with a backup; the message says it. */
export class BackupError extends Error {
  override readonly name = 'BackupError'
  readonly fault: 'ObjectDamaged' | 'KeysMisplaced'

  constructor(fault: BackupError['fault'], message: string) {
    super(message)
    this.fault = fault
  }
}

/**
 * Stores a snapshot: every record of it is read on the way, then it is compressed, encrypted, sealed and uploaded in parts.
 * Then it is read back, decrypted and read again, record by record, and compared. Memory is constant; nothing touches a disk.
 * When anything fails nothing is left in the storage, not even a part, as far as the storage still answers.
 *
 * @throws RdbError, RedisError, StorageError, ContainerError, BackupError: each says in words what is wrong
 */
export async function storeSnapshot(request: StoreRequest, limits: Limits): Promise<StoredSnapshot> {
  const { snapshot, slots, store, key, subject, encryption, level, frameBytes, mostBytes } = request
  const tally = new RdbTally()
  const plain = checked(snapshot.bytes, tally, { slots, progress: request.progress })
  const packed = packContainer(plain, {
    subject,
    encryption,
    ...(level === undefined ? {} : { level }),
    ...(frameBytes === undefined ? {} : { frameBytes }),
  })
  try {
    const most = mostBytes === undefined ? {} : { mostBytes }
    const { bytes, sha256 } = await store.put(key, packed, { ...limits, ...most, ifAbsent: true })
    const content = tally.counts()
    const { replicationId, offset } = snapshot
    const stored = { object: key, bytes, sha256, slots: formatRanges(slots), replicationId, offset, content }
    const keys = encryption === 'none' ? 'none' : new Map([[encryption.id, encryption.key]])
    try {
      await verifyStored(stored, { store, subject, keys }, limits)
    } catch (error) {
      await store.delete([key], clearingLimits()).catch(() => undefined)
      throw error
    }
    return stored
  } finally {
    snapshot.close()
  }
}

/** Where a stored snapshot is read from. */
export type StoredPlace = {
  readonly store: ObjectStore
  readonly subject: string
  readonly keys: ContainerKeys | 'none'
}

/**
 * Reads a stored snapshot to its end and compares all that is known of it: size, hash, seals, checksum, and what is in it,
 * slot by slot.
 */
export async function verifyStored(
  stored: Pick<StoredSnapshot, 'object' | 'bytes' | 'sha256' | 'content'>,
  { store, subject, keys }: StoredPlace,
  limits: Limits,
): Promise<void> {
  const read = digested(store.get(stored.object, limits))
  const tally = new RdbTally()
  for await (const _chunk of checked(unpackContainer(read.chunks, { keys, subject }), tally, {}));
  const { bytes, sha256 } = read.digest()
  if (bytes !== stored.bytes || sha256 !== stored.sha256)
    throw new BackupError(
      'ObjectDamaged',
      `${stored.object} is not what was stored: ${bytes} bytes, ${stored.bytes} were`,
    )
  const found = tally.counts()
  const differences = contentDifference(stored.content, found)
  if (found.checksum !== stored.content.checksum || differences.length > 0)
    throw new BackupError(
      'ObjectDamaged',
      `${stored.object} does not hold what was stored: ${differences.join('; ') || 'another checksum'}`,
    )
}

type Checks = { readonly slots?: readonly SlotRange[]; readonly progress?: StoreRequest['progress'] }

/** Passes a file on while it is read; an error of it comes before its end does. */
async function* checked(
  chunks: AsyncIterable<Uint8Array>,
  tally: RdbTally,
  { slots, progress }: Checks,
): AsyncGenerator<Uint8Array> {
  const parser = new RdbParser(tally)
  let bytes = 0
  for await (const chunk of chunks) {
    parser.push(chunk)
    bytes += chunk.length
    progress?.({ bytes, keys: tally.keys })
    yield chunk
  }
  parser.finish()
  const strange = slots === undefined ? [] : strangeSlots(tally.counts(), slots)
  if (strange.length > 0)
    throw new BackupError(
      'KeysMisplaced',
      `the snapshot holds keys of ${strange.length} slots that the shard did not own, slot ${strange[0]} among them`,
    )
}
