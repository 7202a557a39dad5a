import { listing, ownsSlots, rowOf, type Picture, type ShardPicture } from './assess.ts'
import { slotsWithoutOwner } from './cover-slots.ts'
import { bestHeir, majorityAnswers, mayInherit, unprovenMissing } from './failover.ts'
import { byGravity, type ClusterFinding } from './finding.ts'
import { foreignFindings, foreignNodes } from './foreign-nodes.ts'
import type { LifeStage } from './lifecycle.ts'
import { misheardFindings } from './misheard-replicas.ts'
import { lostHosts } from './node-loss.ts'
import { isOrphaned, survivorsOf } from './orphan.ts'
import { beginsWithData, isAwaiting, isRecorded, isRestoring, restoreFindings } from './restoring.ts'
import { slotFindings } from './repair-slots.ts'
import { sameSetting } from './same-setting.ts'
import { formatRanges, slotCount, SLOT_COUNT } from './slots.ts'
import { isUp, type Desired, type History, type Member, type Snapshot, type UpMember } from './snapshot.ts'

/** What a diagnosis rests on. */
export type Case = {
  readonly desired: Desired
  readonly snapshot: Snapshot
  readonly history: History
  readonly picture: Picture
}

/**
 * Whether this cluster was ever formed (DESIGN 3): one trace is enough. Bootstrap needs all traces absent. Of a
 * formation of ours that is under way epochs and slots are none; keys are, for somebody wrote them. One that began with
 * data has its slots and its keys on volumes, whether they are seen or not.
 */
export function everFormed({ desired, snapshot, history, picture }: Case): boolean {
  if (beginsWithData(desired) || isRecorded({ snapshot, history })) return true
  if (history.operation?.type === 'FormCluster') return picture.up.some((member) => member.contact.view.keys > 0)
  return picture.up.some(holdsHistory)
}

/** How far a cluster has come in its life: what a finding leads to follows from it. */
export function stageOf(given: Case): LifeStage {
  if (isRestoring(given)) return 'Restoring'
  return everFormed(given) ? 'Formed' : 'Forming'
}

function holdsHistory(member: UpMember): boolean {
  const view = member.contact.view
  return view.keys > 0 || view.currentEpoch > 0 || ownsSlots(member)
}

/** All findings, gravest first. The same case gives the same findings. */
export function diagnose(given: Case): readonly ClusterFinding[] {
  return byGravity(everFormed(given) ? diagnoseFormed(given) : diagnoseForming(given))
}

function podsMissing({ shards }: Picture): readonly ClusterFinding[] {
  return shards
    .flatMap((shard) => shard.members)
    .filter((member) => !isUp(member))
    .map((member) => ({
      type: 'PodsMissing',
      about: member.pod,
      pod: member.pod,
      shard: member.shard,
      message: `${member.pod} ${absence(member)}`,
    }))
}

function absence(member: Member): string {
  if (member.kube === null) return 'does not exist'
  if (member.kube.blocked !== undefined)
    return `can't start: ${member.kube.blocked.reason}: ${member.kube.blocked.message}`
  if (!member.kube.running) return 'is not running'
  switch (member.contact.type) {
    case 'loading':
      return 'is loading its data'
    case 'refused':
      return 'refuses connections'
    case 'denied':
      return `denies access: ${member.contact.message}`
    case 'silent':
      return `does not answer: ${member.contact.message}`
    case 'absent':
      return 'has no address'
    case 'up':
      return 'answers'
  }
}

/** Nodes that do not know every other node, or only at an address that it has left. */
function isolated(up: readonly UpMember[]): readonly ClusterFinding[] {
  return up.flatMap((member): readonly ClusterFinding[] => {
    const { pod, shard } = member
    const views = up.filter((other) => other !== member).map((other) => listing(member, other))
    const base = { about: pod, pod, shard }
    if (views.includes('Unknown'))
      return [{ ...base, type: 'NodesIsolated', message: `${pod} is not connected to every other node` }]
    if (!views.includes('Stale')) return []
    return [{ ...base, type: 'AddressesStale', message: `${pod} looks for others at addresses that they have left` }]
  })
}

function drifted({ desired, picture }: Case): readonly ClusterFinding[] {
  return picture.up.flatMap((member) => {
    const names = Object.keys(driftOf(member, desired, picture))
    if (names.length === 0) return []
    return [
      {
        type: 'SettingsDrifted' as const,
        about: member.pod,
        pod: member.pod,
        message: `${member.pod}: ${names.join(', ')}`,
      },
    ]
  })
}

/**
 * The settings of a member that differ from what it should have, with the value it should have. One that its server
 * does not know is among them: that it is refused must be told, and before the server's next start.
 */
export function driftOf(member: UpMember, desired: Desired, picture: Picture): Readonly<Record<string, string>> {
  const view = member.contact.view
  const wanted: Record<string, string> = { ...desired.settings, 'cluster-node-timeout': String(desired.nodeTimeoutMs) }
  // A replica may be elected from its first finished sync on, and never before (SAFETY 5).
  const shard = picture.shards[member.shard]
  if (view.role === 'primary' ? ownsSlots(member) : shard?.attached.includes(member.pod) === true)
    wanted['cluster-replica-no-failover'] = 'no'
  return Object.fromEntries(
    Object.entries(wanted).filter(([name, value]) => {
      const printed = view.settings[name]
      return printed === undefined || !sameSetting(name, value, printed)
    }),
  )
}

function diagnoseForming(given: Case): readonly ClusterFinding[] {
  const { picture, desired } = given
  const missing = podsMissing(picture)
  if (missing.length > 0) return missing
  const apart = isolated(picture.up)
  if (apart.length > 0) return apart
  const findings: ClusterFinding[] = []
  if (picture.unowned.length > 0) {
    findings.push({
      type: 'SlotsUnassigned',
      about: 'cluster',
      message: `${slotCount(picture.unowned)} of ${SLOT_COUNT} slots have no owner yet`,
    })
  } else if (!picture.viewsAgree || picture.up.some((member) => !member.contact.view.clusterOk)) {
    findings.push({ type: 'SlotsUnassigned', about: 'cluster', message: 'not every node has heard of all slots yet' })
  }
  for (const shard of picture.shards) {
    const replicas = replicasMissing(shard, desired)
    findings.push(...(replicas.length > 0 ? replicas : replicasUnheard(shard, picture)))
  }
  return [...findings, ...drifted(given)]
}

/**
 * A node that has not heard whom a replica follows names it to no client and would not vote for it. The borrowed timeouts
 * make it hear soon: with those of the spec it may take seconds.
 */
function replicasUnheard(shard: ShardPicture, { up }: Picture): readonly ClusterFinding[] {
  const unheard = up.filter((member) => {
    const { nodeId } = member.contact.view
    const heard = (one: UpMember): boolean => rowOf(one, nodeId)?.primaryId === shard.primaryId
    return shard.attached.includes(member.pod) && !up.every(heard)
  })
  if (unheard.length === 0) return []
  const about = `shard ${shard.shard}`
  const pods = unheard.map((member) => member.pod).join(', ')
  const message = `${about}: not every node has heard of its replicas ${pods} yet`
  return [{ type: 'ReplicasMissing', about, shard: shard.shard, message }]
}

function diagnoseFormed(given: Case): readonly ClusterFinding[] {
  const { picture, desired } = given
  const findings: ClusterFinding[] = [
    ...podsMissing(picture),
    ...lostHosts(given),
    ...isolated(picture.up),
    ...drifted(given),
    ...staleNodes(given),
    ...(isAwaiting(given) ? [] : foreignFindings(given)),
    ...misheardFindings(picture),
  ]
  for (const shard of picture.shards)
    findings.push(...shardFindings(shard, given), ...replicasMissing(shard, desired), ...strayData(shard))
  findings.push(...majorityUnproven(given))
  findings.push(...slotFindings(given))
  if (isRestoring(given)) return [...findings, ...restoreFindings(given)]
  if (isRecorded(given)) findings.push(...slotsWithoutOwner(picture))
  else if (picture.unowned.length > 0 && findings.every((one) => one.type !== 'PodsMissing')) {
    findings.push({
      type: 'HistoryDisputed',
      about: 'cluster',
      message:
        'nodes hold data or epochs, but not a whole cluster, and no record says that it was formed: nothing is assigned',
    })
  }
  return findings
}

/** All are proven dead, and in none of their shards is there a replica that may take over. */
function heirless({
  desired,
  history,
  picture,
}: Pick<Case, 'desired' | 'history' | 'picture'>): readonly ClusterFinding[] {
  const down = picture.shards.filter((shard) => shard.ranges.length > 0 && !shard.primaryUp)
  if (down.some((shard) => bestHeir(shard, desired, history) !== null)) return []
  const message = 'most primaries are dead, and no replica of theirs was in sync when they died'
  return [{ type: 'MajorityUnproven', about: 'cluster', message }]
}

/** How long a lost majority may come back by itself before a person is called. */
export const MAJORITY_PATIENCE_MS = 30_000

/** Most primaries are missing, and nobody can say of each that it is dead: they may be serving clients elsewhere. */
function majorityUnproven(given: Case): readonly ClusterFinding[] {
  const { desired, snapshot, history, picture } = given
  // Of servers that have not begun to serve none can be missing.
  if (isRestoring(given) && !picture.shards.some((shard) => !shard.primaryUp && shard.primaryPod !== undefined))
    return []
  if (majorityAnswers(picture) || history.unreadyMs < MAJORITY_PATIENCE_MS) return []
  const missing = unprovenMissing(picture, snapshot, history, desired)
  if (missing.length === 0) return heirless({ desired, history, picture })
  const names = missing.slice(0, 5).map((shard) => `${shard.primaryPod ?? '(no pod)'} of shard ${shard.shard}`)
  return [
    {
      type: 'MajorityUnproven',
      about: 'cluster',
      message: `most primaries are missing, and nothing proves that ${names.join(', ')} serve no clients elsewhere`,
    },
  ]
}

function shardFindings(shard: ShardPicture, given: Case): readonly ClusterFinding[] {
  const { desired, history } = given
  const about = `shard ${shard.shard}`
  const up = shard.members.filter(isUp)
  const base = { about, shard: shard.shard }
  if (shard.primaryId === undefined) return withoutOwner(shard, given)
  const pod = shard.primaryPod ?? shard.primaryId.slice(0, 8)
  if (!shard.primaryUp) {
    // A replica that came back knows whom it followed: it, too, may still be starting.
    if (shard.primaryPod === undefined && isAwaiting(given)) return []
    if (isOrphaned(shard, desired) && !up.some((one) => mayInherit(one, shard, desired, history)))
      return [dataGone(shard, given, howLost(shard, given, pod))]
    return [{ ...base, type: 'PrimaryDown', pod, message: `${about}: the primary ${pod} does not answer` }]
  }
  const member = shard.members.find((one) => one.pod === shard.primaryPod)
  if (member?.kube?.deleting === true)
    return [
      { ...base, type: 'PrimaryLeaving', pod, message: `${about}: the pod of the primary ${pod} is being deleted` },
    ]
  return []
}

/** A shard of which nobody owns a slot, as far as is seen. */
function withoutOwner(shard: ShardPicture, given: Case): readonly ClusterFinding[] {
  const { unowned, orphaned } = given.picture
  const about = `shard ${shard.shard}`
  const restoring = isRestoring(given)
  if (!shard.members.every(isUp)) {
    // The one that owns them may still be starting: that it is not there yet is all that can be said.
    if (restoring) return []
    const message = `${about}: no member that answers owns its slots`
    return [{ type: 'PrimaryDown', about, shard: shard.shard, message }]
  }
  // Somebody moved all its slots to other shards: nothing is missing.
  if (unowned.length === 0 && orphaned.length === 0) return []
  const how = restoring
    ? `all members answer and none holds ${given.desired.restored ? 'what was restored: the volume that the restore filled' : 'what was left: a volume that owns its slots'} is not there`
    : 'all members answer and none owns its slots: the data that was there is gone'
  return [dataGone(shard, given, how)]
}

function howLost(shard: ShardPicture, given: Case, pod: string): string {
  const { desired } = given
  const slots = formatRanges(shard.ranges)
  const lost = isRestoring(given) && shard.primaryPod === undefined ? 'is on no volume' : 'came back empty'
  const old = survivorsOf(shard, desired).map((one) => `${one.pod} (${one.contact.view.keys} keys)`)
  if (old.length === 0) return `the primary ${pod} ${lost} and no replica holds its data (slots ${slots})`
  return `the primary ${pod} ${lost}, and ${old.join(', ')} may lack its latest writes (slots ${slots})`
}

/**
 * Data that is gone waits for a person, or is given up where that was asked for and no member holds a key. What a restore
 * was to bring is given up by a person alone: the spec speaks of data that was lost in service.
 */
function dataGone({ shard, members }: ShardPicture, given: Case, how: string): ClusterFinding {
  const { mayStartEmpty, consented } = given.desired
  const about = `shard ${shard}`
  const empty = members.filter(isUp).every((one) => one.contact.view.keys === 0)
  const givenUp = empty && (isRestoring(given) ? consented : mayStartEmpty).includes(shard)
  return {
    type: givenUp ? 'DataGivenUp' : 'DataMissing',
    about,
    shard,
    message: `${about}: ${how}${givenUp ? '; it starts empty' : ''}`,
  }
}

/** A server that would be emptied if it were made a replica: nobody but a person may say that its keys are of no use. */
function strayData(shard: ShardPicture): readonly ClusterFinding[] {
  if (!shard.primaryUp) return []
  return shard.members
    .filter(isUp)
    .filter((one) => one.pod !== shard.primaryPod && one.contact.view.role === 'primary')
    .filter((one) => one.contact.view.keys > 0 && !ownsSlots(one))
    .map(({ pod, contact: { view } }) => ({
      type: 'Blocked',
      reason: 'HistoryDisputed',
      about: pod,
      message: `${pod} holds ${view.keys} keys, owns no slots and follows nobody: save what is of use, then empty it with FLUSHALL`,
    }))
}

function replicasMissing(shard: ShardPicture, desired: Desired): readonly ClusterFinding[] {
  if (shard.attached.length >= desired.membersPerShard - 1) return []
  const absent = shard.members
    .filter((one) => one.pod !== shard.primaryPod && !shard.attached.includes(one.pod))
    .map((one) => one.pod)
  return [
    {
      type: 'ReplicasMissing',
      about: `shard ${shard.shard}`,
      shard: shard.shard,
      message: `shard ${shard.shard}: ${absent.join(', ')} not in sync`,
    },
  ]
}

/** Ids that views still list though their pod lives on under another id, and that own nothing. */
function staleNodes(given: Case): readonly ClusterFinding[] {
  return staleIds(given).map((id) => ({
    type: 'NodesStale',
    about: id,
    message: `node ${id.slice(0, 8)} is gone for good and still listed`,
  }))
}

/**
 * The ids that may be forgotten: every member answers under another id and finds every other one (SAFETY 18), and
 * nobody believes that it owns a slot: a view that lags behind would forget the owner before it has heard of the next.
 */
export function staleIds(given: Omit<Case, 'desired'>): readonly string[] {
  const { snapshot, picture } = given
  if (!snapshot.members.every(isUp) || isolated(picture.up).length > 0) return []
  const live = new Set(picture.up.map((member) => member.contact.view.nodeId))
  const rows = picture.up.flatMap((member) => member.contact.view.rows)
  const owners = new Set(rows.filter((row) => row.slots.length > 0).map((row) => row.nodeId))
  const listed = rows.filter((row) => !row.flags.includes('handshake')).map((row) => row.nodeId)
  const foreign = foreignNodes(given)
  return [...new Set(listed)].filter((id) => !live.has(id) && !owners.has(id) && !foreign.has(id)).toSorted()
}
