import type { AgentPlan } from '@slotkeeper/backup'
import { RedisError } from '@slotkeeper/redis-client'
import {
  formatRanges,
  type NodeInfo,
  type NodeRow,
  parseClusterNodes,
  parseInfo,
  SLOT_COUNT,
  type SlotRange,
} from '@slotkeeper/redis-topology'
import { AgentError } from './agent-error.ts'

/** One shard of a plan. */
export type PlannedShard = Extract<AgentPlan['task'], { readonly type: 'StoreShards' }>['shards'][number]
/** One of its servers. */
export type PlannedServer = PlannedShard['primary']

/** What a server says of itself. */
export type ServerView = NodeInfo & {
  readonly self: NodeRow | undefined
  /** Drawn by its process when it was started. */
  readonly runId: string
  /** To be named to it when a snapshot is asked for, where its kind has such a thing. */
  readonly announce: string | undefined
  /** Bytes of its data in memory: no snapshot is much larger. */
  readonly usedBytes: number
}

/** What must be the same before and after. */
export type ShardView = {
  readonly slots: readonly SlotRange[]
  readonly epoch: number
}

/** A server that a snapshot may be taken of. */
export type Source = { readonly server: PlannedServer; readonly role: 'primary' | 'replica'; readonly view: ServerView }

/** What a server is asked for a view. */
export const VIEW_COMMANDS = [
  ['INFO', 'server', 'memory', 'persistence', 'replication', 'keyspace'],
  ['CLUSTER', 'NODES'],
] as const

/** The first Valkey that makes an older file for whoever names no version; that can't hold all that it has. */
const ANNOUNCED_FROM = 9

/** What a server without cluster mode is asked: it has no table of nodes. */
export const VIEW_COMMANDS_ALONE = VIEW_COMMANDS.slice(0, 1)

/** Reads the answers to `VIEW_COMMANDS`. */
export function viewOf([info = '', rows = '']: readonly string[]): ServerView {
  const valkey = /^valkey_version:(\d+\.\d+\.\d+)/m.exec(info)?.[1]
  return {
    ...parseInfo(info),
    self: parseClusterNodes(rows).find(({ myself }) => myself),
    announce: valkey !== undefined && Number.parseInt(valkey, 10) >= ANNOUNCED_FROM ? valkey : undefined,
    runId: /^run_id:([0-9a-f]{40})/m.exec(info)?.[1] ?? '',
    usedBytes: Number(/^used_memory:(\d+)/m.exec(info)?.[1] ?? 0),
  }
}

/**
 * The slots of a shard, by its primary.
 *
 * @throws AgentError `TopologyChanged` where the server is not the primary that was planned, or slots are on their way
 */
export function shardViewOf({ shard, primary }: PlannedShard, { role, self }: ServerView): ShardView {
  const refuse = (what: string): AgentError =>
    new AgentError(
      'TopologyChanged',
      `shard ${shard}: ${primary.pod} ${what}; to be tried again with the shards as they are`,
    )
  if (self === undefined || self.nodeId !== primary.nodeId) throw refuse(`is not the node ${primary.nodeId}`)
  if (role !== 'primary' || self.role !== 'primary') throw refuse('is a replica')
  if (self.slots.length === 0) throw refuse('has no slots')
  if (self.open.length > 0) throw refuse(`has slots that are being moved: ${self.open.slice(0, 3).join(' ')}`)
  return { slots: self.slots, epoch: self.configEpoch }
}

/** Every slot, of a server without cluster mode. */
export const ALL_SLOTS: readonly SlotRange[] = [{ first: 0, last: SLOT_COUNT - 1 }]

/**
 * A server without cluster mode as a shard that has all slots, be it primary or replica: its process stands for the node.
 *
 * @throws AgentError `TopologyChanged` where it was started anew; RedisError of a replica that is not in sync
 */
export function viewAlone({ primary }: PlannedShard, view: ServerView): ShardView {
  if (view.runId !== primary.nodeId)
    throw new AgentError('TopologyChanged', `${primary.pod} was started anew; to be tried again`)
  if (view.role === 'replica' && (!view.linkUp || view.syncing))
    throw new RedisError('Answered', 'it is a replica that is not in sync with its primary')
  return { slots: ALL_SLOTS, epoch: 0 }
}

/** Throws `TopologyChanged` where a shard is not as it was: what was stored meanwhile may be of no one moment. */
export function assertSame({ shard }: PlannedShard, before: ShardView, after: ShardView): void {
  const [slots, now] = [formatRanges(before.slots), formatRanges(after.slots)]
  if (slots !== now) throw new AgentError('TopologyChanged', `shard ${shard} had the slots ${slots}, and has ${now}`)
  if (before.epoch !== after.epoch)
    throw new AgentError('TopologyChanged', `shard ${shard} has another epoch: ${after.epoch}, it was ${before.epoch}`)
}

/** Whether a snapshot of a replica holds what its primary has, but for the last moments. */
export const isInSync = ({ primary }: PlannedShard, server: PlannedServer, view: ServerView): boolean =>
  view.role === 'replica' &&
  view.linkUp &&
  !view.syncing &&
  !view.loading &&
  view.self?.nodeId === server.nodeId &&
  view.self.primaryId === primary.nodeId

/** Where to take a snapshot, the best first: the replica that is least behind, then the primary. */
export function sourcesOf(primary: Source, replicas: readonly Source[]): readonly [Source, ...Source[]] {
  const [best] = replicas.toSorted((one, other) => other.view.offset - one.view.offset)
  return best === undefined ? [primary] : [best, primary]
}
