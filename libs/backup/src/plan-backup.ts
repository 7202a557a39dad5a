import { CLIENT_PORT } from '@slotkeeper/api'
import type { BackupShardStatus, BackupStatus } from '@slotkeeper/events'
import { agentName } from './agent-name.ts'
import { isPaused, stopsOf } from './agent-outcome.ts'
import type { AgentServer, AgentTask } from './agent-plan.ts'
import { BACKUP_USER } from './backup-user.ts'
import type { BackupCase, SourceShard } from './backup-case.ts'
import type { AgentOrder, BackupCommand } from './backup-command.ts'
import { objectOf } from './object-names.ts'
import { isStored, runOf, waitsFor } from './next-backup.ts'
import { isOver, mayDeleteObjects, writing } from './next-deletion.ts'

/** Where an agent finds the Secret of the cluster. */
export const SERVER_SECRETS = '/etc/slotkeeper/server'

const DELETE_MS = 300_000
const INSPECT_MS = 300_000
/** Agents of one backup that run at the same time: each has its server fork, and takes memory and network. */
const MOST_AGENTS = 8

/** The commands for what the status is by now, in order. */
export function planBackup(given: BackupCase, status: BackupStatus): readonly BackupCommand[] {
  const commands: BackupCommand[] = []
  if (status.state === 'Deleting') return planDeletion(given, status)
  if (!given.backup.hasFinalizer) commands.push({ type: 'EnsureFinalizer' })
  const paused = isPaused(status, given.now)
  if (status.state === 'Adopting')
    commands.push(...onlyAgent(given, inspectOrder(given, status), !paused && given.storage?.usable === true))
  if (status.state === 'Streaming') {
    if (!paused) commands.push(...storeOrders(given, status).map(run))
    commands.push(...stopsOf(given.runs, (one) => !(status.shards ?? []).some((shard) => runOf(given, shard) === one)))
  }
  if (status.state === 'Sealing') {
    const isSame = given.source?.uid === status.cluster?.uid
    commands.push(...onlyAgent(given, sealOrder(given, status), !paused && isSame))
  }
  // The agents of one that failed are kept for whoever reads their logs; they go with it.
  if (status.state === 'Failed') commands.push(...stopsOf(given.runs, (one) => one.state === 'running'))
  if (status.state === 'Completed') {
    commands.push(...stopsOf(given.runs, () => true))
    if (status.expired !== undefined) commands.push({ type: 'ExpireBackup', why: status.expired })
  }
  return commands
}

const run = (order: AgentOrder): BackupCommand => ({ type: 'RunAgent', ...order })

/** One agent, started where it may be and is not there yet, and no other one beside it. */
function onlyAgent(given: BackupCase, order: AgentOrder, mayStart: boolean): readonly BackupCommand[] {
  const isThere = given.runs.some((one) => one.job === order.job)
  return [...(mayStart && !isThere ? [run(order)] : []), ...stopsOf(given.runs, (one) => one.job !== order.job)]
}

/** From its own start: when the backup itself is late, its agents are stopped. The same at each look, as all of an order. */
const agentMs = ({ spec }: BackupCase): number => spec.deadlineSeconds * 1_000

function storeOrders(given: BackupCase, { shards = [] }: BackupStatus): readonly AgentOrder[] {
  if (waitsFor(given) !== null) return []
  const missing = shards.filter((one) => !isStored(one) && runOf(given, one) === undefined)
  if (missing.length === 0) return []
  const running = given.runs.filter((one) => one.step === 'store' && one.state === 'running').length
  if (given.spec.consistency === 'shard')
    return missing
      .slice(0, Math.max(0, MOST_AGENTS - running))
      .map((one) => storeOrder(given, [one], { part: one.shard, attempt: one.attempt }))
  return [storeOrder(given, shards, { attempt: shards[0]?.attempt ?? 1 })]
}

function storeOrder(
  given: BackupCase,
  shards: readonly BackupShardStatus[],
  which: { readonly part?: number; readonly attempt: number },
): AgentOrder {
  const { backup, spec, source, storage } = given
  const task: AgentTask = {
    type: 'StoreShards',
    backup: refOf(given),
    cluster: clusterOf(given),
    consistency: spec.consistency,
    target: spec.target,
    shards: shards.flatMap((one) => {
      const its = source?.shards.find((other) => other.shard === one.shard)
      return its === undefined ? [] : [serversOf(its)]
    }),
    username: BACKUP_USER.name,
    credentials: SERVER_SECRETS,
    pauseMs: spec.maxPauseMs,
    level: storage?.spec.compressionLevel ?? 1,
    ...(storage?.spec.maxBytesPerSecond === undefined ? {} : { maxBytesPerSecond: storage.spec.maxBytesPerSecond }),
  }
  const job = agentName(backup, 'store', which.attempt, which.part)
  return { job, step: 'store', ...which, task, deadlineMs: agentMs(given) }
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
  const uid = status?.cluster?.uid ?? source?.uid ?? ''
  return { namespace: backup.namespace, name: spec.cluster.name, uid }
}

function planDeletion(given: BackupCase, status: BackupStatus): readonly BackupCommand[] {
  const commands: BackupCommand[] = [...stopsOf(given.runs, (one) => writing(given).includes(one))]
  const paused = isPaused(status, given.now)
  if (isOver(status) || paused || given.storage === null) return commands
  const { attempt = 1 } = status
  const job = agentName(given.backup, 'delete', attempt)
  if (!mayDeleteObjects(given) || given.runs.some((one) => one.job === job)) return commands
  const task: AgentTask = { type: 'DeleteBackup', backup: refOf(given) }
  return [...commands, run({ job, step: 'delete', attempt, task, deadlineMs: DELETE_MS })]
}
