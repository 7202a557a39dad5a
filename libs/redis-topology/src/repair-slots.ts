import { follows, ownRow } from './assess.ts'
import type { ClusterCommand } from './command.ts'
import type { Case } from './diagnose.ts'
import { majorityAnswers } from './failover.ts'
import type { ClusterFinding } from './finding.ts'
import {
  echoedBy,
  holdsSlot,
  mainPrimary,
  markOf,
  openSlotsOf,
  presentPrimary,
  shardOfNode,
  strandedOn,
} from './open-slots.ts'
import type { UpMember } from './snapshot.ts'

/** How one half moved slot is made whole: all its keys go to `target`, which then owns it. Pods, not node ids. */
export type SlotRepair = {
  readonly slot: number
  readonly owner: string
  readonly target: string
  /** Servers that carry a mark, or hold keys of the slot, and are neither. */
  readonly others: readonly string[]
  /** Primaries whose replicas still repeat a mark of the slot that they have not. */
  readonly echoed: readonly string[]
}

/** What can be done now about the slots that are open, and why nothing is done about others. */
export type SlotPlan = {
  readonly repairs: readonly SlotRepair[]
  readonly waits: readonly { readonly slot: number; readonly why: string }[]
}

/** Marks and counts that did not change for so long were left behind: whoever moves slots moves keys all the time. */
export const QUIET_MS = 2_000
/** Somebody who moved slots and is still connected is waited for, until silent for so long. */
export const MOVER_PATIENCE_S = 60

/**
 * What is to be done about half moved slots (research 1.5): forward, to the server that was to have the slot, while it
 * can be found; else back to the owner, or to who has taken its place. Views are compared first: to act while they differ is what loses keys, for a
 * server that learns that it lost a slot deletes its keys.
 */
export function slotPlan(given: Case): SlotPlan {
  const plans = openSlotsOf(given.picture.up)
    .filter((slot) => given.snapshot.openSlots?.disputed[slot] === undefined)
    .map((slot) => ({ slot, plan: planOf(slot, given) }))
  return {
    repairs: plans.flatMap(({ plan }) => (typeof plan === 'string' ? [] : [plan])),
    waits: plans.flatMap(({ slot, plan }) => (typeof plan === 'string' ? [{ slot, why: plan }] : [])),
  }
}

/** How a slot is repaired, or in words why not now. */
function planOf(slot: number, given: Case): SlotRepair | string {
  const { picture, snapshot } = given
  const counted = snapshot.openSlots?.keys[slot]
  const primaries = picture.up.filter((member) => member.contact.view.role === 'primary')
  if (counted === undefined || primaries.some((member) => counted[member.pod] === undefined))
    return 'its keys are not counted yet'
  const missing = concernedShards(slot, given).find((shard) => picture.shards[shard]?.primaryUp !== true)
  if (missing !== undefined) return `the primary of shard ${missing} is missing`
  if (!majorityAnswers(picture)) return 'most primaries are missing'
  const [owner, second] = primaries.filter((member) => holdsSlot(ownRow(member)?.slots ?? [], slot))
  if (owner === undefined) return 'nobody owns it'
  if (second !== undefined || primaries.some((member) => !agrees(member, slot, owner))) return 'the servers differ'
  const busy = stillMoved(slot, owner, primaries, given)
  if (busy !== null) return busy
  const target = targetOf(slot, owner, primaries, given)
  const others = primaries.filter(
    (member) =>
      member !== owner && member !== target && (markOf(member, slot) !== undefined || (counted[member.pod] ?? 0) > 0),
  )
  const echoed = primaries.filter((member) => echoedBy(member, picture.up).includes(slot))
  const pods = (members: readonly UpMember[]): readonly string[] => members.map((one) => one.pod).toSorted()
  return { slot, owner: owner.pod, target: target.pod, others: pods(others), echoed: pods(echoed) }
}

/** What speaks for somebody who goes on moving the slot, in words; null when it was left behind. */
function stillMoved(
  slot: number,
  owner: UpMember,
  primaries: readonly UpMember[],
  { snapshot, history }: Case,
): string | null {
  const { movers = [], quietMs = 0, keys = {} } = snapshot.openSlots ?? {}
  if (movers.some((mover) => mover.idleSeconds < MOVER_PATIENCE_S)) return 'somebody may still be moving it'
  const mark = markOf(owner, slot)
  // Then clients do not find the keys that have left the owner, and nobody goes on moving: there is nothing to wait for.
  const split =
    mark?.direction === 'migrating'
      ? primaries.every((member) => member.contact.view.nodeId !== mark.other)
      : primaries.some((member) => member !== owner && (keys[slot]?.[member.pod] ?? 0) > 0)
  if (split || history.operation?.type === 'RepairSlots' || quietMs >= QUIET_MS) return null
  return 'it may still be on its way'
}

/** The shards of every server that carries a mark, or is named in one: each may hold keys of the slot. */
function concernedShards(slot: number, { picture }: Case): readonly number[] {
  const shards = picture.up.flatMap((member) => {
    const mark = markOf(member, slot)
    return mark === undefined ? [] : [member.shard, shardOfNode(picture, mark.other)]
  })
  return [...new Set(shards)].filter((shard) => shard !== undefined).toSorted((a, b) => a - b)
}

/** Whether a server names that owner to its clients. One that imports the slot hears nothing of it: its word is none. */
function agrees(member: UpMember, slot: number, owner: UpMember): boolean {
  if (markOf(member, slot)?.direction === 'importing') return true
  const row = member.contact.view.rows.find((one) => holdsSlot(one.slots, slot))
  return row?.nodeId === owner.contact.view.nodeId
}

/**
 * Where the slot is to be: with the server that the owner was moving it to while that still imports it; else with the
 * one of these ends that holds most of its keys; else, when nothing was moved yet, where it is.
 */
function targetOf(
  slot: number,
  owner: UpMember,
  primaries: readonly UpMember[],
  { picture, snapshot }: Case,
): UpMember {
  const mark = markOf(owner, slot)
  const named = mark?.direction === 'migrating' ? presentPrimary(picture, mark.other) : undefined
  // A member of its shard that was replaced marks what it holds when it comes back: its keys are the heir's business.
  const importers = primaries
    .filter((member) => member !== owner && markOf(member, slot)?.direction === 'importing')
    .map((member) => mainPrimary(member.shard, picture.up) ?? member)
  if (named !== undefined && importers.includes(named)) return named
  const keysAt = (member: UpMember): number => snapshot.openSlots?.keys[slot]?.[member.pod] ?? 0
  const ends = [...(named === undefined ? [] : [named]), ...importers].filter((member) => member !== owner)
  const [fullest] = ends
    .filter((member) => keysAt(member) > 0)
    .toSorted((a, b) => keysAt(b) - keysAt(a) || (a.pod < b.pod ? -1 : 1))
  // A slot that is stranded on a member that was replaced belongs to who has taken its place.
  return fullest ?? mainPrimary(owner.shard, picture.up) ?? owner
}

/** The command for all slots that can be repaired now; null when there is none. */
export function repairCommand(given: Case, opId: string): (ClusterCommand & { readonly type: 'RepairSlots' }) | null {
  const { repairs } = slotPlan(given)
  if (repairs.length === 0) return null
  const { picture, desired } = given
  const primaries = picture.up.filter((member) => member.contact.view.role === 'primary')
  const targets = new Set(repairs.map((repair) => repair.target))
  const inSync = primaries
    .filter((member) => targets.has(member.pod))
    .map((member) => [member.pod, replicasInSync(member, picture.up)] as const)
  return {
    type: 'RepairSlots',
    opId,
    repairs,
    nodes: Object.fromEntries(primaries.map((member) => [member.pod, member.contact.view.nodeId])),
    replicas: Object.fromEntries(inSync),
    // A key that only its new primary holds dies with it (SAFETY 7); of a cluster without replicas that was accepted.
    unguarded: [...targets].filter((pod) => desired.membersPerShard === 1 || isAlone(pod, repairs, given)),
  }
}

function replicasInSync(primary: UpMember, up: readonly UpMember[]): readonly string[] {
  return up
    .filter((member) => follows(member, primary.contact.view.nodeId))
    .filter(({ contact }) => contact.view.linkUp && !contact.view.syncing)
    .map((member) => member.pod)
}

/** Whether every other member of the target's shard gives something up for this repair, and can be no replica before. */
function isAlone(target: string, repairs: readonly SlotRepair[], { picture }: Case): boolean {
  const taking = new Set(repairs.flatMap((repair) => [repair.owner, ...repair.others]))
  const shard = picture.shards.find((one) => one.members.some(({ pod }) => pod === target))
  return shard?.members.every(({ pod }) => pod === target || taking.has(pod)) === true
}

const TOLD_SLOTS = 4

/** SlotsOpen for what is half moved, SlotsDisputed for keys that only a person can choose between. */
export function slotFindings(given: Case): readonly ClusterFinding[] {
  const { picture, snapshot } = given
  const open = openSlotsOf(picture.up)
  if (open.length === 0) return []
  const { waits } = slotPlan(given)
  const told = open.slice(0, TOLD_SLOTS).map((slot) => {
    const why = waits.find((one) => one.slot === slot)?.why
    return `${halfMoved(slot, given)}${why === undefined ? '' : `: ${why}`}`
  })
  const more = open.length > TOLD_SLOTS ? [`and ${open.length - TOLD_SLOTS} more`] : []
  const disputes = Object.entries(snapshot.openSlots?.disputed ?? {}).map(([slot, { pods, keys, more: rest }]) => ({
    type: 'SlotsDisputed' as const,
    about: `slot ${slot}`,
    message: `slot ${slot}: ${pods.join(' and ')} hold different values of ${keys.join(', ')}${rest > 0 ? ` and ${rest} more keys` : ''}`,
  }))
  return [...disputes, { type: 'SlotsOpen', about: 'cluster', message: [...told, ...more].join('; ') }]
}

function halfMoved(slot: number, { picture }: Case): string {
  const carrying = picture.up.filter((member) => markOf(member, slot) !== undefined)
  const from = carrying.find((member) => markOf(member, slot)?.direction === 'migrating')
  const to = carrying.find((member) => markOf(member, slot)?.direction === 'importing')
  const holder = picture.up.find((member) => strandedOn(member, picture.up).includes(slot))
  if (carrying.length === 0 && holder !== undefined) return `slot ${slot} stayed with ${holder.pod}, which was replaced`
  const echo = picture.up.find((member) => echoedBy(member, picture.up).includes(slot))
  if (carrying.length === 0 && echo !== undefined) return `slot ${slot} is still marked by a replica of ${echo.pod}`
  return `slot ${slot} is half moved${from === undefined ? '' : ` from ${from.pod}`}${to === undefined ? '' : ` to ${to.pod}`}`
}
