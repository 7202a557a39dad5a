import {
  conditionStatus,
  emptyShard,
  shardOf,
  toldConditions,
  type ClusterStatus,
  type Condition,
  type RestoredStatus,
  type ShardStatus,
} from './cluster-status.ts'
import type { ClusterEvent, ClusterEventData } from './cluster-events.ts'
import { formatSlots, parseSlots, subtractRanges } from './slot-ranges.ts'

/**
 * Replays events over a status. `told(fold(before, changes(before, after)))` equals `told(after)`:
 * the events of a commit say everything about it that the status remembers by edges.
 */
export const fold = (before: ClusterStatus | null, events: readonly ClusterEvent[]): ClusterStatus =>
  events.reduce(apply, before ?? { state: '' })

/** The part of a status that events determine, in canonical form; two statuses with equal parts have no event between them. */
export const told = (status: ClusterStatus) => ({
  state: status.state,
  specHash: status.specHash,
  formedAt: status.formedAt,
  restored: status.restored,
  operation: status.operation,
  openSlots: formatSlots(parseSlots(status.openSlots ?? '')),
  override: (status.override?.shards.length ?? 0) > 0 ? withoutValue(status.override) : undefined,
  claimedVolumes: status.claimedVolumes,
  deleted: status.deleted === true,
  conditions: toldConditions.map((type) => conditionStatus(status, type)),
  topology: (status.topology ?? [])
    .filter((shard) => shard.slots !== '' || Object.keys(shard.nodes).length > 0)
    .toSorted((a, b) => a.shard - b.shard)
    .map((shard) => ({
      shard: shard.shard,
      slots: formatSlots(parseSlots(shard.slots)),
      primary: shard.primary,
      primaryDown: shard.primaryDown === true,
      nodes: shard.nodes,
      attached: (shard.attached ?? []).toSorted(),
      incarnations: shard.incarnations ?? {},
      addresses: shard.addresses ?? {},
    })),
})

const apply = (status: ClusterStatus, event: ClusterEvent): ClusterStatus => {
  switch (event.type) {
    case 'Accepted':
      return { ...status, state: event.data.state, specHash: event.data.specHash }
    case 'Adopted':
      return adopt(status, event.data)
    case 'SpecChanged':
      return { ...status, specHash: event.data.specHash }
    case 'StateChanged':
      return { ...status, state: event.data.to }
    case 'ConditionChanged':
      return withCondition(status, event.data)
    case 'ClusterFormed':
      return { ...status, formedAt: event.data.formedAt }
    case 'OperationStarted': {
      const { opId, type, target, since } = event.data
      return { ...status, operation: { id: opId, type, target, since } }
    }
    case 'OperationFinished':
    case 'OperationAbandoned': {
      const { operation: _, ...rest } = status
      return rest
    }
    case 'VolumesClaimed': {
      const { uid, how } = event.data
      return { ...status, claimedVolumes: { uid, how } }
    }
    case 'DeletionStarted':
      return status
    case 'Deleted':
      return { ...status, deleted: true }
    case 'OverrideAccepted':
    case 'OverrideExpired':
      return withOverride(status, event)
    default:
      return applyToMembers(status, event)
  }
}

const applyToMembers = (
  status: ClusterStatus,
  event: OpenSlotsEvent | SlotsEvent | ShardEvent | RestoreEvent,
): ClusterStatus => {
  switch (event.type) {
    case 'RestoreBegun':
      return replaced(status, event.data)
    case 'RestoreWithdrawn':
      return asBefore(status, event.data)
    case 'Restored':
      return withRestored(status, event.data)
    case 'SlotsLeftOpen':
    case 'SlotsRepaired':
      return withOpenSlots(status, event)
    case 'SlotsAssigned':
    case 'SlotsCovered':
    case 'SlotsUncovered':
      return withSlots(status, event)
    default:
      return withShard(status, shardAfter(shardOf(status, event.data.shard), event))
  }
}

type RestoreEvent = Extract<ClusterEvent, { type: 'RestoreBegun' | 'RestoreWithdrawn' | 'Restored' }>
type OpenSlotsEvent = Extract<ClusterEvent, { type: 'SlotsLeftOpen' | 'SlotsRepaired' }>

const withOpenSlots = (status: ClusterStatus, { type, data }: OpenSlotsEvent): ClusterStatus => {
  const before = parseSlots(status.openSlots ?? '')
  const told = parseSlots(data.ranges.join(','))
  return {
    ...status,
    openSlots: formatSlots(type === 'SlotsLeftOpen' ? [...before, ...told] : subtractRanges(before, told)),
  }
}

type OverrideEvent = Extract<ClusterEvent, { type: 'OverrideAccepted' | 'OverrideExpired' }>

const withOverride = (status: ClusterStatus, event: OverrideEvent): ClusterStatus => {
  if (event.type === 'OverrideAccepted') {
    const { shards, until } = event.data
    return { ...status, override: { value: '', shards, until } }
  }
  const { override } = status
  if (override === undefined) return status
  const shards = override.shards.filter((shard) => !event.data.shards.includes(shard))
  return { ...status, override: { ...override, shards } }
}

const withoutValue = (override: ClusterStatus['override']) =>
  override && { shards: override.shards, until: override.until }

const adopt = (status: ClusterStatus, data: ClusterEventData<'Adopted'>): ClusterStatus => ({
  ...status,
  state: data.state,
  ...(data.specHash === undefined ? {} : { specHash: data.specHash }),
  ...(data.formedAt === undefined ? {} : { formedAt: data.formedAt }),
  ...(data.restored === undefined ? {} : { restored: restoredOf(data.restored) }),
})

const restoredOf = ({
  formedAt,
  former,
  ...rest
}: NonNullable<ClusterEventData<'Adopted'>['restored']>): RestoredStatus => ({
  ...rest,
  ...(formedAt === undefined ? {} : { formedAt }),
  ...(former === undefined ? {} : { former }),
})

/** What was known of members and slots was of other data. */
const replaced = (status: ClusterStatus, data: ClusterEventData<'RestoreBegun'>): ClusterStatus => {
  const { topology: _topology, openSlots: _openSlots, ...rest } = status
  const { restore: name, uid, since, former } = data
  return { ...rest, restored: restoredOf({ name, uid, since, former }) }
}

/** What replaced the data has not come about. */
function asBefore(
  { restored: _restored, ...rest }: ClusterStatus,
  { former }: ClusterEventData<'RestoreWithdrawn'>,
): ClusterStatus {
  return former === undefined ? rest : { ...rest, restored: former }
}

function withRestored(status: ClusterStatus, { formedAt }: ClusterEventData<'Restored'>): ClusterStatus {
  if (status.restored === undefined) return status
  const { former: _former, ...restored } = status.restored
  return { ...status, restored: { ...restored, formedAt } }
}

const withCondition = (status: ClusterStatus, data: ClusterEventData<'ConditionChanged'>): ClusterStatus => {
  const changed: Condition = {
    type: data.type,
    status: data.to,
    reason: data.reason,
    message: data.message,
    lastTransitionTime: '',
  }
  const others = (status.conditions ?? []).filter((each) => each.type !== data.type)
  return { ...status, conditions: [...others, changed] }
}

type SlotsEvent = Extract<ClusterEvent, { type: 'SlotsAssigned' | 'SlotsCovered' | 'SlotsUncovered' }>

/** Slots given to one shard leave every other. */
const withSlots = (status: ClusterStatus, event: SlotsEvent): ClusterStatus => {
  const ranges = parseSlots(event.data.ranges.join(','))
  const given = event.type !== 'SlotsUncovered'
  const present = status.topology?.some((each) => each.shard === event.data.shard)
  const topology = present ? (status.topology ?? []) : [...(status.topology ?? []), emptyShard(event.data.shard)]
  return {
    ...status,
    topology: topology
      .map((shard) => {
        const own = parseSlots(shard.slots)
        const gains = given && shard.shard === event.data.shard
        return { ...shard, slots: formatSlots(gains ? [...own, ...ranges] : subtractRanges(own, ranges)) }
      })
      .toSorted((a, b) => a.shard - b.shard),
  }
}

const withShard = (status: ClusterStatus, shard: ShardStatus): ClusterStatus => {
  const others = (status.topology ?? []).filter((each) => each.shard !== shard.shard)
  return { ...status, topology: [...others, shard].toSorted((a, b) => a.shard - b.shard) }
}

type ShardEvent = Extract<
  ClusterEvent,
  {
    type:
      | 'MemberJoined'
      | 'MemberLeft'
      | 'MemberRestarted'
      | 'AddressChanged'
      | 'PrimaryLost'
      | 'PrimaryReturned'
      | 'PrimaryChanged'
      | 'ReplicaAttached'
      | 'ReplicaDetached'
  }
>

const shardAfter = (shard: ShardStatus, event: ShardEvent): ShardStatus => {
  switch (event.type) {
    case 'MemberJoined':
      return joined(shard, event.data)
    case 'MemberLeft':
      return left(shard, event.data.pod)
    case 'MemberRestarted':
      return { ...shard, incarnations: { ...shard.incarnations, [event.data.pod]: event.data.incarnation } }
    case 'AddressChanged':
      return { ...shard, addresses: { ...shard.addresses, [event.data.pod]: event.data.to } }
    case 'PrimaryLost':
      return { ...shard, primaryDown: true }
    case 'PrimaryReturned':
      return answering(shard)
    case 'PrimaryChanged': {
      const { pod } = event.data.to
      const epoch = event.data.configEpoch
      const next = { ...detached(answering(shard), pod), primary: pod }
      return epoch === undefined ? next : { ...next, epoch }
    }
    case 'ReplicaAttached':
      return { ...detached(shard, event.data.pod), attached: [...(shard.attached ?? []), event.data.pod].toSorted() }
    case 'ReplicaDetached':
      return detached(shard, event.data.pod)
  }
}

const answering = ({ primaryDown: _, ...shard }: ShardStatus): ShardStatus => shard

const detached = (shard: ShardStatus, pod: string): ShardStatus =>
  shard.attached?.includes(pod) ? { ...shard, attached: shard.attached.filter((each) => each !== pod) } : shard

const joined = (shard: ShardStatus, data: ClusterEventData<'MemberJoined'>): ShardStatus => ({
  ...shard,
  nodes: { ...shard.nodes, [data.pod]: data.nodeId },
  ...(data.role === 'primary' ? { primary: data.pod } : {}),
  ...(data.incarnation === undefined ? {} : { incarnations: { ...shard.incarnations, [data.pod]: data.incarnation } }),
  ...(data.address === undefined ? {} : { addresses: { ...shard.addresses, [data.pod]: data.address } }),
  ...(data.attached ? { attached: [...(shard.attached ?? []), data.pod].toSorted() } : {}),
})

/** What was known of a member goes with it, its being the primary too. */
const left = (shard: ShardStatus, pod: string): ShardStatus => {
  const { primary, primaryDown, ...rest } = detached(shard, pod)
  const stays = primary !== undefined && primary !== pod
  return {
    ...rest,
    nodes: without(shard.nodes, pod),
    ...(shard.incarnations ? { incarnations: without(shard.incarnations, pod) } : {}),
    ...(shard.addresses ? { addresses: without(shard.addresses, pod) } : {}),
    ...(stays ? { primary } : {}),
    ...(stays && primaryDown ? { primaryDown } : {}),
  }
}

const without = (record: Readonly<Record<string, string>>, key: string): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(record).filter(([each]) => each !== key))
