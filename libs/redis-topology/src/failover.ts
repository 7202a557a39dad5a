import { follows, ownsSlots, type Picture, type ShardPicture } from './assess.ts'
import { NEVER_UP } from './info.ts'
import { isOutOfService } from './node-loss.ts'
import { isOrphaned, survivorsOf } from './orphan.ts'
import { isUp, type Desired, type History, type Member, type Snapshot, type UpMember } from './snapshot.ts'

/** Whether a proof counts also where the majority is lost: it does not rest on what servers say (SAFETY 2). */
function isCertain(proof: Proof | null): boolean {
  return proof?.kind === 'Terminated' || proof?.kind === 'OutOfService'
}

/** What proves that a primary is dead, in words for its event; null when nothing does (SAFETY 3). */
export type Proof = { readonly kind: 'Terminated' | 'OutOfService' | 'Refused'; readonly evidence: readonly string[] }

/** The token by which a container is remembered: 12 hexadecimal digits of its id. */
export function containerToken(containerId: string): string {
  return containerId.replace(/^.*:\/\//, '').slice(0, 12)
}

/**
 * Whether the primary of a shard is proven dead: (a) kubelet reported the very container terminated that was last
 * observed behind its node id, or a person said by a taint that its machine is switched off, or (b) its pod's address refuses a fresh dial, every reachable replica reports its link
 * down, and a majority of the other primaries have no inbound bus link from it, all read after the refusal.
 * A timeout, or a closed connection, proves nothing.
 */
export function provenDead(picture: ShardPicture, snapshot: Snapshot, history: History): Proof | null {
  const member = picture.members.find((one) => one.pod === picture.primaryPod)
  if (member === undefined || picture.primaryId === undefined || picture.primaryUp) return null
  const token = history.incarnations[member.pod]
  if (mayServeAnew(member, token)) return null
  const ended = member.kube?.terminated.find((one) => token !== undefined && containerToken(one.containerId) === token)
  if (ended !== undefined && history.nodes[member.pod] === picture.primaryId) {
    return {
      kind: 'Terminated',
      evidence: [`kubelet: container ${token} of ${member.pod} ended with code ${ended.exitCode}`],
    }
  }
  if (history.nodes[member.pod] === picture.primaryId && isOutOfService(member.pod, { snapshot, history }))
    return {
      kind: 'OutOfService',
      evidence: [`taint: node ${history.hosts[member.pod]} of ${member.pod} is out of service`],
    }
  if (member.contact.type !== 'refused' || member.kube === null || member.kube.deleting) return null
  // The address must be that of the very container: another pod of this name says nothing of the one before.
  const present = member.kube.containerId
  if (token === undefined || present === undefined || containerToken(present) !== token) return null
  return refusedByAll(picture, snapshot)
}

/** A later container runs, and whether its server serves clients can't be seen: what is proven is the end of the one before. */
function mayServeAnew({ kube, contact }: Member, token: string | undefined): boolean {
  const unseen = contact.type === 'silent' || contact.type === 'denied'
  const present = kube?.running === true ? kube.containerId : undefined
  return unseen && present !== undefined && containerToken(present) !== token
}

function refusedByAll(picture: ShardPicture, snapshot: Snapshot): Proof | null {
  const replicas = picture.members.filter(isUp).filter((one) => follows(one, picture.primaryId))
  if (replicas.length === 0 || replicas.some((one) => one.contact.view.linkUp)) return null
  const witnesses = snapshot.members
    .filter(isUp)
    .filter((one) => one.shard !== picture.shard && one.contact.view.role === 'primary' && ownsSlots(one))
  const others = new Set(snapshot.members.map((one) => one.shard)).size - 1
  const unlinked = witnesses.filter((one) => {
    const links = snapshot.inboundLinks[one.pod]
    return links !== undefined && picture.primaryId !== undefined && !links.includes(picture.primaryId)
  })
  if (unlinked.length * 2 <= others) return null
  return {
    kind: 'Refused',
    evidence: [
      `${picture.primaryPod}: connection refused`,
      `${replicas.length} replicas: link down`,
      `${unlinked.length} of ${others} primaries: no bus link from it`,
    ],
  }
}

/**
 * Whether more than half of the primaries that own slots answer. Without them no election can be won, and FORCE is not
 * for then (SAFETY 2).
 */
export function majorityAnswers(picture: Picture): boolean {
  const owners = picture.shards.filter((shard) => shard.ranges.length > 0)
  return owners.filter((shard) => shard.primaryUp).length * 2 > owners.length
}

/**
 * Whether a replica may be promoted by election: it is an heir, its link down for less than the node timeout (later the
 * election of the engine is under way), or for so long that the engine has given up.
 */
export function isFit(one: UpMember, picture: ShardPicture, desired: Desired, history: History): boolean {
  if (isOrphaned(picture, desired)) return mayInherit(one, picture, desired, history)
  return isHeir(one, picture, history) && one.contact.view.linkDownSeconds * 1000 < desired.nodeTimeoutMs
}

/**
 * Whether a replica holds what its primary had: in sync when that was last seen, and not started since, for then it
 * has heard nothing from it.
 */
export function isHeir(one: UpMember, picture: ShardPicture, history: History): boolean {
  const view = one.contact.view
  return (
    follows(one, picture.primaryId) &&
    history.attached.includes(one.pod) &&
    !view.syncing &&
    !view.linkUp &&
    view.linkDownSeconds !== NEVER_UP &&
    one.kube?.deleting !== true
  )
}

/** The replica to promote, the greatest offset first. Null when none is fit. */
export function bestReplica(picture: ShardPicture, desired: Desired, history: History): UpMember | null {
  return furthest(picture.members.filter(isUp).filter((one) => isFit(one, picture, desired, history)))
}

/** A link that broke this long before the trouble was seen may still have broken by it. */
const SEEN_LATE_MS = 15_000

/**
 * Whether a replica may take over without votes: it is an heir, and its link broke no earlier than the cluster did, for
 * before that its primary may have served without it. A person's consent covers that as well, and where nothing better
 * is left, a copy that is older still.
 */
export function mayInherit(one: UpMember, picture: ShardPicture, desired: Desired, history: History): boolean {
  if (desired.mayStartEmpty.includes(picture.shard) && survivorsOf(picture, desired).includes(one)) return true
  const young = one.contact.view.linkDownSeconds * 1000 <= history.unreadyMs + SEEN_LATE_MS
  return isHeir(one, picture, history) && (young || desired.consented.includes(picture.shard))
}

/** The replica to promote where no majority can elect one. Null when none may. */
export function bestHeir(picture: ShardPicture, desired: Desired, history: History): UpMember | null {
  return furthest(picture.members.filter(isUp).filter((one) => mayInherit(one, picture, desired, history)))
}

/**
 * The shards whose primary is missing without a proof that counts when the majority is lost (SAFETY 2): the missing side
 * may be the majority and still serve its clients. Only kubelet's word counts, or a person's for that shard.
 */
export function unprovenMissing(
  picture: Picture,
  snapshot: Snapshot,
  history: History,
  desired: Desired,
): readonly ShardPicture[] {
  return picture.shards.filter(
    (shard) =>
      shard.ranges.length > 0 &&
      !shard.primaryUp &&
      !desired.consented.includes(shard.shard) &&
      !isCertain(provenDead(shard, snapshot, history)),
  )
}

/**
 * The pods to remember as attached. While the primary is down every link to it is: who was in sync when it was last
 * seen, and still follows it, stays so, for its death may be proven only later.
 */
export function attachedToRemember(picture: ShardPicture, before: readonly string[]): readonly string[] {
  if (picture.primaryUp) return picture.attached
  const waiting = picture.members
    .filter(isUp)
    .filter((one) => before.includes(one.pod) && follows(one, picture.primaryId) && !one.contact.view.syncing)
  return [...new Set([...picture.attached, ...waiting.map((one) => one.pod)])].toSorted()
}

/** The replica that a leaving primary hands over to: in sync now, on a pod that stays. */
export function bestSuccessor(picture: ShardPicture): UpMember | null {
  return furthest(
    picture.members.filter(isUp).filter((one) => picture.attached.includes(one.pod) && one.kube?.deleting !== true),
  )
}

function furthest(fit: readonly UpMember[]): UpMember | null {
  const [first] = fit.toSorted((one, other) => {
    const [a, b] = [one.contact.view, other.contact.view]
    return b.offset - a.offset || b.keys - a.keys || one.index - other.index
  })
  return first ?? null
}
