import { parseClusterNodes, parseInboundLinks, parseInfo, type Contact } from '@slotkeeper/redis-topology'
import { clusterCalls } from './cluster-calls.ts'
import { pairs } from './pairs.ts'
import { asRedisError, RedisError, type RedisNode } from './redis-node.ts'

/**
 * Asks a server everything that a decision needs, in one round trip.
 *
 * @param settings names for CONFIG GET, at least one
 * @param timeoutMs for dial and answers together, in milliseconds
 * @returns what came of it; a server that can't be reached is a value
 */
export async function observeNode(node: RedisNode, settings: readonly string[], timeoutMs: number): Promise<Contact> {
  try {
    const [id, info, rows, cluster, config] = await node.pipeline(
      [
        ['CLUSTER', 'MYID'],
        ['INFO', 'server', 'persistence', 'replication', 'keyspace'],
        ['CLUSTER', 'NODES'],
        ['CLUSTER', 'INFO'],
        clusterCalls.get(settings),
      ],
      timeoutMs,
    )
    for (const answer of [id, info, rows, cluster, config]) if (answer instanceof RedisError) throw answer
    const parsed = parseInfo(String(info))
    if (parsed.loading) return { type: 'loading' }
    const state = String(cluster)
    return {
      type: 'up',
      view: {
        ...parsed,
        nodeId: String(id),
        currentEpoch: Number(/cluster_current_epoch:(\d+)/.exec(state)?.[1] ?? 0),
        clusterOk: state.includes('cluster_state:ok'),
        rows: parseClusterNodes(String(rows)),
        settings: pairs(config),
      },
    }
  } catch (error) {
    return contactOf(asRedisError(error))
  }
}

function contactOf(error: RedisError): Contact {
  switch (error.reason) {
    case 'Refused':
      return { type: 'refused' }
    case 'Loading':
      return { type: 'loading' }
    case 'Denied':
      return { type: 'denied', message: error.message }
    case 'TimedOut':
    case 'Closed':
    case 'Untrusted':
    case 'Answered':
      return { type: 'silent', message: error.message }
  }
}

/** Node ids from which the server has an inbound bus link; null when it does not answer. */
export async function observeInboundLinks(node: RedisNode, timeoutMs: number): Promise<readonly string[] | null> {
  try {
    return parseInboundLinks(await node.call(['CLUSTER', 'LINKS'], timeoutMs))
  } catch {
    // Silence of a witness is no testimony: the caller counts only those that spoke.
    return null
  }
}
