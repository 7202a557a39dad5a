import { type Condition, type ConditionNow, nextConditions } from '@slotkeeper/api'
import type { EventTrouble } from '@slotkeeper/controller-host'
import {
  byGravity,
  type ClusterFinding,
  type ClusterState,
  type FindingType,
  isUp,
  type Member,
  type Picture,
} from '@slotkeeper/redis-topology'
import type { ClusterObject } from './cluster-object.ts'
import { podHash } from './resources/stateful-set.ts'

/** What conditions are computed from. */
export type ConditionInput = {
  readonly object: ClusterObject
  readonly now: number
  readonly formed: boolean
  readonly state: ClusterState
  readonly findings: readonly ClusterFinding[]
  readonly picture: Picture
  readonly members: readonly Member[]
  readonly eventTrouble: EventTrouble | null
}

type Say = Omit<ConditionNow, 'type'>

/** All conditions of a cluster, each with a reason of its closed set. */
export function conditionsOf(input: ConditionInput): readonly Condition[] {
  const { object, state, findings } = input
  const stalled = stalledBy(findings)
  const forming = formingReason(object)
  const acting = state === 'Deleting' ? 'Deleting' : !input.formed ? forming : state === 'Healing' ? 'Healing' : null
  const now: ConditionNow[] = [
    { type: 'Ready', ...ready(input) },
    { type: 'Degraded', ...degraded(input) },
    { type: 'SlotsAssigned', ...slotsAssigned(input) },
    { type: 'ReplicationHealthy', ...replication(input) },
    { type: 'PodsUpToDate', ...podsUpToDate(input) },
    { type: 'Spread', ...spread(input.members) },
    {
      type: 'EventsDelivered',
      ...(input.eventTrouble === null
        ? said('True', 'Delivered', '')
        : said('False', input.eventTrouble.reason, input.eventTrouble.message)),
    },
  ]
  if (acting !== null && stalled === null)
    now.push({ type: 'Reconciling', ...said('True', acting, findings[0]?.message ?? '') })
  if (stalled !== null) now.push({ type: 'Stalled', ...stalled })
  return nextConditions(
    object.status?.conditions ?? [],
    now,
    new Date(input.now).toISOString(),
    object.metadata.generation,
  )
}

function said(status: 'True' | 'False', reason: string, message: string): Say {
  return { status, reason, message: message.slice(0, 512) }
}

/** Why a cluster is not ready that was never whole. */
function formingReason({ spec: { bootstrap } }: ClusterObject): 'Forming' | 'Restoring' | 'Adopting' {
  if (bootstrap?.restore !== undefined) return 'Restoring'
  return bootstrap?.adoptVolumes === undefined ? 'Forming' : 'Adopting'
}

/** The findings that only a person can end. */
const STALLING: readonly FindingType[] = [
  'DataMissing',
  'HistoryDisputed',
  'MajorityUnproven',
  'SlotsDisputed',
  'Blocked',
]

function stalledBy(findings: readonly ClusterFinding[]): Say | null {
  const all = byGravity(findings).filter(({ type }) => STALLING.includes(type))
  // Whoever restores knows what is wrong with the data: what the restore waits for is told first.
  const one = all.find(({ reason }) => reason === 'RestoreHeld') ?? all[0]
  if (one === undefined) return null
  return said('True', one.type === 'Blocked' ? (one.reason ?? 'InvariantBroken') : one.type, one.message)
}

function ready({ object, formed, picture, findings, members }: ConditionInput): Say {
  const denied = members.find((member) => member.contact.type === 'denied')
  if (denied?.contact.type === 'denied') return said('False', 'AuthFailed', `${denied.pod}: ${denied.contact.message}`)
  if (!formed) return said('False', formingReason(object), findings[0]?.message ?? 'the cluster is being formed')
  const down = withoutPrimary(picture)
  if (down !== null) return said('False', 'PrimaryDown', down)
  if (picture.unowned.length > 0) return said('False', 'SlotsUncovered', 'some slots have no owner')
  if (!picture.viewsAgree || picture.up.some((member) => !member.contact.view.clusterOk))
    return said('False', 'ViewsDiffer', 'the servers do not agree yet on who owns what')
  return said('True', 'AllSlotsServed', 'all slots are served')
}

/** Says which shards have no primary that answers, five of them by name; null when all have one. */
function withoutPrimary({ shards }: Picture): string | null {
  const down = shards.filter((shard) => !shard.primaryUp).map((shard) => `shard ${shard.shard}`)
  if (down.length === 0) return null
  return `no primary answers for ${down.slice(0, 5).join(', ')}${down.length > 5 ? `, and ${down.length - 5} more` : ''}`
}

function degraded({ object, formed, picture, findings }: ConditionInput): Say {
  const down = withoutPrimary(picture)
  const lost = findings.find((finding) => finding.type === 'NodeLost')
  if (formed && lost !== undefined)
    return said('True', 'NodeLost', down === null ? lost.message : `${down}; ${lost.message}`)
  if (formed && down !== null) return said('True', 'ShardDown', down)
  if (object.spec.replicasPerShard === 0)
    return said('True', 'NoReplicas', 'replicasPerShard is 0: a lost pod is a lost shard')
  const foreign = findings.find((finding) => finding.type === 'ForeignNode')
  if (formed && foreign !== undefined) return said('True', 'ForeignNode', foreign.message)
  const missing = findings.find((finding) => finding.type === 'ReplicasMissing')
  if (formed && missing !== undefined) return said('True', 'ReplicaMissing', missing.message)
  return said('False', 'Sound', '')
}

function slotsAssigned({ picture, findings }: ConditionInput): Say {
  if (picture.unowned.length > 0) return said('False', 'Uncovered', 'some slots have no owner')
  const open = findings.find((finding) => finding.type === 'SlotsOpen')
  if (open !== undefined) return said('False', 'OpenSlots', open.message)
  return said('True', 'Complete', '')
}

function replication({ picture, object }: ConditionInput): Say {
  const wanted = object.spec.replicasPerShard
  const short = picture.shards.find((shard) => shard.attached.length < wanted)
  if (short === undefined) return said('True', 'InSync', '')
  const allUp = short.members.every(isUp)
  return said(
    'False',
    allUp ? 'LinkDown' : 'Missing',
    `shard ${short.shard}: ${short.attached.length} of ${wanted} replicas in sync`,
  )
}

function podsUpToDate({ object, members }: ConditionInput): Say {
  // Whose server runs has a volume of its own: whose volumes are taken over is no matter to it.
  const { bootstrap: _, ...others } = object.spec
  const wanted = [podHash(object.spec), podHash(others)]
  const old = members
    .filter(({ kube }) => kube !== null && (kube.podHash === undefined || !wanted.includes(kube.podHash)))
    .map((member) => member.pod)
  if (old.length === 0) return said('True', 'UpToDate', '')
  return said('False', 'RestartPending', `${old.slice(0, 5).join(', ')}: takes effect at the next restart of the pod`)
}

function spread(members: readonly Member[]): Say {
  const seen = new Map<string, string>()
  for (const member of members) {
    if (member.kube?.nodeName === undefined) continue
    const place = `${member.shard} ${member.kube.nodeName}`
    const other = seen.get(place)
    if (other !== undefined)
      return said('False', 'Colocated', `${other} and ${member.pod} are on the same node ${member.kube.nodeName}`)
    seen.set(place, member.pod)
  }
  return said('True', 'Spread', '')
}
