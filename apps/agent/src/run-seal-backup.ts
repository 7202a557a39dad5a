import {
  type AgentDone,
  type BackupManifest,
  type BackupShard,
  ManifestError,
  objectOf,
  objectOfRecord,
  parseManifest,
  shardRecord,
} from '@slotkeeper/backup'
import { type Limits, type ObjectStore, StorageError } from '@slotkeeper/object-storage'
import { AgentError } from './agent-error.ts'
import { checkObject } from './check-object.ts'
import { deleteBelow } from './delete-below.ts'
import { faultOf } from './fault-of.ts'
import { readManifest, type StoredManifest } from './read-manifest.ts'
import { readText } from './read-text.ts'
import { limitsOf, type TaskContext, type TaskOf, withStorage } from './task-context.ts'

type Seal = TaskOf<'SealBackup'>

/**
 * Makes a backup of what attempts have stored: checks each shard's record and object, writes the manifest, and deletes what
 * it does not name. Harmless to repeat: a manifest of the same objects is what was wanted.
 */
export function runSealBackup(task: Seal, context: TaskContext): Promise<AgentDone> {
  return withStorage(context, {}, async (store) => {
    const limits = limitsOf(context)
    const objects = objectsOf(task)
    const sealed = (await readSealed(store, task, limits)) ?? (await seal(store, task, limits))
    const named = sealed.manifest.shards.map(({ object }) => object)
    if (sealed.manifest.backup.uid !== task.backup.uid || named.join() !== objects.join())
      throw new AgentError(
        'ObjectDamaged',
        `${objectOf.manifest(task.backup)} is there already, and names other objects`,
      )
    await clearUp(store, task, new Set([objectOf.manifest(task.backup), ...named]), context)
    return doneOf(task, sealed)
  })
}

/** The objects that the records of the plan lie beside, in the order of shards. */
function objectsOf({ backup, records }: Seal): readonly string[] {
  const sorted = records.toSorted((one, other) => one.shard - other.shard)
  return sorted.map(({ shard, record }, index) => {
    const object = objectOfRecord(backup, record)
    if (shard !== index) throw new AgentError('PlanRefused', 'task.records: must be one of each shard, from 0 on')
    if (object === null) throw new AgentError('PlanRefused', `task.records: ${record} is no record of this backup`)
    return object
  })
}

async function readSealed(store: ObjectStore, { backup }: Seal, limits: Limits): Promise<StoredManifest | null> {
  try {
    return await readManifest(store, objectOf.manifest(backup), limits)
  } catch (error) {
    if (error instanceof AgentError && error.fault === 'ObjectMissing') return null
    throw error
  }
}

async function seal(store: ObjectStore, task: Seal, limits: Limits): Promise<StoredManifest> {
  const shards: BackupShard[] = []
  for (const record of task.records.toSorted((one, other) => one.shard - other.shard))
    shards.push(await readRecord(store, task, record, limits))
  const { backup, cluster, engine, consistency, beganAt, spec } = task
  const manifest: BackupManifest = {
    kind: 'slotkeeper.dev/backup',
    version: 1,
    backup,
    cluster,
    engine,
    consistency,
    beganAt,
    endedAt: new Date().toISOString(),
    spec,
    shards,
  }
  const text = JSON.stringify(manifest)
  checkManifest(text)
  const key = objectOf.manifest(backup)
  // Where somebody was faster, what they wrote is looked at as any other.
  if (!(await putManifest(store, key, text, limits)) && (await deleteEmpty(store, key, limits)))
    await putManifest(store, key, text, limits)
  // What counts is what is read there.
  const sealed = await readSealed(store, task, limits)
  if (sealed === null) throw new AgentError('ObjectMissing', `${key} was stored and is not there`)
  return sealed
}

/** @returns whether it was stored: false where an object of that name is there */
async function putManifest(store: ObjectStore, key: string, text: string, limits: Limits): Promise<boolean> {
  try {
    await store.put(key, once(text), { ...limits, ifAbsent: true })
    return true
  } catch (error) {
    if (error instanceof StorageError && error.fault === 'Exists') return false
    throw error
  }
}

/**
 * Deletes what an interrupted upload has left under the manifest's name, and nothing that has a byte. No storage has a
 * delete on condition in common: what another agent of the same backup stores between the two calls is deleted too, and ours stored
 * instead.
 *
 * @returns whether the name is free now
 */
async function deleteEmpty(store: ObjectStore, key: string, limits: Limits): Promise<boolean> {
  try {
    const { bytes } = await store.head(key, limits)
    if (bytes > 0) return false
  } catch (error) {
    if (error instanceof StorageError && error.fault === 'NotFound') return true
    throw error
  }
  await store.delete([key], limits)
  return true
}

/** What the shards say was true of each at its time; together it must make a whole cluster. */
function checkManifest(text: string): void {
  try {
    parseManifest(text)
  } catch (error) {
    if (!(error instanceof ManifestError)) throw error
    throw new AgentError('TopologyChanged', `the shards make no whole cluster: ${error.message}`)
  }
}

async function readRecord(
  store: ObjectStore,
  { backup }: Seal,
  { shard: number, record: key }: Seal['records'][number],
  limits: Limits,
): Promise<BackupShard> {
  const { text } = await readText(store, key, limits)
  const { success, data } = shardRecord.safeParse(parsed(text))
  if (!success) throw new AgentError('ObjectDamaged', `${key} is not the record of a shard`)
  const { shard } = data
  const isOurs =
    data.backup.uid === backup.uid && shard.shard === number && shard.object === objectOfRecord(backup, key)
  if (!isOurs) throw new AgentError('ObjectDamaged', `${key} is the record of another shard or backup`)
  await checkObject(store, shard, limits)
  return shard
}

/** What attempts have left. The backup is whole without it: where it fails, what is left goes when the backup goes. */
async function clearUp(store: ObjectStore, { backup }: Seal, keep: ReadonlySet<string>, context: TaskContext) {
  try {
    const deleted = await deleteBelow(store, backup, keep, limitsOf(context))
    context.log.info({ deleted }, 'leftovers are deleted')
  } catch (error) {
    context.log.warn({ why: context.secrets.withheld(faultOf(error).message) }, 'leftovers could not be deleted')
  }
}

function doneOf({ backup }: Seal, { manifest, sha256 }: StoredManifest): AgentDone {
  const sum = (of: (shard: BackupShard) => number): number =>
    manifest.shards.reduce((total, shard) => total + of(shard), 0)
  return {
    task: 'SealBackup',
    manifest: objectOf.manifest(backup),
    sha256,
    bytes: sum(({ bytes }) => bytes),
    keys: sum(({ content }) => content.keys),
    expiring: sum(({ content }) => content.expiring),
    endedAt: manifest.endedAt,
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

async function* once(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text)
}
