import { clusterCalls, NodePool, observeNode, RedisError, type RedisNode, type Words } from '@slotkeeper/redis-client'
import { evenRanges, type NodeView } from '@slotkeeper/redis-topology'
import { ask, DIAL_MS } from './ask.ts'
import { type RedisConfig, type RedisServer, startRedisServer } from './redis-server.ts'
import { until } from './until.ts'

export const SHARDS = 3
export const WITHIN_MS = 2_000
export const PATIENCE_MS = 30_000
/** While the nodes are empty and are being introduced, and afterwards. */
const FORMING_TIMEOUT_MS = 500
export const NODE_TIMEOUT_MS = 1_000

/** A server of a cluster, and its node id. */
export type Place = { readonly id: string; readonly server: RedisServer }

const pool = new NodePool(() => undefined)

/** The kept connection to a server. */
export const kept = ({ host, port }: RedisServer): RedisNode =>
  pool.node(String(port), { host, port, username: 'default', password: '', dialMs: DIAL_MS })

/** Closes all of these. */
export const closeConnections = (): void => pool.close()

/** Sends commands, of which none may be refused. */
export async function order(server: RedisServer, ...commands: readonly Words[]): Promise<void> {
  for (const answer of await ask(server, ...commands)) if (answer instanceof RedisError) throw answer
}

/** What a server says; throws when it says nothing. */
export async function view(server: RedisServer): Promise<NodeView> {
  const contact = await observeNode(kept(server), ['cluster-node-timeout', 'cluster-replica-no-failover'], WITHIN_MS)
  if (contact.type !== 'up') throw new Error(`a server is ${JSON.stringify(contact)}`)
  return contact.view
}

/** Waits until the views of all these places are as they should be. */
export function seen(
  what: string,
  places: readonly Pick<Place, 'server'>[],
  holds: (one: NodeView) => boolean,
): Promise<readonly NodeView[]> {
  let last: readonly NodeView[] = []
  return until(what, PATIENCE_MS, async () => {
    last = await Promise.all(places.map(({ server }) => view(server)))
    return last.every(holds) ? last : undefined
  })
}

/** The row of a node in a view. */
export const rowOf = (one: NodeView, nodeId: string | undefined) => one.rows.find((row) => row.nodeId === nodeId)

/** The words that introduce a place to another. */
export const meetOf = ({ server: { host, port, busPort } }: Place): Words => clusterCalls.meet(host, port, busPort)

/** How many slots have an owner in a view. */
export const slotsOf = (one: NodeView): number =>
  one.rows.flatMap((row) => row.slots).reduce((sum, { first, last }) => sum + last - first + 1, 0)

async function start(engine: string, config: RedisConfig): Promise<Place> {
  const server = await startRedisServer(engine, {
    'cluster-node-timeout': String(NODE_TIMEOUT_MS),
    'cluster-replica-no-failover': 'yes',
    'cluster-allow-replica-migration': 'no',
    'cluster-require-full-coverage': 'no',
    'repl-diskless-sync-delay': '0',
    ...config,
  })
  const { nodeId } = await until('its id', PATIENCE_MS, () => view(server))
  return { id: nodeId, server }
}

/**
 * Forms a cluster as the controller does: timeout and epochs, mesh, slots and replicas, timeout.
 *
 * @returns place n is the first primary of shard n, place n + 3 its replica
 */
export async function formCluster(engine: string, config: RedisConfig = {}): Promise<readonly Place[]> {
  const places = await Promise.all(Array.from({ length: 2 * SHARDS }, () => start(engine, config)))
  await Promise.all(
    places.map(({ server }, number) =>
      order(server, ...clusterCalls.prepare(FORMING_TIMEOUT_MS, places.length - number)),
    ),
  )
  await Promise.all(
    places.map(({ server }, number) => order(server, ...places.slice(number + 1).map((other) => meetOf(other)))),
  )
  await seen(
    `${engine}: all know all`,
    places,
    ({ rows }) => rows.length === places.length && rows.every((row) => !row.flags.includes('handshake')),
  )
  const ranges = evenRanges(SHARDS)
  await Promise.all(
    places.map(({ server }, number) => {
      const range = ranges[number]
      return order(
        server,
        range === undefined
          ? clusterCalls.replicate(places[number - SHARDS]?.id ?? '')
          : clusterCalls.addSlots([range]),
      )
    }),
  )
  await seen(
    `${engine}: ok everywhere`,
    places,
    (one) => one.clusterOk && slotsOf(one) === 16384 && one.linkUp && !one.syncing,
  )
  const back = clusterCalls.set('cluster-node-timeout', String(NODE_TIMEOUT_MS))
  await Promise.all(places.map(({ server }) => order(server, back)))
  return places
}
