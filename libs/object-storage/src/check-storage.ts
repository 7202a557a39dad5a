import { randomBytes, randomUUID } from 'node:crypto'
import type { Limits } from './bounds.ts'
import type { ObjectStore, Permissions } from './object-store.ts'
import { StorageError } from './storage-error.ts'

/** What is tried, in this order. */
export type CheckStep = keyof Permissions

/** How one step went; `skipped` where it needs one that failed. */
export type CheckedStep = {
  readonly step: CheckStep
  readonly outcome: 'passed' | 'failed' | 'skipped'
  readonly error?: StorageError
}

/** Whether a storage can keep backups. */
export type StorageCheck = {
  readonly ok: boolean
  readonly steps: readonly CheckedStep[]
  /** What the user is not allowed to, in the storage's own words. */
  readonly missingPermissions: readonly string[]
  /** Whether a second put under one name was refused, as `ifAbsent` promises; null where nothing could be written. */
  readonly keepsFirst: boolean | null
  /** The object that could not be deleted again, or null. */
  readonly leftBehind: string | null
}

const FOLDER = 'slotkeeper-check/'

/**
 * Writes a small object of its own, reads it back and compares, lists it, deletes it, and asks for unfinished uploads.
 * What goes wrong is in what it returns; it rejects only when called off.
 *
 * @param limits for all steps together
 */
export async function checkStorage(store: ObjectStore, limits: Limits): Promise<StorageCheck> {
  const key = `${FOLDER}${randomUUID()}`
  const content = randomBytes(1024)
  const steps: CheckedStep[] = []
  const attempt = async (step: CheckStep, work: () => Promise<void>): Promise<boolean> => {
    try {
      await work()
      steps.push({ step, outcome: 'passed' })
      return true
    } catch (error) {
      limits.signal.throwIfAborted()
      if (!(error instanceof StorageError)) throw error
      steps.push({ step, outcome: 'failed', error })
      return false
    }
  }
  const afterwards = (step: CheckStep, isPossible: boolean, work: () => Promise<void>): Promise<boolean> => {
    if (isPossible) return attempt(step, work)
    steps.push({ step, outcome: 'skipped' })
    return Promise.resolve(false)
  }
  const write = (): Promise<unknown> => store.put(key, once(content), { ...limits, ifAbsent: true })
  const isWritten = await attempt('write', async () => void (await write()))
  await afterwards('read', isWritten, () => compare(store, key, content, limits))
  await attempt('list', () => find(store, key, isWritten, limits))
  const keepsFirst = isWritten ? await isRefused(write, limits) : null
  const isDeleted = await afterwards('delete', isWritten, () => store.delete([key], limits))
  // So old that it takes nothing back: only whether it may be asked.
  await attempt('sweep', async () => void (await store.sweep(FOLDER, new Date(0), limits)))
  return {
    ok: steps.every(({ outcome }) => outcome === 'passed'),
    steps,
    missingPermissions: steps.flatMap(({ step, error }) =>
      error?.fault === 'Forbidden' ? [store.permissions[step]] : [],
    ),
    keepsFirst,
    leftBehind: isWritten && !isDeleted ? key : null,
  }
}

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes
}

async function compare(store: ObjectStore, key: string, content: Buffer, limits: Limits): Promise<void> {
  const chunks: Buffer[] = []
  for await (const chunk of store.get(key, limits)) chunks.push(chunk)
  if (!Buffer.concat(chunks).equals(content))
    throw new StorageError('Refused', `${key} was read back with other bytes`, 'Do not keep backups here')
}

async function find(store: ObjectStore, key: string, isWritten: boolean, limits: Limits): Promise<void> {
  for await (const found of store.list(FOLDER, limits)) if (found.key === key) return
  if (isWritten) throw new StorageError('Refused', `${key} was stored and is not listed`, 'Do not keep backups here')
}

async function isRefused(write: () => Promise<unknown>, limits: Limits): Promise<boolean> {
  try {
    await write()
    return false
  } catch (error) {
    limits.signal.throwIfAborted()
    return error instanceof StorageError && error.fault === 'Exists'
  }
}
