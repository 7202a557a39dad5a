import { LABEL } from '@slotkeeper/api'
import type { ClusterStatus, ShardStatus } from '@slotkeeper/events'
import { containerToken, formatRanges, isUp, type Picture, type ShardPicture } from '@slotkeeper/redis-topology'
import type { ClusterObject } from './cluster-object.ts'
import { nameOf } from './resources/names.ts'

/** The version of this controller, as the status remembers it. */
export const CONTROLLER_VERSION = '0.1.0'

/**
 * The topology as it is to be remembered. What is known of a member changes only by its own word: of the silent, and
 * of a primary that came back under another identity while its slots wait for an heir, the last word stays.
 */
export function nextTopology(picture: Picture, before: ClusterStatus | null): readonly ShardStatus[] {
  return picture.shards.map((shard) => nextShard(shard, before?.topology?.find((one) => one.shard === shard.shard)))
}

function nextShard(picture: ShardPicture, before: ShardStatus | undefined): ShardStatus {
  const nodes: Record<string, string> = {}
  const incarnations: Record<string, string> = {}
  const addresses: Record<string, string> = {}
  for (const member of picture.members) {
    const { pod } = member
    const id = before?.nodes[pod]
    const awaited = id !== undefined && id === picture.primaryId && !picture.primaryUp
    const word = isUp(member) && !awaited ? member : undefined
    const nodeId = word?.contact.view.nodeId ?? id
    if (nodeId === undefined) continue
    nodes[pod] = nodeId
    const token = word?.kube?.containerId === undefined ? before?.incarnations?.[pod] : containerToken(word.kube.containerId)
    if (token !== undefined) incarnations[pod] = token
    const address = word?.kube?.ip ?? before?.addresses?.[pod]
    if (address !== undefined) addresses[pod] = address
  }
  const primary = primaryOf(picture, before)
  const slots = picture.ranges.length > 0 ? formatRanges(picture.ranges) : !picture.primaryUp ? (before?.slots ?? '') : ''
  return {
    shard: picture.shard,
    slots,
    ...(primary === undefined ? {} : { primary }),
    ...(primary !== undefined && !picture.primaryUp ? { primaryDown: true } : {}),
    ...(picture.epoch > 0 && picture.primaryUp ? { epoch: picture.epoch } : before?.epoch === undefined ? {} : { epoch: before.epoch }),
    nodes,
    attached: picture.attached.toSorted(),
    incarnations,
    addresses,
  }
}

function primaryOf(picture: ShardPicture, before: ShardStatus | undefined): string | undefined {
  return picture.primaryUp ? picture.primaryPod : (before?.primary ?? picture.primaryPod)
}

/** The parts of the status that are copies of what is plain from spec and picture. */
export function plainStatus(object: ClusterObject, picture: Picture, formed: boolean): Partial<ClusterStatus> {
  const versions = new Set(picture.up.map((member) => member.contact.view.version))
  const owning = picture.shards.filter((shard) => shard.ranges.length > 0)
  const [version] = versions
  return {
    observedGeneration: object.metadata.generation,
    observedBy: CONTROLLER_VERSION,
    ...(versions.size === 1 && version !== undefined && version !== '' ? { version } : object.status?.version === undefined ? {} : { version: object.status.version }),
    shards: owning.length,
    readyShards: owning.filter((shard) => shard.primaryUp).length,
    selector: `${LABEL.cluster}=${object.metadata.name},${LABEL.role}=primary`,
    ...(formed ? { binding: { name: nameOf.connection(object.metadata.name) } } : {}),
  }
}
