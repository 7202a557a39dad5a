import type { ChangeContext, PrimaryChangeCause } from '@slotkeeper/events'
import {
  beginsWithData,
  type Case,
  type ClusterFinding,
  containerToken,
  type Picture,
  provenDead,
} from '@slotkeeper/redis-topology'
import type { ClusterObject } from './cluster-object.ts'
import type { Observed } from './observe.ts'

type Seen = {
  readonly object: ClusterObject
  readonly observed: Observed
  readonly given: Case
  readonly findings: readonly ClusterFinding[]
  readonly formedBefore: boolean
  readonly now: number
  readonly abandoned?: string
  readonly overrideUsed: readonly number[]
}

/** What one pass knows beside the two statuses, in the words of events. */
export function changeContext(seen: Seen): ChangeContext {
  const { object, observed, given, findings, formedBefore, now } = seen
  const finding = findings[0]
  const created = Date.parse(begunAt(object, given))
  return {
    now,
    ...(object.status === null && formedBefore ? { adopted: 'StatusMissing' as const } : {}),
    wanted: {
      shards: object.spec.shards,
      replicasPerShard: object.spec.replicasPerShard,
      version: object.spec.version ?? object.spec.image ?? '',
    },
    ...(finding === undefined
      ? {}
      : { finding: { type: finding.type, about: finding.about, message: finding.message } }),
    evidence: evidenceOf(given),
    exits: exitsOf(object, observed),
    primaryChanges: causesOf(object, given.picture),
    ...(Number.isFinite(created) ? { durationMs: now - created } : {}),
    ...(seen.abandoned === undefined ? {} : { abandoned: seen.abandoned }),
    overrideUsed: seen.overrideUsed,
    ...(observed.movedKeys === undefined ? {} : { movedKeys: observed.movedKeys }),
    retain: object.spec.storage?.retain ?? true,
  }
}

/** When forming began, RFC 3339; of a cluster that began with data, which nobody forms, when it was created. Empty while unknown. */
function begunAt({ metadata, status }: ClusterObject, { desired }: Case): string {
  if (status?.topology === undefined) return ''
  return status.operation?.since ?? (beginsWithData(desired) ? (metadata.creationTimestamp ?? '') : '')
}

function evidenceOf({ history, snapshot, picture }: Case): Readonly<Record<string, readonly string[]>> {
  const out: Record<string, readonly string[]> = {}
  for (const shard of picture.shards) {
    if (shard.primaryUp || shard.primaryPod === undefined) continue
    const proof = provenDead(shard, snapshot, history)
    const contact = shard.members.find((member) => member.pod === shard.primaryPod)?.contact.type
    // A server that answers here is not the one that owned the slots.
    const seen = contact === 'up' ? 'came back as another node' : (contact ?? 'absent')
    out[shard.primaryPod] = proof?.evidence ?? [`its server: ${seen}`]
  }
  return out
}

function exitsOf(object: ClusterObject, observed: Observed): NonNullable<ChangeContext['exits']> {
  const out: Record<string, NonNullable<ChangeContext['exits']>[string]> = {}
  for (const member of observed.snapshot.members) {
    const token = object.status?.topology?.find((shard) => shard.shard === member.shard)?.incarnations?.[member.pod]
    const ended = member.kube?.terminated.find((one) => containerToken(one.containerId) === token)
    if (ended === undefined) continue
    const reason = ended.reason === 'OOMKilled' ? 'OutOfMemory' : ended.exitCode === 0 ? 'Requested' : 'Crashed'
    out[member.pod] = {
      exitCode: ended.exitCode,
      reason,
      ...(ended.signal === undefined ? {} : { signal: ended.signal }),
    }
  }
  return out
}

const CAUSES: Readonly<Record<string, PrimaryChangeCause>> = {
  FailOver: 'Assisted',
  TakeOver: 'Takeover',
  HandOver: 'Planned',
}

function causesOf(object: ClusterObject, picture: Picture): NonNullable<ChangeContext['primaryChanges']> {
  const operation = object.status?.operation
  if (operation === undefined) return {}
  if (operation.type === 'FormCluster')
    return Object.fromEntries(
      picture.shards.map((shard) => [shard.shard, { cause: 'Planned', opId: operation.id, writesAtRisk: false }]),
    )
  const shard = picture.shards.find((one) =>
    operation.type === 'StartEmpty' ? `shard ${one.shard}` === operation.target : one.primaryPod === operation.target,
  )
  if (operation.type === 'StartEmpty' && shard !== undefined)
    return { [shard.shard]: { cause: 'Assisted', opId: operation.id, writesAtRisk: true } }
  if (shard === undefined || CAUSES[operation.type] === undefined) return {}
  return {
    [shard.shard]: {
      cause: CAUSES[operation.type] ?? 'Engine',
      opId: operation.id,
      writesAtRisk: operation.type !== 'HandOver',
    },
  }
}
