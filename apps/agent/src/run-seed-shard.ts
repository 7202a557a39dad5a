import { randomBytes } from 'node:crypto'
import type { AgentDone, BackupManifest, BackupShard } from '@slotkeeper/backup'
import {
  ContainerError,
  type ContainerKeys,
  digested,
  type ObjectStore,
  unpackContainer,
} from '@slotkeeper/object-storage'
import { endingHashes, type RdbCounts, RdbError, RdbMerger, RdbParser, unpackSlotCounts } from '@slotkeeper/rdb'
import { parseRanges } from '@slotkeeper/redis-topology'
import { AgentError } from './agent-error.ts'
import { checkObject } from './check-object.ts'
import { faultOf } from './fault-of.ts'
import { nodesConf } from './nodes-conf.ts'
import { readManifest } from './read-manifest.ts'
import { type SeedSources, seedSources } from './seed-sources.ts'
import { SeedVolume } from './seed-volume.ts'
import { limitsOf, type TaskContext, type TaskOf, withStorage } from './task-context.ts'
import type { VolumeFile } from './volume-file.ts'

type Seed = TaskOf<'SeedShard'>
/** What is filled, and with what. */
type Filling = Omit<Seed, 'type' | 'manifest' | 'sha256' | 'maxBytesPerSecond'>
type Work = {
  readonly task: Filling
  readonly context: TaskContext
  readonly store: ObjectStore
  readonly keys: ContainerKeys | 'none'
  readonly wanted: SeedSources
}

/**
 * Fills the volume of a primary that was never started: the keys of its slots, of whatever shards of the backup hold them, in
 * one file, and a table of nodes with itself. Memory is constant. What an attempt leaves that fails is marked as
 * unfinished, and the next one begins anew.
 */
export function runSeedShard(task: Seed, context: TaskContext): Promise<AgentDone> {
  return withStorage(context, { maxBytesPerSecond: task.maxBytesPerSecond }, async (store) => {
    const { manifest } = await readManifest(store, task.manifest, limitsOf(context), task.sha256)
    return seedShard({ task, context, store }, manifest)
  })
}

/** As `runSeedShard`, of a manifest that was read. */
export async function seedShard(
  { task, context, store }: Pick<Work, 'task' | 'context' | 'store'>,
  manifest: BackupManifest,
): Promise<Extract<AgentDone, { readonly task: 'SeedShard' }>> {
  const { plan, secrets, log, progress } = context
  const wanted = seedSources(manifest, parseRanges(task.slots))
  const { encryption } = plan
  const keys = encryption === null ? 'none' : await secrets.keys(encryption.keys, encryption.current)
  for (const source of wanted.sources) await checkObject(store, source, limitsOf(context))
  const { volume: folder, restore, shard } = task
  const volume = await SeedVolume.claim({ folder, restore, shard })
  try {
    progress.begun(shard, sumOf(wanted.keys))
    const content = await writeData({ task, context, store, keys, wanted }, volume)
    const nodeId = randomBytes(20).toString('hex')
    const { epoch, currentEpoch } = task
    context.signal.throwIfAborted()
    await volume.seal(task.persistence, nodesConf({ nodeId, slots: parseRanges(task.slots), epoch, currentEpoch }))
    progress.finished(shard)
    const { keys: count, expiring, size, types } = content
    const ending = endingHashes(types)
    log.info({ shard, nodeId, keys: count, size, sources: wanted.sources.length }, 'seeded')
    const facts = { shard, nodeId, keys: count, expiring, size }
    return { task: 'SeedShard', ...facts, ...(ending === 0 ? {} : { endingHashes: ending }) }
  } finally {
    await volume.close()
  }
}

/** Writes the data, and compares them with what the manifest says. */
async function writeData(work: Work, volume: SeedVolume): Promise<RdbCounts> {
  const { wanted, task } = work
  const room = await volume.room()
  const tooSmall = (what: string): AgentError =>
    new AgentError(
      'VolumeTooSmall',
      `the volume of shard ${task.shard} ${what}: ${room} bytes were free, the data take some ${wanted.likelyBytes}, ` +
        `at least ${wanted.leastBytes}. Have a larger one`,
    )
  if (room < wanted.leastBytes) throw tooSmall('is too small')
  const file = await volume.createData(task.persistence)
  try {
    const content = await merge(work, file)
    checkCounts(content, wanted)
    await file.finish()
    return content
  } catch (error) {
    if (error instanceof AgentError && error.fault === 'VolumeTooSmall') throw tooSmall('has no room left')
    throw error
  } finally {
    await file.close()
  }
}

async function merge(work: Work, file: VolumeFile): Promise<RdbCounts> {
  const { wanted, context, task } = work
  const { header, has } = wanted
  const pieces: Buffer[] = []
  const merger = new RdbMerger({ header, has, write: (bytes) => void pieces.push(bytes) })
  for (const source of wanted.sources) {
    try {
      const parser = new RdbParser(merger.source())
      for await (const chunk of readChecked(work, source)) {
        parser.push(chunk)
        await file.write(pieces.splice(0))
        context.progress.reached(task.shard, { bytes: file.bytes, keys: merger.tally.keys })
        context.signal.throwIfAborted()
      }
      parser.finish()
    } catch (error) {
      throw ofObject(source, error)
    }
  }
  merger.end()
  await file.write(pieces.splice(0))
  if (merger.functionsDiffer)
    context.log.warn(
      { shard: task.shard },
      'shards of the backup have different functions: those of the first are taken',
    )
  return merger.tally.counts()
}

/** The RDB file of a shard; it ends well only if the object is what was stored. */
async function* readChecked(
  { store, keys, context }: Work,
  { object, bytes: expected, sha256 }: BackupShard,
): AsyncGenerator<Buffer> {
  const read = digested(store.get(object, limitsOf(context)))
  yield* unpackContainer(read.chunks, { keys, subject: object })
  const found = read.digest()
  if (found.bytes !== expected || found.sha256 !== sha256)
    throw new AgentError(
      'ObjectDamaged',
      `${object} is not what was stored: its SHA-256 is ${found.sha256}, not ${sha256}`,
    )
}

/** An error of what is stored, with the name of the object. */
function ofObject({ object }: BackupShard, error: unknown): unknown {
  if (!(error instanceof ContainerError || error instanceof RdbError)) return error
  return new AgentError(faultOf(error).fault, `${object}: ${error.message}`)
}

const sumOf = (counts: Uint32Array): number => counts.reduce((sum, count) => sum + count, 0)

/** Every slot has as many keys as the manifest says. */
function checkCounts({ slots }: RdbCounts, { keys }: SeedSources): void {
  const found = unpackSlotCounts(slots)
  const slot = keys.findIndex((expected, index) => expected !== found[index])
  if (slot >= 0)
    throw new AgentError(
      'DataUnreadable',
      `the objects hold ${found[slot]} keys of slot ${slot}, the manifest of the backup says ${keys[slot]}`,
    )
}
