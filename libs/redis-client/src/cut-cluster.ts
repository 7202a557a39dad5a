import { setTimeout as sleep } from 'node:timers/promises'
import { openSnapshot, type Snapshot, type SnapshotOptions } from './open-snapshot.ts'
import { asRedisError, type NodeTarget, RedisError, type RedisNode } from './redis-node.ts'

/** One shard of a cut. */
export type CutShard = {
  /** Stands before the message of what goes wrong with it, where it is given. */
  readonly name?: string
  /** The kept connection to its primary; its user may pause clients. */
  readonly primary: RedisNode
  /** Where the snapshot is taken: the primary, or a replica of it. */
  readonly from: NodeTarget
  /** The kept connection to that replica; absent where it is the primary. */
  readonly replica?: RedisNode
  /** As in `SnapshotOptions`, for the server of this shard. */
  readonly version?: string
}

/** How a cut is made. */
export type CutOptions = SnapshotOptions & {
  /** How long writes may be held back at most, in milliseconds: the servers end it by themselves then. */
  readonly pauseMs: number
}

/** The snapshots of all shards, in their order, and for how long writes waited, in milliseconds. */
export type Cut = { readonly snapshots: readonly Snapshot[]; readonly heldMs: number }

/** Writes may have gone on before all servers had forked: what they would send is no cut. */
export class PauseEnded extends RedisError {
  constructor(message: string) {
    super('TimedOut', message)
  }
}

const CALL_MS = 1_000
const LOOK_EVERY_MS = 2

/**
 * Takes snapshots of all shards at one moment: whatever a client was told is written before it began a write in another shard
 * is in the cut if that other write is. Writes are held back on all primaries (`CLIENT PAUSE WRITE`); once all have
 * answered, nobody accepts any, the replicas catch up, and every server forks.
 *
 * No slot may be open meanwhile, nor a primary change: whoever asks for a cut looks before and after it.
 *
 * @throws RedisError; `PauseEnded` when the servers may have gone on before all had forked. Writes go on in any case.
 */
export async function cutCluster(shards: readonly CutShard[], options: CutOptions): Promise<Cut> {
  const began = performance.now()
  const heldMs = (): number => performance.now() - began
  const opened: Snapshot[] = []
  try {
    await ask(shards, ['CLIENT', 'PAUSE', String(options.pauseMs), 'WRITE'])
    const results = await Promise.allSettled(
      shards.map((shard) =>
        named(shard, async () => {
          const offset = await caughtUp(shard, options.pauseMs - heldMs(), options.signal)
          const { version = options.version } = shard
          const snapshot = await openSnapshot(shard.from, { ...options, ...(version === undefined ? {} : { version }) })
          opened.push(snapshot)
          // A server that saves already may give what it began to save before (replication.c, syncCommand, case 1).
          if (snapshot.offset < offset)
            throw new RedisError('Answered', 'the server gave a snapshot from before the cut')
          return snapshot
        }),
      ),
    )
    const snapshots = results.map((one) => {
      if (one.status === 'rejected') throw asRedisError(one.reason)
      return one.value
    })
    // Counted from before the first was asked: a pause that may have ended proves nothing.
    if (heldMs() >= options.pauseMs) throw new PauseEnded('not all servers had forked before writes went on')
    await goOn(shards)
    return { snapshots, heldMs: heldMs() }
  } catch (error) {
    for (const snapshot of opened) snapshot.close()
    await goOn(shards)
    options.signal.throwIfAborted()
    throw error
  }
}

async function ask(shards: readonly CutShard[], words: readonly string[]): Promise<void> {
  await Promise.all(shards.map((shard) => named(shard, () => shard.primary.call(words, CALL_MS))))
}

/** Does something about a shard; its error says which it was. */
async function named<T>({ name }: CutShard, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (name === undefined) throw error
    const { reason, message } = asRedisError(error)
    throw error instanceof PauseEnded
      ? new PauseEnded(`${name}: ${message}`)
      : new RedisError(reason, `${name}: ${message}`)
  }
}

/** Where it fails, the pause ends by itself. */
async function goOn(shards: readonly CutShard[]): Promise<void> {
  await Promise.allSettled(shards.map(({ primary }) => primary.call(['CLIENT', 'UNPAUSE'], CALL_MS)))
}

/** Waits until a replica has all that its primary wrote before it was paused; gives how far that is. */
async function caughtUp({ primary, replica }: CutShard, withinMs: number, signal: AbortSignal): Promise<number> {
  const offset = await offsetOf(primary)
  if (replica === undefined) return offset
  for (const end = performance.now() + withinMs; ;) {
    if ((await offsetOf(replica)) >= offset) return offset
    if (performance.now() > end) throw new PauseEnded('a replica did not catch up while writes were held back')
    await sleep(LOOK_EVERY_MS, undefined, { signal })
  }
}

/** How far a server has come in the history of writes: what it wrote itself, or took from its primary. */
async function offsetOf(node: RedisNode): Promise<number> {
  const [role, offset, , , taken] = (await node.call(['ROLE'], CALL_MS)) as readonly [
    string,
    number,
    unknown,
    unknown,
    number,
  ]
  return role.startsWith('m') ? offset : taken
}
