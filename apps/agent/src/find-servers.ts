import { RedisError } from '@slotkeeper/redis-client'
import {
  formatRanges,
  type NodeRow,
  parseClusterNodes,
  parseInfo,
  type SlotRange,
  uncovered,
} from '@slotkeeper/redis-topology'
import { AgentError } from './agent-error.ts'
import { askServer, of, type ServerAccess, type ServerEntry } from './server-access.ts'
import { ALL_SLOTS, type PlannedServer, type PlannedShard } from './shard-view.ts'
import { unfitness } from './unfitness.ts'

/** A server that somebody named: any of a cluster, or one alone. */
export type ForeignServer = ServerEntry & {
  readonly host: string
  readonly port: number
  readonly target: 'prefer-replica' | 'primary'
}

/** What is found behind it. */
export type FoundServers = {
  readonly engine: { readonly engine: 'redis' | 'valkey'; readonly version: string }
  /** A server without cluster mode: all slots are its own. */
  readonly isAlone: boolean
  /** In the order of their first slots. */
  readonly shards: readonly PlannedShard[]
  /** SHA-256 of who the primaries are, and which slots each has. */
  readonly topology: string
}

type Access = ServerAccess & { readonly task: ForeignServer }
type Described = { readonly info: string; readonly runId: string; readonly isClustered: boolean }

/**
 * Asks a server, and the primaries that it names, what they are.
 *
 * @throws AgentError `ServerUnfit` for what cannot be copied, `TopologyChanged` where slots have no primary; RedisError that
 *   names the address that does not answer
 */
export async function findServers(access: Access): Promise<FoundServers> {
  const { host, port, target } = access.task
  const entry: PlannedServer = { pod: addressOf(host, port), host, port, nodeId: '' }
  const said = await describe(entry, access)
  const { info, runId } = said
  const { role } = parseInfo(info)
  if (!said.isClustered) {
    if (role === 'replica' && target === 'primary')
      throw new AgentError('ServerUnfit', `${entry.pod} is a replica: name its primary, or leave target: primary out`)
    const shards = [{ shard: 0, primary: { ...entry, nodeId: runId }, replicas: [] }]
    return { engine: engineOf(info), isAlone: true, shards, topology: await digestOf([[runId, ALL_SLOTS]]) }
  }
  const [rows = ''] = await askServer(entry, access, [['CLUSTER', 'NODES']])
  const table = parseClusterNodes(rows)
  const primaries = primariesOf(table, entry)
  const shards = primaries.map((row, shard) => shardOf(shard, row, table, entry))
  await Promise.all(shards.map(({ primary }) => describe(primary, access, entry)))
  const topology = await digestOf(primaries.map(({ nodeId, slots }) => [nodeId, slots]))
  return { engine: engineOf(info), isAlone: false, shards, topology }
}

/** What a server says of itself; refused where it could not be copied. */
async function describe(server: PlannedServer, access: Access, entry = server): Promise<Described> {
  const info = await askedFrom(server, entry, access)
  if (parseInfo(info).loading) throw of(server, new RedisError('Loading', 'the server is loading its data'))
  const unfit = unfitness(info)
  if (unfit !== null) throw new AgentError('ServerUnfit', `${server.pod} ${unfit}`)
  const runId = /^run_id:([0-9a-f]{40})/m.exec(info)?.[1] ?? ''
  return { info, runId, isClustered: /^cluster_enabled:1/m.test(info) }
}

async function askedFrom(server: PlannedServer, entry: PlannedServer, access: Access): Promise<string> {
  try {
    const [info = ''] = await askServer(server, access, [['INFO']])
    return info
  } catch (error) {
    const isUnreached = error instanceof RedisError && ['TimedOut', 'Refused', 'Closed'].includes(error.reason)
    if (!isUnreached) throw error
    if (server !== entry)
      throw new RedisError(
        error.reason,
        `${error.message}: that is the address by which ${entry.pod} names it (cluster-announce-ip); it must be reached from the pods of this namespace`,
      )
    const hint = hintOf(error, access.task.tls)
    throw hint === null ? error : new RedisError(error.reason, `${error.message}; ${hint}`)
  }
}

/** What one end may miss of the other that says no word of it. */
function hintOf({ reason }: RedisError, tls: ServerEntry['tls']): string | null {
  if (reason === 'TimedOut') return tls === undefined ? null : 'does it speak TLS there?'
  if (reason !== 'Closed') return null
  if (tls === undefined) return 'does it want TLS (tls)?'
  return tls.certificate === undefined ? 'does it want a certificate of whoever connects (tls.certificate)?' : null
}

const LOST = ['fail', 'noaddr', 'handshake']
const isLost = ({ flags }: NodeRow): boolean => LOST.some((flag) => flags.includes(flag))

function primariesOf(table: readonly NodeRow[], { pod }: PlannedServer): readonly NodeRow[] {
  const primaries = table.filter(({ role, slots }) => role === 'primary' && slots.length > 0)
  const refuse = (what: string): AgentError => new AgentError('TopologyChanged', `${pod} says that ${what}`)
  const missing = uncovered(primaries.flatMap(({ slots }) => slots))
  if (missing.length > 0) throw refuse(`nobody has the slots ${formatRanges(missing).slice(0, 100)}`)
  const lost = primaries.find(isLost)
  if (lost !== undefined)
    throw refuse(`${nameOf(lost)} has failed, the primary of ${formatRanges(lost.slots).slice(0, 100)}`)
  return primaries.toSorted((one, other) => (one.slots[0]?.first ?? 0) - (other.slots[0]?.first ?? 0))
}

function shardOf(shard: number, row: NodeRow, table: readonly NodeRow[], entry: PlannedServer): PlannedShard {
  const replicas = table.filter((one) => one.primaryId === row.nodeId && !isLost(one))
  return { shard, primary: serverOf(row, entry), replicas: replicas.map((one) => serverOf(one, entry)) }
}

/** The server that was named is where it was named; the others are where it says. */
function serverOf(row: NodeRow, entry: PlannedServer): PlannedServer {
  const { nodeId, port, myself } = row
  if (myself) return { ...entry, nodeId }
  return { pod: nameOf(row), host: row.address, port, nodeId }
}

const nameOf = ({ address, port }: NodeRow): string => addressOf(address, port)
const addressOf = (host: string, port: number): string => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`)

function engineOf(info: string): FoundServers['engine'] {
  const { version } = parseInfo(info)
  const [number = version] = /^\d+\.\d+(\.\d+)?/.exec(version) ?? []
  return { engine: /^valkey_version:/m.test(info) ? 'valkey' : 'redis', version: number }
}

async function digestOf(primaries: readonly (readonly [string, readonly SlotRange[]])[]): Promise<string> {
  const text = primaries.map(([id, slots]) => `${id} ${formatRanges(slots)}`).join('\n')
  return Buffer.from(await crypto.subtle.digest('SHA-256', Buffer.from(text))).toString('hex')
}
