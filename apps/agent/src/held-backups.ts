import { type HeldBackup, type HeldBackups, isManifestName, MOST_HELD } from '@slotkeeper/backup'
import { type Limits, type ObjectFacts, type ObjectStore, StorageError } from '@slotkeeper/object-storage'
import { AgentError } from './agent-error.ts'
import { readManifest } from './read-manifest.ts'
import { sharedLimits } from './task-context.ts'

/** For the list, and for each manifest, if there is so much time left: a storage with very many objects is not to fail its check. */
const LIST_MS = 30_000
/** A manifest is stored as soon as its backup has ended; clocks may differ by so much. */
const STORED_WITHIN_MS = 3_600_000

/**
 * The backups that a storage holds, whether or not any RedisBackup stands for them: how many, and what the newest are.
 *
 * @param known what was read of manifests before: they never change. An object that was stored at another time is another one
 * @returns null where it could not be listed, or not in time
 */
export async function heldBackups(
  store: ObjectStore,
  known: readonly HeldBackup[],
  { signal, deadlineMs: forAllMs }: Limits,
): Promise<HeldBackups | null> {
  const left = sharedLimits({ signal, deadlineMs: forAllMs })
  const limits = (): Limits => ({ signal, deadlineMs: Math.min(left().deadlineMs, LIST_MS) })
  try {
    const { count, newest } = await manifestsIn(store, limits())
    const held: HeldBackup[] = []
    for (const { key, modified } of newest)
      held.push(known.find((one) => isThat(one, { key, modified })) ?? (await said(store, key, modified, limits())))
    return { backups: count, newest: held }
  } catch (error) {
    signal.throwIfAborted()
    if (!(error instanceof StorageError)) throw error
    return null
  }
}

const isThat = ({ manifest, endedAt }: HeldBackup, { key, modified }: Pick<ObjectFacts, 'key' | 'modified'>): boolean =>
  manifest === key && Math.abs(modified.getTime() - Date.parse(endedAt)) <= STORED_WITHIN_MS

/** How many manifests there are, and the newest, by when they were stored. */
async function manifestsIn(store: ObjectStore, limits: Limits) {
  let count = 0
  let newest: ObjectFacts[] = []
  for await (const one of store.list('', limits)) {
    // An empty one is no manifest: an interrupted upload has left it.
    if (!isManifestName(one.key) || one.bytes === 0) continue
    count += 1
    newest.push(one)
    if (newest.length >= 2 * MOST_HELD) newest = latest(newest)
  }
  return { count, newest: latest(newest) }
}

const latest = (objects: readonly ObjectFacts[]): ObjectFacts[] =>
  objects.toSorted((one, other) => Number(other.modified) - Number(one.modified)).slice(0, MOST_HELD)

/** What a manifest says; of one that can't be relied on, that it is there. */
async function said(store: ObjectStore, key: string, modified: Date, limits: Limits): Promise<HeldBackup> {
  try {
    const { manifest } = await readManifest(store, key, limits)
    const { cluster, endedAt, shards } = manifest
    const keys = shards.reduce((sum, { content }) => sum + content.keys, 0)
    return { manifest: key, cluster: `${cluster.namespace}/${cluster.name}`, endedAt, keys }
  } catch (error) {
    if (!(error instanceof AgentError)) throw error
    return { manifest: key, endedAt: modified.toISOString() }
  }
}
