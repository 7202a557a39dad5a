import { CLIENT_PORT, defined, type RedisClusterSpec } from '@slotkeeper/api'
import {
  agentName,
  type AgentOrder,
  type AgentTask,
  BACKUP_USER,
  isPaused,
  SEEDED_VOLUME,
  SERVER_SECRETS,
  stopsOf,
} from '@slotkeeper/backup'
import type { RestoreShardStatus, RestoreStatus } from '@slotkeeper/events'
import { formerClaims, mayDeleteClaims, ownClaims, seededClaim, seededPod, unclaimed } from './claims.ts'
import { backupNameOf, copySpec } from './copy.ts'
import { inPlaceObstacle, isInPlace, isOurs } from './in-place.ts'
import { isSeeded, seedRun, waitsFor } from './next-restore.ts'
import type { RestoreCase } from './restore-case.ts'
import type { RestoreCommand } from './restore-command.ts'
import { engineOf } from './target-spec.ts'

/** Volumes that are filled at the same time: each reads the storage. */
const MOST_AGENTS = 8

/** The commands for what the status is by now, in order. */
export function planRestore(given: RestoreCase, status: RestoreStatus): readonly RestoreCommand[] {
  if (status.state === 'Deleting')
    return [...stopsOf(given.runs, () => true), ...withdrawal(given, status), ...claimDeletions(given, status)]
  const commands: RestoreCommand[] = []
  if (!given.restore.hasFinalizer) commands.push({ type: 'EnsureFinalizer' })
  const paused = isPaused(status, given.now)
  switch (status.state) {
    case 'Copying':
      return [...commands, ...copying(given, status)]
    case 'Inspecting':
      return [...commands, ...(paused ? [] : runOnce(given, inspectOrder(given, status)))]
    case 'Seeding':
      return [...commands, ...(paused ? [] : seeding(given, status))]
    case 'Starting':
      return [...commands, ...creation(given, status)]
    case 'Verifying':
      return [...commands, ...(paused ? [] : runOnce(given, verifyOrder(given, status)))]
    case 'Failed':
      // The agents of one that failed are kept for whoever reads their logs; but a claim stays for as long as any pod is
      // there that has mounted it, though it has ended.
      return [
        ...commands,
        ...stopsOf(given.runs, (one) => one.state === 'running' || one.step === 'seed'),
        ...claimDeletions(given, status),
      ]
    case 'Completed':
      return [...commands, ...stopsOf(given.runs, () => true), ...oldClaimDeletions(given, status)]
    default:
      return commands
  }
}

/** The RedisBackup, until it was seen once: it is never made a second time. */
function copying({ restore, spec, backup }: RestoreCase, { copy }: RestoreStatus): readonly RestoreCommand[] {
  const [name, backupSpec] = [backupNameOf(spec, restore), copySpec(spec)]
  if (backup !== null || copy !== undefined || name === null || backupSpec === null) return []
  return [{ type: 'CreateBackup', backup: name, backupSpec }]
}

/** The cluster, once: over volumes that are all there, and that nobody has mounted any more. */
function creation(given: RestoreCase, status: RestoreStatus): readonly RestoreCommand[] {
  const { operation, clusterUid, spec = {} } = status
  // The pods of the agents let go of the volumes first: not every volume can be mounted twice.
  if (given.runs.some((one) => !one.isGone) || unclaimed(given, status) !== undefined) return []
  if (clusterUid !== undefined || operation === undefined) return []
  if (isInPlace(given.spec)) return switching(given, status, operation.id)
  if (given.target !== null) return []
  return [{ type: 'CreateCluster', opId: operation.id, cluster: given.spec.target.cluster.name, spec }]
}

/** The cluster that is there is told to take the new volumes. */
function switching(given: RestoreCase, status: RestoreStatus, opId: string): readonly RestoreCommand[] {
  const { replaces } = status
  if (replaces === undefined || isOurs(given) || inPlaceObstacle(given, status) !== null) return []
  const { uid, volume } = replaces
  const { name: cluster } = given.spec.target.cluster
  return [{ type: 'SwitchCluster', opId, cluster, uid, volume, ...defined({ restoredBy: given.target?.restoredBy }) }]
}

/**
 * An order that is not followed yet goes with the restore that gave it. Whether there is one is asked of the cluster itself, again and
 * again until this restore is gone: what was seen of it last may be from before the order.
 */
function withdrawal(given: RestoreCase, { replaces, operation, clusterUid }: RestoreStatus): readonly RestoreCommand[] {
  const uid = replaces?.uid ?? given.target?.uid
  const mayStand = operation?.type === 'SwitchCluster' || clusterUid !== undefined || isOurs(given)
  if (!isInPlace(given.spec) || uid === undefined || !mayStand) return []
  return [{ type: 'WithdrawOrder', cluster: given.spec.target.cluster.name, uid }]
}

/** What the cluster had before, where its owner wants it deleted: once every key of the backup was seen in it. */
function oldClaimDeletions(given: RestoreCase, status: RestoreStatus): readonly RestoreCommand[] {
  const { inPlace, cluster } = given.spec.target
  const { clusterUid } = status
  if (inPlace?.oldVolumes !== 'Delete' || !isOurs(given)) return []
  if (clusterUid === undefined || given.target?.uid !== clusterUid) return []
  const claims = formerClaims(given, status)
    .filter((one) => !one.isDeleting)
    .map(({ name, uid }) => ({ name, uid }))
  return claims.length === 0 ? [] : [{ type: 'DeleteOldClaims', claims, cluster: cluster.name, clusterUid }]
}

/** For so long an agent is waited for that does not end; a claim that it has mounted stays until it has. */
const PATIENCE_MS = 60_000

/** What was filled and is no cluster's: once nobody writes into it any more. */
function claimDeletions(given: RestoreCase, status: RestoreStatus): readonly RestoreCommand[] {
  const since = status.deletingSince ?? status.endedAt
  const isLate = since !== undefined && given.now - Date.parse(since) > PATIENCE_MS
  if (!mayDeleteClaims(given, status) || (given.runs.some((one) => !one.isGone) && !isLate)) return []
  return ownClaims(given)
    .filter((one) => !one.isDeleting)
    .map(({ name, uid }) => ({ type: 'DeleteClaim', claim: name, uid }))
}

function runOnce(given: RestoreCase, order: AgentOrder | null): readonly RestoreCommand[] {
  if (order === null || given.runs.some((one) => one.job === order.job)) return []
  return [{ type: 'RunAgent', ...order }]
}

/** From its own start: when the restore itself is late, its agents are stopped. The same at each look, as all of an order. */
const agentMs = ({ spec }: RestoreCase): number => spec.deadlineSeconds * 1_000

function inspectOrder(given: RestoreCase, { attempt = 1, manifest = '', spec = {} }: RestoreStatus): AgentOrder | null {
  if (waitsFor(given) !== null) return null
  const template = isInPlace(given.spec) ? (spec as RedisClusterSpec) : given.spec.target.template
  // Without a template the cluster becomes what it was, and that is in the manifest.
  const target = template === undefined ? null : engineOf(template)
  const task: AgentTask = { type: 'InspectBackup', manifest, target }
  const job = agentName(given.restore, 'inspect', attempt)
  return { job, step: 'inspect', attempt, task, deadlineMs: agentMs(given) }
}

function seeding(given: RestoreCase, status: RestoreStatus): readonly RestoreCommand[] {
  if (waitsFor(given) !== null) return []
  const running = given.runs.filter((one) => one.step === 'seed' && one.state === 'running').length
  const missing = (status.shards ?? []).filter((one) => !isSeeded(one) && seedRun(given, one) === undefined)
  return missing.slice(0, Math.max(0, MOST_AGENTS - running)).flatMap((one): readonly RestoreCommand[] => {
    const claim = seededClaim(given, one.shard)
    const isThere = ownClaims(given).some((its) => its.name === claim && !its.isDeleting)
    return [
      ...(isThere ? [] : [{ type: 'CreateClaim', claim, shard: one.shard } as const]),
      { type: 'RunAgent', ...seedOrder(given, status, one) },
    ]
  })
}

function seedOrder(
  given: RestoreCase,
  { manifest = '', manifestSha256 = '', spec = {}, shards = [] }: RestoreStatus,
  { shard, slots, attempt }: RestoreShardStatus,
): AgentOrder {
  const { maxBytesPerSecond } = given.storage?.spec ?? {}
  const { storage, replicasPerShard = 1 } = spec as Partial<RedisClusterSpec>
  // Below are the epochs that servers without slots may settle among themselves, as when a cluster is formed.
  const below = replicasPerShard * shards.length
  const task: AgentTask = {
    type: 'SeedShard',
    manifest,
    sha256: manifestSha256,
    volume: SEEDED_VOLUME,
    restore: given.restore.uid,
    shard,
    slots,
    epoch: below + shard + 1,
    currentEpoch: below + shards.length,
    persistence: storage?.persistence === 'rdb' ? 'rdb' : 'aof',
    ...(maxBytesPerSecond === undefined ? {} : { maxBytesPerSecond }),
  }
  const job = agentName(given.restore, 'seed', attempt, shard)
  return { job, step: 'seed', part: shard, attempt, task, deadlineMs: agentMs(given) }
}

/** Null while the cluster's controller has not said where the servers are. */
function verifyOrder(given: RestoreCase, { attempt = 1, shards = [] }: RestoreStatus): AgentOrder | null {
  const cluster = given.spec.target.cluster.name
  const asked = shards.flatMap(({ shard, slots, nodeId = '', keys = 0, endingHashes }) => {
    const pod = seededPod(cluster, shard)
    const host = given.target?.shards.find((one) => one.shard === shard)?.addresses[pod]
    if (host === undefined) return []
    const server = { pod, host, port: CLIENT_PORT, nodeId }
    return [{ shard, slots, keys, server, ...defined({ endingHashes }) }]
  })
  if (asked.length < shards.length || asked.length === 0) return null
  const task: AgentTask = {
    type: 'VerifyRestore',
    shards: asked,
    username: BACKUP_USER.name,
    credentials: SERVER_SECRETS,
  }
  const job = agentName(given.restore, 'verify', attempt)
  return { job, step: 'verify', attempt, task, deadlineMs: agentMs(given) }
}
