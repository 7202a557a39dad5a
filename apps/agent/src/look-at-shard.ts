import { RedisError } from '@slotkeeper/redis-client'
import type { Logger } from '@slotkeeper/observability'
import { askServer, of, type ServerAccess } from './server-access.ts'
import {
  isInSync,
  type PlannedServer,
  type PlannedShard,
  type ServerView,
  type ShardView,
  shardViewOf,
  type Source,
  sourcesOf,
  VIEW_COMMANDS,
  VIEW_COMMANDS_ALONE,
  viewAlone,
  viewOf,
} from './shard-view.ts'

/** A shard as its servers say it is. */
export type Looked = ShardView & { readonly sources: readonly [Source, ...Source[]] }

/** How a shard is looked at. */
export type LookOptions = ServerAccess & { readonly target: 'prefer-replica' | 'primary'; readonly log: Logger }

/**
 * Asks the servers of a shard what they are.
 *
 * @throws AgentError `TopologyChanged` where the shard is not as it was planned; RedisError of the primary
 */
export async function lookAtShard(shard: PlannedShard, options: LookOptions): Promise<Looked> {
  const candidates = options.target === 'primary' ? [] : shard.replicas
  const [primary, ...replicas] = await Promise.all([
    viewFrom(shard.primary, options),
    ...candidates.map((server) => replicaOf(shard, server, options)),
  ])
  if (primary.loading) throw of(shard.primary, new RedisError('Loading', 'the server is loading its data'))
  const looked = shardView(shard, primary, options)
  const role = options.task.isAlone === true ? primary.role : 'primary'
  const source: Source = { server: shard.primary, role, view: primary }
  return {
    ...looked,
    sources: sourcesOf(
      source,
      replicas.filter((one) => one !== null),
    ),
  }
}

/** The slots and the epoch of a shard, by its primary. */
export async function lookAgain(shard: PlannedShard, access: ServerAccess): Promise<ShardView> {
  return shardView(shard, await viewFrom(shard.primary, access), access)
}

function shardView(shard: PlannedShard, view: ServerView, { task }: ServerAccess): ShardView {
  try {
    return task.isAlone === true ? viewAlone(shard, view) : shardViewOf(shard, view)
  } catch (error) {
    throw of(shard.primary, error)
  }
}

const viewFrom = async (server: PlannedServer, access: ServerAccess): Promise<ServerView> =>
  viewOf(await askServer(server, access, access.task.isAlone === true ? VIEW_COMMANDS_ALONE : VIEW_COMMANDS))

/** A replica that may be taken; null for one that may not, or does not answer. */
async function replicaOf(shard: PlannedShard, server: PlannedServer, options: LookOptions): Promise<Source | null> {
  try {
    const view = await viewFrom(server, options)
    if (isInSync(shard, server, view)) return { server, role: 'replica', view }
    options.log.info({ pod: server.pod, shard: shard.shard }, 'the replica is not in sync with its primary')
  } catch (error) {
    if (!(error instanceof RedisError)) throw error
    options.signal.throwIfAborted()
    options.log.info({ pod: server.pod, why: error.message }, 'the replica does not answer')
  }
  return null
}
