import { follows, knows, ownsSlots, type Picture, rowOf, shardNamed, type ShardPicture } from './assess.ts'
import type { Attachment, ClusterCommand, CommandType, Meet } from './command.ts'
import { coverSlotsCommands, takenFrom } from './cover-slots.ts'
import { driftOf, type Case } from './diagnose.ts'
import {
  bestHeir,
  bestReplica,
  bestSuccessor,
  isFit,
  majorityAnswers,
  mayInherit,
  provenDead,
  unprovenMissing,
} from './failover.ts'
import type { ClusterFinding, FindingType } from './finding.ts'
import { firstPrimaries, type FirstPrimaries } from './first-primaries.ts'
import { formingEpoch } from './forming-epoch.ts'
import { allows, nextState } from './lifecycle.ts'
import { raiseEpochs } from './misheard-replicas.ts'
import { recalledEpoch } from './recalled-epoch.ts'
import { releasePods } from './node-loss.ts'
import { openSlotsOf } from './open-slots.ts'
import { isOrphaned } from './orphan.ts'
import { repairCommand, slotPlan } from './repair-slots.ts'
import { isRestoring } from './restoring.ts'
import { startEmptyCommands } from './start-empty.ts'
import { evenRanges } from './slots.ts'
import { isUp, type UpMember } from './snapshot.ts'

/** cluster-node-timeout while a cluster of empty nodes is formed: gossip and the rejoin delay follow it (research 1.1). */
export const FORMING_NODE_TIMEOUT_MS = 500

/** What should be under way now, by the findings: the intent to commit before its commands go out. */
export type Intent = {
  readonly type:
    | 'FormCluster'
    | 'FailOver'
    | 'TakeOver'
    | 'HandOver'
    | 'StartEmpty'
    | 'CoverSlots'
    | 'RepairSlots'
    | 'ReplaceVolumes'
    | 'ForgetNode'
  readonly target: string
}

/**
 * The intent for these findings; null when no operation is called for. One at a time, the gravest first; but half moved
 * slots last, for to repair them may take long, and may wait for what the others bring.
 */
export function intentFor(given: Case, findings: readonly ClusterFinding[], formed: boolean): Intent | null {
  if (!formed)
    return findings.length > 0 && findings.every((one) => one.type !== 'PodsMissing')
      ? { type: 'FormCluster', target: 'cluster' }
      : null
  if (has(findings, 'RestoreOrdered')) return { type: 'ReplaceVolumes', target: 'cluster' }
  if (has(findings, 'HistoryDisputed')) return null
  return (
    firstCalled(given, findings) ??
    (callsForRepair(given, findings) ? { type: 'RepairSlots', target: 'cluster' } : null)
  )
}

function firstCalled(given: Case, findings: readonly ClusterFinding[]): Intent | null {
  const called = findings.map((finding) => intentOf(given, finding))
  return called.find((intent) => intent !== null && allowedNow(given, intent.type, findings)) ?? null
}

function callsForRepair(given: Case, findings: readonly ClusterFinding[]): boolean {
  return has(findings, 'SlotsOpen') && allowedNow(given, 'RepairSlots', findings) && slotPlan(given).repairs.length > 0
}

function intentOf(given: Case, finding: ClusterFinding): (Intent & { readonly type: CommandType }) | null {
  const shard = finding.shard === undefined ? undefined : given.picture.shards[finding.shard]
  if (finding.type === 'PrimaryDown' && shard !== undefined) {
    const type = promotionFor(given, shard)
    if (type === null) return null
    const heir =
      type === 'TakeOver'
        ? bestHeir(shard, given.desired, given.history)
        : bestReplica(shard, given.desired, given.history)
    return heir === null ? null : { type, target: heir.pod }
  }
  if (finding.type === 'PrimaryLeaving' && shard !== undefined) {
    const heir = bestSuccessor(shard)
    return heir === null ? null : { type: 'HandOver', target: heir.pod }
  }
  // Begun only when it can go on: no member may be fit for it yet.
  if (finding.type === 'DataGivenUp')
    return startEmptyCommands(given, finding.about, '').length === 0
      ? null
      : { type: 'StartEmpty', target: finding.about }
  if (finding.type === 'SlotsUnassigned') return { type: 'CoverSlots', target: finding.about }
  if (finding.type === 'NodesStale') return { type: 'ForgetNode', target: finding.about }
  if (finding.type === 'ForeignNode' && ownsNothing(given, finding.about))
    return { type: 'ForgetNode', target: finding.about }
  return null
}

/**
 * How a replica of a shard whose primary is down may be promoted now: by the votes of the others while a majority lives,
 * if the primary is proven dead or gone for good; without one only when each missing primary is proven dead by kubelet or by
 * the taint of its machine, or was given up by a person (SAFETY 2).
 */
function promotionFor(given: Case, shard: ShardPicture): 'FailOver' | 'TakeOver' | null {
  const { picture, snapshot, history, desired } = given
  if (majorityAnswers(picture))
    return isOrphaned(shard, desired) || provenDead(shard, snapshot, history) !== null ? 'FailOver' : null
  return unprovenMissing(picture, snapshot, history, desired).length === 0 ? 'TakeOver' : null
}

/**
 * Whether the state that these findings lead to allows a command. What it forbids is not begun either: it would be
 * given up and begun again for ever.
 */
function allowedNow(given: Case, type: CommandType, findings: readonly ClusterFinding[]): boolean {
  const stage = isRestoring(given) ? 'Restoring' : 'Formed'
  return allows(nextState('', stage, findings[0]?.type ?? 'Sound'), type)
}

/** Whether the operation under way has reached its end, as observed. */
export function isFinished(given: Case, findings: readonly ClusterFinding[], formed: boolean): boolean {
  const operation = given.history.operation
  switch (operation?.type) {
    case 'FormCluster':
      return formed || findings.length === 0
    case 'FailOver':
    case 'TakeOver':
    case 'HandOver':
      return given.picture.shards.some((shard) => shard.primaryPod === operation.target && shard.primaryUp)
    case 'StartEmpty':
      return shardNamed(given.picture, operation.target)?.primaryUp === true
    case 'CoverSlots':
      return isCovered(given.picture, shardNamed(given.picture, operation.target))
    case 'RepairSlots':
      return openSlotsOf(given.picture.up).length === 0
    case 'ReplaceVolumes':
      return !has(findings, 'RestoreOrdered')
    case 'ForgetNode':
      return given.picture.up.every((one) => one.contact.view.rows.every((row) => row.nodeId !== operation.target))
    default:
      return true
  }
}

function isCovered(picture: Picture, shard: ShardPicture | undefined): boolean {
  return shard !== undefined && takenFrom(picture, shard).length === 0
}

/** Whether an operation takes as long as it takes: what would make it pointless is looked for at each look instead. */
export function takesItsTime(type: string): boolean {
  return type === 'FormCluster' || type === 'RepairSlots' || type === 'ReplaceVolumes'
}

/** A view that takes a node for the owner of slots must hear of the next owner before it may forget it. */
function ownsNothing({ picture }: Case, nodeId: string): boolean {
  return picture.up.every((one) => (rowOf(one, nodeId)?.slots ?? []).length === 0)
}

/** The findings that call for an operation. */
const CALLED_BY: Readonly<Record<string, readonly FindingType[]>> = {
  FailOver: ['PrimaryDown'],
  TakeOver: ['PrimaryDown'],
  HandOver: ['PrimaryLeaving'],
  StartEmpty: ['DataGivenUp'],
  CoverSlots: ['SlotsUnassigned'],
  ForgetNode: ['NodesStale', 'ForeignNode'],
  RepairSlots: ['SlotsOpen'],
  ReplaceVolumes: ['RestoreOrdered'],
}

/**
 * Why the operation under way has become pointless or unsafe, in words; null while it is neither. What called for it
 * is looked for again each time: a primary that answers again must not be replaced by force.
 */
export function outlived(given: Case, findings: readonly ClusterFinding[]): string | null {
  const { picture, desired, history } = given
  const operation = history.operation
  if (operation === undefined || operation.type === 'FormCluster') return null
  const { type, target } = operation
  if (type !== 'ReplaceVolumes' && has(findings, 'RestoreOrdered')) return 'a restore replaces the data'
  const heir = picture.up.find((member) => member.pod === target)
  const isCause = (one: ClusterFinding): boolean =>
    CALLED_BY[type]?.includes(one.type) === true &&
    (one.about === target || (heir !== undefined && one.shard === heir.shard))
  if (!findings.some(isCause)) return 'what called for it is over'
  if (!allowedNow(given, type as CommandType, findings)) return 'a person must act first'
  if (type === 'RepairSlots') return repairHeldUp(given, findings)
  const shard = heir === undefined ? undefined : picture.shards[heir.shard]
  if (heir === undefined || shard === undefined) return null
  return isFitFor(type, heir, shard, { desired, history }) ? null : `${target} is not fit to take over`
}

function repairHeldUp(given: Case, findings: readonly ClusterFinding[]): string | null {
  const first = firstCalled(given, findings)
  if (first !== null) return `${first.type} of ${first.target} comes first`
  const { repairs, waits } = slotPlan(given)
  return repairs.length > 0 ? null : (waits[0]?.why ?? 'a person must act first')
}

function isFitFor(
  type: string,
  heir: UpMember,
  shard: ShardPicture,
  { desired, history }: Pick<Case, 'desired' | 'history'>,
): boolean {
  if (type === 'FailOver') return isFit(heir, shard, desired, history)
  if (type === 'TakeOver') return mayInherit(heir, shard, desired, history)
  return type !== 'HandOver' || shard.attached.includes(heir.pod)
}

/** The commands for all findings, in order. `opId` is that of the committed operation. */
export function plan(
  given: Case,
  findings: readonly ClusterFinding[],
  formed: boolean,
  opId: string | undefined,
): readonly ClusterCommand[] {
  return formed ? planFormed(given, findings, opId) : planForming(given, findings, opId)
}

function has(findings: readonly ClusterFinding[], type: ClusterFinding['type']): boolean {
  return findings.some((one) => one.type === type)
}

function planForming(
  given: Case,
  findings: readonly ClusterFinding[],
  opId: string | undefined,
): readonly ClusterCommand[] {
  const { picture } = given
  if (opId === undefined || has(findings, 'PodsMissing')) return []
  const apart = has(findings, 'NodesIsolated') || has(findings, 'AddressesStale')
  // The slots first: a primary is not ok before a delay that begins with them (cluster.c, rejoin delay).
  const first = firstPrimaries(picture)
  const commands: ClusterCommand[] = [...assignCommands(first, given, opId)]
  commands.push(...(apart ? [meetCommand(first, given, opId)] : reassignCommands(given, opId)))
  for (const shard of picture.shards) commands.push(...coverSlotsCommands(picture, shard, opId))
  // Before slots are heard of, the one that gets them is followed; then their owner, whichever member it has become.
  const attachments = picture.shards.flatMap((shard) =>
    attachmentsTo(shard, shard.primaryId === undefined ? first.get(shard.shard) : ownerOf(shard)),
  )
  if (attachments.length > 0) commands.push({ type: 'AttachReplicas', attachments })
  // Who does not know all others yet may have misheard more than it tells.
  if (!apart) commands.push(...raiseEpochs(picture, given.snapshot))
  // Borrowed timeouts go back last: until then the nodes gossip fast.
  if (findings.every((one) => one.type === 'SettingsDrifted')) commands.push(...settingsCommands(given))
  return commands
}

/** Introduces all who don't know each other; gossip is made fast and each gets an epoch while they are empty. */
function meetCommand(first: FirstPrimaries, { picture, desired }: Case, opId: string): ClusterCommand {
  const empty = picture.up.every((member) => member.contact.view.keys === 0)
  const forming = picture.up
    .filter(
      (member) => empty && member.contact.view.settings['cluster-node-timeout'] !== String(FORMING_NODE_TIMEOUT_MS),
    )
    .map((member) => ({
      pod: member.pod,
      epoch: formingEpoch(member, first, picture, desired),
      nodeTimeoutMs: FORMING_NODE_TIMEOUT_MS,
    }))
  return { type: 'MeetNodes', opId, meets: meetsOf(picture.up), forming }
}

/** First slots of the shards that nobody owns. */
function assignCommands(first: FirstPrimaries, { desired }: Case, opId: string): readonly ClusterCommand[] {
  const ranges = evenRanges(desired.shards)
  const assignments = [...first].flatMap(([shard, { pod, contact }]) => {
    const range = ranges[shard]
    return range === undefined ? [] : [{ pod, nodeId: contact.view.nodeId, ranges: [range] }]
  })
  return assignments.length === 0 ? [] : [{ type: 'AssignSlots', opId, assignments }]
}

/** A primary that came back as another node while the cluster was formed: the slots of its old one start anew on it. */
function reassignCommands(given: Case, opId: string): readonly ClusterCommand[] {
  return given.picture.shards
    .filter((shard) => shard.primaryId !== undefined && !shard.primaryUp)
    .filter((shard) => shard.members.filter(isUp).every((member) => member.contact.view.keys === 0))
    .flatMap((shard) => startEmptyCommands(given, `shard ${shard.shard}`, opId))
}

/** Each node to every node it does not list as connected; one direction is enough for a pair. */
function meetsOf(up: readonly UpMember[]): readonly Meet[] {
  return up.flatMap((member, index) => {
    const peers = up
      .filter((other, place) => place > index && (!knows(member, other) || !knows(other, member)))
      .map((other) => ({ pod: other.pod, nodeId: other.contact.view.nodeId }))
    return peers.length === 0 ? [] : [{ pod: member.pod, peers }]
  })
}

function settingsCommands({ picture, desired }: Case): readonly ClusterCommand[] {
  const settings = Object.fromEntries(
    picture.up.flatMap((member) => {
      const drift = driftOf(member, desired, picture)
      return Object.keys(drift).length === 0 ? [] : [[member.pod, drift] as const]
    }),
  )
  return Object.keys(settings).length === 0 ? [] : [{ type: 'ConfigureNodes', settings }]
}

function planFormed(
  given: Case,
  findings: readonly ClusterFinding[],
  opId: string | undefined,
): readonly ClusterCommand[] {
  const { picture, history } = given
  const commands: ClusterCommand[] = [...operationCommands(given, findings, opId)]
  // Nothing is healed of what is given up: what is done about it concerns objects of Kubernetes alone.
  if (has(findings, 'RestoreOrdered') || has(findings, 'HistoryDisputed')) return []
  // What a restore filled is joined when all have said what they own: of slots that two own, one deletes the keys.
  const awaited = isRestoring(given) && has(findings, 'PodsMissing')
  if (!awaited && (has(findings, 'NodesIsolated') || has(findings, 'AddressesStale'))) {
    const meets = meetsOf(picture.up)
    const recalled = recalledEpoch(given)
    // One that begins with a remembered epoch is introduced when it has that: one that knows somebody takes none.
    const begins = commands.some((one) => one.type === 'StartEmpty' && one.epoch !== undefined)
    if (meets.length > 0 && !begins)
      commands.push({ type: 'MeetNodes', meets, ...(recalled === undefined ? {} : { recalled }) })
  }
  const attachments = picture.shards.flatMap((shard) => attachmentsTo(shard, ownerOf(shard)))
  if (attachments.length > 0) commands.push({ type: 'AttachReplicas', attachments })
  if (history.operation === undefined) commands.push(...raiseEpochs(picture, given.snapshot))
  if (history.operation?.type !== 'FormCluster') commands.push(...settingsCommands(given))
  commands.push(...releasePods(given))
  return commands
}

function operationCommands(
  given: Case,
  findings: readonly ClusterFinding[],
  opId: string | undefined,
): readonly ClusterCommand[] {
  const { picture, history } = given
  const operation = history.operation
  if (operation === undefined || opId === undefined || outlived(given, findings) !== null) return []
  const { type, target } = operation
  switch (type) {
    case 'ForgetNode':
      return [{ type, opId, nodeId: target, pods: picture.up.map((member) => member.pod) }]
    case 'RepairSlots':
      return [repairCommand(given, opId)].filter((one) => one !== null)
    case 'StartEmpty':
      return startEmptyCommands(given, target, opId)
    case 'CoverSlots':
      return coverSlotsCommands(picture, shardNamed(picture, target), opId)
    case 'FailOver':
    case 'TakeOver':
    case 'HandOver':
      return promotionCommands(given, type, target, opId)
    default:
      return []
  }
}

function promotionCommands(
  given: Case,
  type: 'FailOver' | 'TakeOver' | 'HandOver',
  target: string,
  opId: string,
): readonly ClusterCommand[] {
  const { picture } = given
  const heir = picture.up.find((member) => member.pod === target)
  const shard = heir === undefined ? undefined : picture.shards[heir.shard]
  if (heir === undefined || shard === undefined || heir.contact.view.role === 'primary') return []
  // Each time it is sent, by what is seen now and not by what was seen when it was begun (SAFETY 3).
  if (type !== 'HandOver' && promotionFor(given, shard) !== type) return []
  return [{ type, opId, shard: heir.shard, pod: heir.pod, nodeId: heir.contact.view.nodeId }]
}

/** The member that owns the shard's slots, while it answers as a primary. */
function ownerOf(shard: ShardPicture): UpMember | undefined {
  return shard.primaryUp ? shard.members.filter(isUp).find((one) => one.pod === shard.primaryPod) : undefined
}

function isAstray({ contact: { view } }: UpMember, { kube }: UpMember): boolean {
  return !view.linkUp && view.primaryHost !== undefined && kube?.ip !== undefined && view.primaryHost !== kube.ip
}

/**
 * Members that should follow this primary of their shard and don't: empty primaries without slots, and strays; and replicas
 * of it that look for it where it no longer is. One that heard of the new address from a third node goes on dialling the old
 * one for ever (Redis 8.0, clusterProcessGossipSection), until it is told once more whom to follow.
 */
function attachmentsTo(shard: ShardPicture, primary: UpMember | undefined): readonly Attachment[] {
  if (primary === undefined) return []
  const primaryId = primary.contact.view.nodeId
  return shard.members.filter(isUp).flatMap((member) => {
    if (member.pod === primary.pod || !knows(member, primary)) return []
    const view = member.contact.view
    if (follows(member, primaryId) && !isAstray(member, primary)) return []
    const idle = view.role === 'replica' || (view.keys === 0 && !ownsSlots(member))
    return idle ? [{ pod: member.pod, primary: primary.pod, primaryId }] : []
  })
}
