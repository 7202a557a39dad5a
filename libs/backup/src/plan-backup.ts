import { backupSourceOf, CLIENT_PORT, defined, type ForeignServer } from '@slotkeeper/api'
import type { BackupShardStatus, BackupStatus } from '@slotkeeper/events'
import { agentName } from './agent-name.ts'
import { isPaused, stopsOf } from './agent-outcome.ts'
import type { AgentServer, AgentTask } from './agent-plan.ts'
import { BACKUP_USER } from './backup-user.ts'
import type { AgentRun, BackupCase, SourceShard } from './backup-case.ts'
import type { AgentOrder, BackupCommand } from './backup-command.ts'
import { isForeign } from './find-servers.ts'
import { objectOf } from './object-names.ts'
import { isStored, runOf, waitsFor } from './next-backup.ts'
import { loadOf } from './prove-backup.ts'
import { storageWaitsFor } from './storage-waits-for.ts'
import { isOver, mayDeleteObjects, writing } from './next-deletion.ts'

/** Where an agent finds the password of the servers. */
export const SERVER_SECRETS = '/etc/slotkeeper/server'
/** Where it finds the certificates that servers are trusted by which are none of ours. */
export const SERVER_CA = '/etc/slotkeeper/server-ca'
/** Where the volume is that it fills for a server. */
export const SEEDED_VOLUME = '/data'
/** Where it finds what it shows them. */
export const SERVER_CERTIFICATE = '/etc/slotkeeper/server-certificate'

const FIND_MS = 300_000
const DELETE_MS = 300_000
const INSPECT_MS = 300_000
/** Agents of one backup that run at the same time: each has its server fork, and takes memory and network. */
const MOST_AGENTS = 8
/** Servers that are started from one backup at the same time: each takes as much memory as one of its cluster. */
const MOST_LOADS = 2

/** The commands for what the status is by now, in order. */
export function planBackup(given: BackupCase, status: BackupStatus): readonly BackupCommand[] {
  if (status.state === 'Deleting') return planDeletion(given, status)
  const first: readonly BackupCommand[] = given.backup.hasFinalizer ? [] : [{ type: 'EnsureFinalizer' }]
  return [...first, ...commandsIn(given, status, !isPaused(status, given.now))]
}

/** @param mayStart whether it is not too early for another attempt */
function commandsIn(given: BackupCase, status: BackupStatus, mayStart: boolean): readonly BackupCommand[] {
  switch (status.state) {
    case 'Adopting':
      return onlyAgent(given, inspectOrder(given, status), mayStart && given.storage?.usable === true)
    case 'Finding':
      return onlyAgent(given, findOrder(given, status), mayStart && waitsFor(given) === null)
    case 'Streaming':
      return streaming(given, status, mayStart)
    case 'Sealing': {
      const isSame = isForeign(given) || given.source?.uid === status.cluster?.uid
      return onlyAgent(given, sealOrder(given, status), mayStart && isSame)
    }
    case 'Verifying':
      return loading(given, status, mayStart)
    case 'Failed':
      // The agents of one that failed are kept for whoever reads their logs; they go with it. Not with a volume that holds a shard.
      return stopsOf(given.runs, (one) => one.state === 'running' || (one.step === 'load' && hasScratchVolume(given)))
    case 'Completed': {
      const { expired: why } = status
      return [
        ...stopsOf(given.runs, () => true),
        ...(why === undefined ? [] : [{ type: 'ExpireBackup', why } as const]),
      ]
    }
    default:
      return []
  }
}

function streaming(given: BackupCase, status: BackupStatus, mayStart: boolean): readonly BackupCommand[] {
  const wanted = (status.shards ?? []).map((shard) => runOf(given, shard))
  const orders = mayStart ? storeOrders(given, status).map(run) : []
  return [...orders, ...stopsOf(given.runs, (one) => !wanted.includes(one))]
}

function loading(given: BackupCase, status: BackupStatus, mayStart: boolean): readonly BackupCommand[] {
  const { shards = [], attempt = 1 } = status
  const missing = shards.filter((one) => one.loaded === undefined)
  const wanted = missing.map((one) => loadOf(given, status, one))
  const running = wanted.filter((one) => one?.state === 'running').length
  const mayLoad = mayStart && storageWaitsFor(given.spec.storageName, given.storage) === null
  const orders = missing
    .filter((_one, index) => wanted[index] === undefined)
    .slice(0, mayLoad ? Math.max(0, MOST_LOADS - running) : 0)
    .map(({ shard }) => run({ ...loadOrder(given, status, shard), step: 'load', part: shard, attempt }))
  return [...orders, ...stopsOf(given.runs, (one) => !wanted.includes(one))]
}

/** Whether servers that are started from shards have volumes, which stay for as long as their pods; so it may be where nobody knows. */
const hasScratchVolume = ({ storage }: BackupCase): boolean =>
  storage === null || storage.spec.agent?.scratch !== undefined

function loadOrder(
  given: BackupCase,
  status: BackupStatus,
  shard: number,
): Pick<AgentOrder, 'job' | 'task' | 'deadlineMs'> {
  const { manifest = '', manifestSha256: sha256 = '', attempt = 1 } = status
  const pace = defined({ maxBytesPerSecond: given.storage?.spec.maxBytesPerSecond })
  const task: AgentTask = {
    type: 'LoadShard',
    manifest,
    sha256,
    volume: SEEDED_VOLUME,
    shard,
    port: CLIENT_PORT,
    ...pace,
  }
  return { job: agentName(given.backup, 'load', attempt, shard), task, deadlineMs: agentMs(given) }
}

const run = (order: AgentOrder): BackupCommand => ({ type: 'RunAgent', ...order })

/** One agent, started where it may be and is not there yet, and no other one beside it. */
function onlyAgent(given: BackupCase, order: AgentOrder, mayStart: boolean): readonly BackupCommand[] {
  const isThere = given.runs.some((one) => one.job === order.job)
  return [...(mayStart && !isThere ? [run(order)] : []), ...stopsOf(given.runs, (one) => one.job !== order.job)]
}

/** From its own start: when the backup itself is late, its agents are stopped. The same at each look, as all of an order. */
const agentMs = ({ spec }: BackupCase): number => spec.deadlineSeconds * 1_000

function storeOrders(given: BackupCase, { shards = [], topology = '' }: BackupStatus): readonly AgentOrder[] {
  if (waitsFor(given) !== null) return []
  const missing = shards.filter((one) => !isStored(one) && runOf(given, one) === undefined)
  if (missing.length === 0) return []
  const running = given.runs.filter((one) => one.step === 'store' && one.state === 'running').length
  const orderOf = (some: readonly BackupShardStatus[], which: Which): AgentOrder => {
    const job = agentName(given.backup, 'store', which.attempt, which.part)
    return { job, step: 'store', ...which, task: storeTask(given, some, topology), deadlineMs: agentMs(given) }
  }
  if (given.spec.consistency === 'shard')
    return missing
      .slice(0, Math.max(0, MOST_AGENTS - running))
      .map((one) => orderOf([one], { part: one.shard, attempt: one.attempt }))
  return [orderOf(shards, { attempt: shards[0]?.attempt ?? 1 })]
}

type Which = { readonly part?: number; readonly attempt: number }

function storeTask(given: BackupCase, shards: readonly BackupShardStatus[], topology: string): AgentTask {
  const { spec, source, storage } = given
  const { maxBytesPerSecond } = storage?.spec ?? {}
  const storing = {
    backup: refOf(given),
    cluster: clusterOf(given),
    consistency: spec.consistency,
    target: spec.target,
    pauseMs: spec.maxPauseMs,
    level: storage?.spec.compressionLevel ?? 1,
    ...(maxBytesPerSecond === undefined ? {} : { maxBytesPerSecond }),
  }
  if (spec.server !== undefined)
    return { type: 'StoreFound', ...storing, ...entryOf(spec.server), topology, shards: shards.map((one) => one.shard) }
  return {
    type: 'StoreShards',
    ...storing,
    shards: shards.flatMap((one) => {
      const its = source?.shards.find((other) => other.shard === one.shard)
      return its === undefined ? [] : [serversOf(its)]
    }),
    username: BACKUP_USER.name,
    credentials: SERVER_SECRETS,
  }
}

/** Where a server that is none of ours is, and where an agent finds what it needs to enter it. */
function entryOf({ address, username, password, tls }: ForeignServer) {
  const colon = address.lastIndexOf(':')
  const { ca, certificate, serverName } = tls ?? {}
  const secure = {
    ...(ca === undefined ? {} : { ca: `${SERVER_CA}/${ca.key}` }),
    ...(certificate === undefined ? {} : { certificate: SERVER_CERTIFICATE }),
    ...(serverName === undefined ? {} : { serverName }),
  }
  return {
    host: address.slice(0, colon).replaceAll(/[[\]]/g, ''),
    port: Number(address.slice(colon + 1)),
    username,
    credentials: password === undefined ? null : SERVER_SECRETS,
    ...(tls === undefined ? {} : { tls: secure }),
  }
}

function findOrder(given: BackupCase, { attempt = 1 }: BackupStatus): AgentOrder {
  const { server, target } = given.spec
  if (server === undefined) throw new Error('the servers of a RedisCluster are known')
  const task: AgentTask = { type: 'FindServers', ...entryOf(server), target }
  return { job: agentName(given.backup, 'find', attempt), step: 'find', attempt, task, deadlineMs: FIND_MS }
}

function serversOf(source: SourceShard): Extract<AgentTask, { type: 'StoreShards' }>['shards'][number] {
  const server = (pod: string): AgentServer => ({
    pod,
    host: source.addresses[pod] ?? pod,
    port: CLIENT_PORT,
    nodeId: source.nodes[pod] ?? '',
  })
  const { shard, primary = '', attached } = source
  return { shard, primary: server(primary), replicas: attached.map(server) }
}

function sealOrder(given: BackupCase, { attempt = 1, shards = [], beganAt = '', engine }: BackupStatus): AgentOrder {
  const { backup, source, spec } = given
  const task: AgentTask = {
    type: 'SealBackup',
    backup: refOf(given),
    cluster: clusterOf(given),
    consistency: spec.consistency,
    beganAt,
    engine: { engine: engine?.engine === 'redis' ? 'redis' : 'valkey', version: engine?.version ?? '' },
    spec: { ...source?.spec },
    records: shards.map(({ shard, record = '' }) => ({ shard, record })),
  }
  return { job: agentName(backup, 'seal', attempt), step: 'seal', attempt, task, deadlineMs: agentMs(given) }
}

function inspectOrder(given: BackupCase, { attempt = 1 }: BackupStatus): AgentOrder {
  const task: AgentTask = { type: 'InspectBackup', manifest: objectOf.manifest(refOf(given)), target: null }
  return { job: agentName(given.backup, 'inspect', attempt), step: 'inspect', attempt, task, deadlineMs: INSPECT_MS }
}

const refOf = ({ backup: { namespace, name, uid } }: BackupCase) => ({ namespace, name, uid })

function clusterOf({ backup, spec, source, status }: BackupCase) {
  const name = backupSourceOf(spec)
  const uid = spec.server === undefined ? (status?.cluster?.uid ?? source?.uid ?? '') : name
  return { namespace: backup.namespace, name, uid }
}

function planDeletion(given: BackupCase, status: BackupStatus): readonly BackupCommand[] {
  const { attempt = 1 } = status
  const isPast = (one: AgentRun): boolean =>
    one.step === 'delete' && (isOver(status) ? one.state === 'running' : one.attempt < attempt - 1)
  const commands: BackupCommand[] = [...stopsOf(given.runs, (one) => writing(given).includes(one) || isPast(one))]
  const paused = isPaused(status, given.now)
  if (isOver(status) || paused || given.storage === null) return commands
  const job = agentName(given.backup, 'delete', attempt)
  if (!mayDeleteObjects(given) || given.runs.some((one) => one.job === job)) return commands
  const task: AgentTask = { type: 'DeleteBackup', backup: refOf(given) }
  return [...commands, run({ job, step: 'delete', attempt, task, deadlineMs: DELETE_MS })]
}
