import { ANNOTATION, type RedisClusterSpec, volumeName } from '@slotkeeper/api'
import type { Input } from '@slotkeeper/controller'
import type { ClusterStatus } from '@slotkeeper/events'
import type { ClusterCommand, ClusterFinding, Member } from '@slotkeeper/redis-topology'
import type { CachedPod } from './caches.ts'
import type { ClusterObject } from './cluster-object.ts'
import { passedBy } from './later-volumes.ts'
import type { Observed } from './observe.ts'
import type { ObservedGeneration } from './observe-generation.ts'

type Seen = Input<ClusterObject, Observed>
/** How a person goes on from an order that can't be followed. */
export const WAYS =
  'To go on with what the cluster had, delete the RedisRestore, or take the order out of spec.bootstrap.restore; to have the backup after all, create another RedisRestore (docs/backups.md, In place)'
type Restored = NonNullable<ClusterStatus['restored']>

/** Whose data the cluster has by now: what it had before a restore in place was ordered, or what that restore has filled. */
export type Generation = {
  /** What was seen, with the spec that holds for this data, and with the records that belong to it. */
  readonly seen: Seen
  /** The restore in place that the records of the next status belong to. */
  readonly restored?: Restored
  /** Which StatefulSets are applied: none while servers of before are there; only what is missing while the order waits. */
  readonly sets: 'All' | 'Missing' | 'None'
  readonly findings: readonly ClusterFinding[]
}

/**
 * PURE: tells the generations of a cluster apart. Records say which restore in place they belong to; where the spec names
 * another one, the cluster goes on with what it has until the new volumes are all there, and then gives it up. Where no
 * record is left, the StatefulSets tell: one over the new volumes is made only after all of before is gone.
 *
 * @param consented shards whose data a person gave up: meant was what the cluster has now
 */
export function generationOf(input: Seen, consented: readonly number[]): Generation {
  const { object, observed } = input
  const { spec, status } = object
  const wanted = spec.bootstrap?.restore
  const { generation, laterVolumes } = observed
  if (laterVolumes !== undefined) return { seen: input, sets: 'None', findings: [passedBy(laterVolumes)] }
  if (wanted?.inPlace !== true || generation === undefined) return unordered(input)
  const recorded = recordedAs(input, wanted.uid, generation)
  if (recorded === undefined && mayHaveOther(input, generation)) {
    const why = heldBy(object, observed, consented)
    if (why !== null) return former(input, why)
  }
  const restored = recorded ?? begunNow(input, wanted)
  const isCommitted = status?.restored?.uid === wanted.uid
  const seen = {
    ...input,
    object: withRecords(object, restored, !isCommitted),
    observed: ofVolume(observed, wanted, restored),
  }
  const findings = isLeft(generation) ? [ordered(generation, wanted.name)] : unstartable(generation, wanted.name)
  if (restored.formedAt !== undefined || findings.length === 0)
    return { seen, restored, sets: isCommitted ? 'All' : 'None', findings: [] }
  return { seen, restored, sets: 'None', findings }
}

/** A cluster with what it has. An order that its records follow may have been taken out, as is allowed until servers start by it. */
function unordered(input: Seen): Generation {
  const { spec, status } = input.object
  const isWithdrawn = spec.bootstrap?.restore?.inPlace !== true && status?.restored?.formedAt === undefined
  return { seen: input, sets: 'All', findings: [], ...kept(isWithdrawn ? undefined : status?.restored) }
}

/** Why no server is started on the new volumes though all of before is gone; empty when nothing speaks against it. */
function unstartable({ begun, trouble }: ObservedGeneration, restore: string): readonly ClusterFinding[] {
  if (begun || trouble === undefined || trouble === null) return []
  const message = `what RedisRestore ${restore} has filled is not all there any more, and nothing was started on it: ${trouble}. ${WAYS}`
  return [
    { type: 'RestoreOrdered', about: 'cluster', message },
    { type: 'Blocked', reason: 'RestoreHeld', about: 'cluster', message },
  ]
}

/**
 * What some record says of this restore in place; undefined where none names it. The one of before counts for as long as no server
 * was started on what was to replace its data: later it takes a replacement of its own.
 */
function recordedAs({ object, observed }: Seen, uid: string, generation: ObservedGeneration): Restored | undefined {
  const restored = object.status?.restored
  const former = isLeft(generation) ? undefined : restored?.former
  return [restored, former, observed.recordedRestore].find((one) => one?.uid === uid)
}

/** A restore in place that replaces the data from now on; it knows whose they were. */
function begunNow({ object, observed, now }: Seen, { name, uid }: Pick<Restored, 'name' | 'uid'>): Restored {
  const begun = { name, uid, since: new Date(now).toISOString() }
  const before = object.status?.restored ?? observed.recordedRestore
  const former = before === undefined ? undefined : (before.former ?? wholeWith(before))
  return former === undefined ? begun : { ...begun, former }
}

/** Once a cluster is whole with the data of a restore in place, it is not known any more whose it had before. */
export function wholeOf({ former, ...restored }: Restored): Restored {
  return restored.formedAt === undefined && former !== undefined ? { ...restored, former } : restored
}

const wholeWith = ({ name, uid, since, formedAt }: Restored): Restored['former'] =>
  formedAt === undefined ? undefined : { name, uid, since, formedAt }

/** Whether there is, or may be, other data than that of the restore: a cluster that never was has none. */
function mayHaveOther({ object, observed }: Seen, generation: ObservedGeneration): boolean {
  const formedAt = object.status?.formedAt ?? observed.snapshot.recordedFormedAt
  return !generation.begun && (isLeft(generation) || formedAt !== undefined)
}

const isLeft = ({ sets, pods }: ObservedGeneration): boolean => sets.length > 0 || pods.length > 0

const kept = (restored: Restored | undefined): Pick<Generation, 'restored'> =>
  restored === undefined ? {} : { restored }

/** Why what the cluster has is not given up yet, though it was ordered; null when nothing speaks against it. */
function heldBy({ spec }: ClusterObject, { generation }: Observed, consented: readonly number[]): string | null {
  if (spec.paused === true) return 'the cluster is paused: set spec.paused to false'
  if (consented.length > 0)
    return `the annotation ${ANNOTATION.acceptDataLoss} gives up data of shards, and would do so with what is restored: remove it`
  return generation?.trouble ?? null
}

/** The cluster as it was before the order, which waits. */
function former(input: Seen, why: string): Generation {
  const { object } = input
  const { restore: _ordered, ...others } = object.spec.bootstrap ?? {}
  const before = object.status?.restored ?? input.observed.recordedRestore
  const bootstrap =
    before === undefined ? others : { ...others, restore: { name: before.name, uid: before.uid, inPlace: true } }
  const spec: RedisClusterSpec = { ...object.spec, bootstrap }
  const message = `RedisRestore ${object.spec.bootstrap?.restore?.name} is to replace the data, and does not yet, nothing was touched: ${why}. ${WAYS}`
  const finding: ClusterFinding = { type: 'Blocked', reason: 'RestoreHeld', about: 'cluster', message }
  const seen = formerRecords({ ...input, object: { ...object, spec } }, before)
  return { seen, sets: 'Missing', findings: [finding], ...kept(before) }
}

/** A cluster of a restore in place was formed when it was whole on its data, and not when it was formed first. */
function formerRecords(input: Seen, before: Restored | undefined): Seen {
  if (before === undefined) return input
  const { object, observed } = input
  return { ...input, object: withRecords(object, before, false), observed: withoutRecord(observed, before) }
}

function withRecords(object: ClusterObject, { formedAt }: Restored, begins: boolean): ClusterObject {
  const { status } = object
  if (status === null) return object
  const { formedAt: _first, topology, openSlots, ...rest } = status
  const records = begins ? {} : { topology, openSlots }
  const known = Object.fromEntries(Object.entries({ ...records, formedAt }).filter(([, value]) => value !== undefined))
  return { ...object, status: { ...rest, ...known } }
}

function withoutRecord(observed: Observed, { formedAt }: Restored): Observed {
  const { recordedFormedAt: _first, ...rest } = observed.snapshot
  return { ...observed, snapshot: { ...rest, ...(formedAt === undefined ? {} : { recordedFormedAt: formedAt }) } }
}

/** Servers on volumes of before are none of this cluster any more: what they say and own is not asked. */
function ofVolume(
  observed: Observed,
  wanted: { readonly uid: string; readonly inPlace?: boolean | undefined },
  restored: Restored,
): Observed {
  const { snapshot, ...rest } = withoutRecord(observed, restored)
  const volume = volumeName(wanted)
  const mine = (member: Member): Member => {
    const its = (member.kube as CachedPod | null)?.volume
    return its === undefined || its === volume ? member : { ...member, kube: null, contact: { type: 'absent' } }
  }
  return { ...rest, snapshot: { ...snapshot, members: snapshot.members.map(mine) } }
}

function ordered({ sets, pods }: ObservedGeneration, restore: string): ClusterFinding {
  const kept = sets.every((one) => one.keeps)
    ? ' once no claim belongs to them any more'
    : ' once they keep their claims'
  const left = sets.length > 0 ? `${sets.length} StatefulSets go${kept}` : `${pods.length} pods of before are to end`
  return {
    type: 'RestoreOrdered',
    about: 'cluster',
    message: `what RedisRestore ${restore} has filled replaces the data: ${left}, their volumes stay`,
  }
}

/** What takes the servers of before away, one step of it at a time. */
export function replacement(
  { sets: applied, restored, seen }: Generation,
  operation: ClusterStatus['operation'],
): readonly ClusterCommand[] {
  const { object, observed } = seen
  const { generation, behind } = observed
  if (applied !== 'None' || restored === undefined || generation === undefined) return []
  // Nothing is taken away, nor made, by an order that no status remembers yet.
  if (object.status?.restored?.uid !== restored.uid) return []
  const { sets, pods } = generation
  if (sets.length === 0)
    return pods
      .filter((one) => !one.deleting)
      .map(({ name, uid }) => ({ type: 'DeleteObject', kind: 'Pod', name, uid }) as const)
  if (operation?.type !== 'ReplaceVolumes' || behind.some((one) => one.startsWith('StatefulSet/'))) return []
  const { shards } = object.spec
  return [{ type: 'ReplaceVolumes', opId: operation.id, restore: restored.uid, shards, sets }]
}
