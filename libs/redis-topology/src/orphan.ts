import { follows, type ShardPicture } from './assess.ts'
import { NEVER_UP } from './info.ts'
import { isUp, type Desired, type UpMember } from './snapshot.ts'

/** `repl-ping-replica-period`, unless the spec sets another. */
const REPLICA_PING_SECONDS = 10
/** `cluster-replica-validity-factor`, as the configuration has it (SAFETY 5). */
const VALIDITY_FACTOR = 10

/**
 * Whether Redis itself may still elect this replica: its copy is no older than cluster-node-timeout times the validity
 * factor, plus the ping period. One that was started since is never elected (cluster_legacy.c,
 * clusterHandleReplicaFailover).
 */
function mayBeElected(one: UpMember, desired: Desired): boolean {
  const { linkUp, linkDownSeconds } = one.contact.view
  const pingSeconds = Number(desired.settings['repl-ping-replica-period'] ?? REPLICA_PING_SECONDS)
  const validMs = pingSeconds * 1000 + desired.nodeTimeoutMs * VALIDITY_FACTOR
  return linkUp || (linkDownSeconds !== NEVER_UP && linkDownSeconds * 1000 <= validMs)
}

/**
 * Whether a shard has lost its primary for good and Redis gives it no other: every member answers, none is the node that
 * owns the slots, and no replica may be elected any more. Whoever is promoted now can collide with no election.
 */
export function isOrphaned(shard: ShardPicture, desired: Desired): boolean {
  const up = shard.members.filter(isUp)
  return (
    shard.primaryId !== undefined &&
    !shard.primaryUp &&
    up.length === shard.members.length &&
    up.every((one) => one.contact.view.nodeId !== shard.primaryId) &&
    !up.some((one) => follows(one, shard.primaryId) && mayBeElected(one, desired))
  )
}

/**
 * The members of an orphaned shard that hold some of its data, of an age that nobody knows: they were started since they
 * last heard their primary, or lost it long before it died. Only a person may decide that this is good enough.
 */
export function survivorsOf(shard: ShardPicture, desired: Desired): readonly UpMember[] {
  if (!isOrphaned(shard, desired)) return []
  return shard.members
    .filter(isUp)
    .filter((one) => follows(one, shard.primaryId) && one.contact.view.keys > 0 && one.kube?.deleting !== true)
}
