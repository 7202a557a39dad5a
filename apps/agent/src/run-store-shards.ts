import { type AgentDone, objectOf, type ShardRecord, type StoredShard } from '@slotkeeper/backup'
import type { ContainerKey, ObjectStore } from '@slotkeeper/object-storage'
import { StorageError } from '@slotkeeper/object-storage'
import {
  cutCluster,
  openSnapshot,
  RedisError,
  type RedisFailure,
  type RedisNode,
  type Snapshot,
} from '@slotkeeper/redis-client'
import { faultOf } from './fault-of.ts'
import { lookAgain, lookAtShard, type Looked, type LookOptions } from './look-at-shard.ts'
import { connectTo, of, PodError, type ServerEntry, targetOf } from './server-access.ts'
import { assertSame, type PlannedShard, type Source } from './shard-view.ts'
import { BackupError, storeSnapshot, type StoredSnapshot } from './store-snapshot.ts'
import { clearingLimits, limitsOf, type TaskContext, type TaskOf, withStorage } from './task-context.ts'

/** What is stored, and of which servers. */
export type Store = Omit<TaskOf<'StoreShards'>, 'type' | keyof ServerEntry> & ServerEntry
type Work = LookOptions & {
  readonly task: Store
  readonly context: TaskContext
  readonly store: ObjectStore
  readonly encryption: ContainerKey | 'none'
  /** Bytes of a frame: those of all shards that are stored at a time take about the same. */
  readonly frameBytes: number
  /** Names of objects that this process has stored, or may have. */
  readonly mine: Set<string>
}

/** Shards that are stored at a time where each has a moment of its own. */
const AT_A_TIME = 2
const LEAST_FRAME = 1024 * 1024
const FRAMES = 4 * LEAST_FRAME
/** A server that forks says a word every few seconds. */
const SILENCE_MS = 60_000
/** A snapshot is smaller than the data in memory, but for odd cases. */
const MOST_OF_MEMORY = 2
/** Why a replica may fail where its primary does not. */
const REASONS_OF_A_REPLICA: ReadonlySet<RedisFailure> = new Set([
  'Refused',
  'Loading',
  'Closed',
  'TimedOut',
  'Answered',
])

/**
 * Streams shards into the storage, and writes a record beside each. When anything fails, what this process has stored is
 * deleted again, as far as the storage answers.
 */
export async function runStoreShards(task: Store, context: TaskContext): Promise<AgentDone> {
  const isCut = task.consistency === 'cluster'
  const uploads = isCut ? task.shards.length : Math.min(AT_A_TIME, task.shards.length)
  return withStorage(context, { maxBytesPerSecond: task.maxBytesPerSecond, uploads }, async (store) => {
    const { plan, secrets, log } = context
    const failed = new AbortController()
    const signal = AbortSignal.any([context.signal, failed.signal])
    const encryption =
      plan.encryption === null ? 'none' : await secrets.key(plan.encryption.keys, plan.encryption.current)
    const mine = new Set<string>()
    const work: Work = {
      task,
      target: task.target,
      secrets,
      log,
      signal,
      store,
      encryption,
      frameBytes: Math.max(LEAST_FRAME, Math.floor(FRAMES / uploads)),
      mine,
      context: { ...context, signal },
    }
    try {
      const { heldMs, shards } = isCut ? await storeCut(work, failed) : await storeEach(work, failed)
      return { task: 'StoreShards', heldMs, attempt: context.attempt, shards }
    } catch (error) {
      await takeBack(work)
      throw error
    }
  })
}

async function takeBack({ store, mine, context }: Work): Promise<void> {
  if (mine.size === 0) return
  try {
    await store.delete(mine, clearingLimits())
    context.log.info({ objects: mine.size }, 'what was stored is deleted again')
  } catch (error) {
    context.log.warn({ why: context.secrets.withheld(faultOf(error).message) }, 'what was stored could not be deleted')
  }
}

/** All shards, each at a moment of its own. */
async function storeEach(work: Work, failed: AbortController) {
  const waiting = work.task.shards.values()
  const stored: StoredShard[] = []
  const worker = async (): Promise<void> => {
    for (const shard of waiting) stored.push(await storeOne(work, shard))
  }
  await allOf(Array.from({ length: AT_A_TIME }, worker), failed)
  return { heldMs: 0, shards: inOrder(stored) }
}

/** One shard, of its replica or else of its primary. */
async function storeOne(work: Work, shard: PlannedShard): Promise<StoredShard> {
  const looked = await lookAtShard(shard, work)
  const [first, second] = looked.sources
  try {
    return await storeFrom(work, shard, looked, first)
  } catch (error) {
    const isOfReplica = error instanceof PodError && error.pod === first.server.pod
    if (second === undefined || !isOfReplica || !REASONS_OF_A_REPLICA.has(error.reason) || work.signal.aborted)
      throw error
    work.log.warn({ shard: shard.shard, why: error.message }, 'the replica failed: the primary is asked')
    return storeFrom(work, shard, looked, second)
  }
}

async function storeFrom(work: Work, shard: PlannedShard, looked: Looked, source: Source): Promise<StoredShard> {
  const { server, view } = source
  const options = { signal: work.signal, silenceMs: SILENCE_MS }
  try {
    const target = await targetOf(server, work)
    const version = view.announce === undefined ? {} : { version: view.announce }
    const snapshot = await openSnapshot(target, { ...options, ...version })
    return await storeStream(work, shard, { looked, source, snapshot })
  } catch (error) {
    throw of(server, error)
  }
}

/** All shards at one moment. Every server has forked then and sends: all of them are read at the same time. */
async function storeCut(work: Work, failed: AbortController) {
  const { task, signal } = work
  const looks = await allOf(
    task.shards.map((shard) => lookAtShard(shard, work)),
    failed,
  )
  const nodes: RedisNode[] = []
  const kept = async (server: PlannedShard['primary']): Promise<RedisNode> => {
    const node = await connectTo(server, work)
    nodes.push(node)
    return node
  }
  try {
    const shards = await allOf(
      looks.map(async ({ sources: [{ server, role, view }] }, index) => ({
        name: server.pod,
        primary: await kept((task.shards[index] as PlannedShard).primary),
        from: await targetOf(server, work),
        ...(role === 'replica' ? { replica: await kept(server) } : {}),
        ...(view.announce === undefined ? {} : { version: view.announce }),
      })),
      failed,
    )
    const { snapshots, heldMs } = await cutCluster(shards, { signal, silenceMs: SILENCE_MS, pauseMs: task.pauseMs })
    work.log.info({ heldMs: Math.round(heldMs), shards: shards.length }, 'all shards were cut at one moment')
    const stored = snapshots.map(async (snapshot, index) => {
      const [shard, looked] = [task.shards[index] as PlannedShard, looks[index] as Looked]
      return storeStream(work, shard, { looked, source: looked.sources[0], snapshot })
    })
    return { heldMs: Math.round(heldMs), shards: inOrder(await allOf(stored, failed)) }
  } finally {
    for (const node of nodes) node.close()
  }
}

type Stream = { readonly looked: Looked; readonly source: Source; readonly snapshot: Snapshot }

/** Stores what a server sends, looks whether the shard is still what it was, and writes the record. */
async function storeStream(
  work: Work,
  shard: PlannedShard,
  { looked, source, snapshot }: Stream,
): Promise<StoredShard> {
  const { task, store, encryption, mine, context } = work
  const { progress, attempt, log } = context
  const object = objectOf.shard(task.backup, shard.shard, attempt)
  const recordKey = objectOf.record(task.backup, shard.shard, attempt)
  const limits = limitsOf(context)
  progress.begun(shard.shard, source.view.keys)
  const request = {
    slots: looked.slots,
    store,
    key: object,
    subject: object,
    encryption,
    level: task.level,
    frameBytes: work.frameBytes,
    snapshot: { ...snapshot, bytes: readFrom(work, source, snapshot) },
    mostBytes: MOST_OF_MEMORY * source.view.usedBytes,
    progress: (so: { readonly bytes: number; readonly keys: number }) => progress.reached(shard.shard, so),
  }
  const unchanged = async (): Promise<void> => assertSame(shard, looked, await lookAgain(shard, work))
  const stored = await storing(mine, object, () => storeSnapshot(request, limits)).catch(async (error: unknown) => {
    // Keys of other slots are nothing strange where slots have moved meanwhile.
    if (error instanceof BackupError && error.fault === 'KeysMisplaced') await unchanged()
    throw error
  })
  await unchanged()
  const text = JSON.stringify(recordOf(work, shard, source, stored))
  await storing(mine, recordKey, () => store.put(recordKey, once(text), { ...limits, ifAbsent: true }))
  progress.finished(shard.shard)
  const { bytes, content } = stored
  log.info({ shard: shard.shard, from: source.server.pod, role: source.role, bytes, keys: content.keys }, 'stored')
  return reportOf(shard, source, recordKey, stored)
}

/** Errors of a stream name the pod, and what a slow reader may do about them. */
async function* readFrom({ task }: Work, { server }: Source, { bytes }: Snapshot): AsyncGenerator<Uint8Array> {
  try {
    yield* bytes
  } catch (error) {
    const isCut = error instanceof RedisError && error.reason === 'Closed' && task.maxBytesPerSecond !== undefined
    const note = '. A server closes a connection that is read too slowly (repl-timeout): raise maxBytesPerSecond'
    throw of(server, error, isCut ? note : '')
  }
}

/** What is there already was stored by somebody else; of all else that fails nobody knows whether it is there. */
async function storing<T>(mine: Set<string>, key: string, put: () => Promise<T>): Promise<T> {
  try {
    const stored = await put()
    mine.add(key)
    return stored
  } catch (error) {
    if (!(error instanceof StorageError && error.fault === 'Exists')) mine.add(key)
    throw error
  }
}

function recordOf({ task }: Work, { shard }: PlannedShard, source: Source, stored: StoredSnapshot): ShardRecord {
  const { object, bytes, sha256, slots, replicationId, offset, content } = stored
  const takenFrom = { pod: source.server.pod, role: source.role }
  const counts = { ...content, types: { ...content.types }, modules: [...content.modules] }
  return {
    kind: 'slotkeeper.dev/backup-shard',
    version: 1,
    backup: task.backup,
    shard: { shard, object, bytes, sha256, slots, replicationId, offset, takenFrom, content: counts },
  }
}

function reportOf(
  { shard }: PlannedShard,
  { server, role }: Source,
  record: string,
  stored: StoredSnapshot,
): StoredShard {
  const { object, bytes, sha256, slots, offset, content } = stored
  const { keys, format, version } = content
  return {
    shard,
    record,
    object,
    bytes,
    sha256,
    keys,
    slots,
    offset,
    takenFrom: server.pod,
    role,
    rdb: { format, version },
  }
}

/** All results; where one fails the others are called off, and their end is waited for: nobody stores after that. */
async function allOf<T>(work: readonly Promise<T>[], failed: AbortController): Promise<readonly T[]> {
  let first: { readonly error: unknown } | undefined
  const results = await Promise.all(
    work.map((one) =>
      one.catch((error: unknown) => {
        first ??= { error }
        failed.abort(error)
        return null
      }),
    ),
  )
  if (first !== undefined) throw first.error
  return results as readonly T[]
}

const inOrder = (shards: readonly StoredShard[]): readonly StoredShard[] & StoredShard[] =>
  shards.toSorted((one, other) => one.shard - other.shard)

async function* once(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text)
}
