import { defined, LABEL } from '@slotkeeper/api'
import type { ClusterStatus, ShardStatus } from '@slotkeeper/events'
import {
  attachedToRemember,
  type Case,
  common,
  containerToken,
  formatRanges,
  isUp,
  type Member,
  openSlotsOf,
  parseRanges,
  type Picture,
  type ShardPicture,
  slotPlan,
} from '@slotkeeper/redis-topology'
import type { ClusterObject } from './cluster-object.ts'
import { claimedVolumes } from './left-volumes.ts'
import { nameOf } from './resources/names.ts'

/** The version of this controller, as the status remembers it. */
export const CONTROLLER_VERSION = '0.1.0'

/**
 * The topology as it is to be remembered. What is known of a member changes only by its own word: of the silent, and
 * of a primary that came back under another identity while its slots wait for an heir, the last word stays.
 */
export function nextTopology(picture: Picture, before: ClusterStatus | null): readonly ShardStatus[] {
  return picture.shards.map((shard) =>
    nextShard(
      shard,
      before?.topology?.find((one) => one.shard === shard.shard),
    ),
  )
}

function nextShard(picture: ShardPicture, before: ShardStatus | undefined): ShardStatus {
  const known = picture.members.flatMap((member) => {
    const word = lastWord(member, picture, before)
    return word === null ? [] : [{ pod: member.pod, ...word }]
  })
  const collect = (field: 'nodeId' | 'token' | 'address' | 'host'): Record<string, string> =>
    Object.fromEntries(known.flatMap((one) => (one[field] === undefined ? [] : [[one.pod, one[field]]])))
  const primary = picture.primaryUp ? picture.primaryPod : (before?.primary ?? picture.primaryPod)
  return defined({
    shard: picture.shard,
    slots: slotsOf(picture, before),
    primary,
    primaryDown: primary !== undefined && !picture.primaryUp ? true : undefined,
    epoch: picture.epoch > 0 && picture.primaryUp ? picture.epoch : before?.epoch,
    nodes: collect('nodeId'),
    attached: attachedToRemember(picture, before?.attached ?? []).toSorted(),
    incarnations: collect('token'),
    addresses: collect('address'),
    hosts: collect('host'),
  })
}

/** Of a shard that nobody speaks for, the last known slots stay. */
function slotsOf(picture: ShardPicture, before: ShardStatus | undefined): string {
  if (picture.ranges.length > 0) return formatRanges(picture.ranges)
  return picture.primaryUp ? '' : (before?.slots ?? '')
}

function rememberedOf(pod: string, before: ShardStatus = { shard: 0, slots: '', nodes: {} }) {
  const { nodes, incarnations = {}, addresses = {}, hosts = {} } = before
  return { nodeId: nodes[pod], token: incarnations[pod], address: addresses[pod], host: hosts[pod] }
}

/** What is known of a member: its own word, else what was remembered; null of one that was never heard. */
function lastWord(member: Member, picture: ShardPicture, before: ShardStatus | undefined) {
  const { pod } = member
  const remembered = rememberedOf(pod, before)
  const awaited = remembered.nodeId !== undefined && remembered.nodeId === picture.primaryId && !picture.primaryUp
  if (!isUp(member) || awaited) return remembered.nodeId === undefined ? null : remembered
  const containerId = member.kube?.containerId
  return {
    nodeId: member.contact.view.nodeId,
    token: containerId === undefined ? remembered.token : containerToken(containerId),
    address: member.kube?.ip ?? remembered.address,
    host: member.kube?.nodeName ?? remembered.host,
  }
}

/** The parts of the status that are copies of what is plain from spec and picture. */
export function plainStatus(object: ClusterObject, picture: Picture, formed: boolean): Partial<ClusterStatus> {
  const versions = new Set(picture.up.map((member) => member.contact.view.version))
  const owning = picture.shards.filter((shard) => shard.ranges.length > 0)
  const [version] = versions
  return {
    observedGeneration: object.metadata.generation,
    observedBy: CONTROLLER_VERSION,
    ...(versions.size === 1 && version !== undefined && version !== ''
      ? { version }
      : object.status?.version === undefined
        ? {}
        : { version: object.status.version }),
    shards: owning.length,
    readyShards: owning.filter((shard) => shard.primaryUp).length,
    selector: `${LABEL.cluster}=${object.metadata.name},${LABEL.role}=primary`,
    ...defined({ claimedVolumes: claimedVolumes(object.spec) }),
    ...(formed ? { binding: { name: nameOf.connection(object.metadata.name) } } : {}),
  }
}

/**
 * The slots to remember as half moved: those that are being repaired or in dispute, until no primary shows a mark of
 * theirs. Slots on their way are not remembered: whoever moves them opens and closes one after the other.
 */
export function nextOpenSlots(
  given: Case,
  before: ClusterStatus | null,
  operation: ClusterStatus['operation'],
): string | undefined {
  const { picture, snapshot } = given
  const disputed = Object.keys(snapshot.openSlots?.disputed ?? {}).map(Number)
  const begun = operation?.type === 'RepairSlots' ? slotPlan(given).repairs.map((repair) => repair.slot) : []
  const remembered = parseRanges(before?.openSlots ?? '')
  // Of a primary that is down nobody knows what it still carries.
  const silent = picture.shards.some((shard) => !shard.primaryUp)
  const open = openSlotsOf(picture.up).map((slot) => ({ first: slot, last: slot }))
  const kept = silent ? remembered : common(remembered, open)
  const added = [...disputed, ...begun].map((slot) => ({ first: slot, last: slot }))
  const all = formatRanges([...kept, ...added])
  return all === '' ? undefined : all
}
