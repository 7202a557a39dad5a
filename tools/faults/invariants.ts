import { isDeepStrictEqual } from 'node:util'
import {
  type ClusterEvent,
  type ClusterStatus,
  conditionStatus,
  countSlots,
  fold,
  parseSlots,
  told,
} from '@slotkeeper/events'
import type { Delivery } from '@slotkeeper/nats'
import { type NodeRow, normalise, SLOT_COUNT, slotCount } from '@slotkeeper/redis-topology'
import { storyFaults } from '../demo/tour.ts'

/** A status as the API server told it, and when that was heard (`performance.now()`). */
export type SeenStatus = {
  readonly at: number
  readonly status: ClusterStatus & {
    readonly lifecycle?: { readonly life: number; readonly seq: number; readonly epoch: number }
  }
}

/** What one server says of itself, its own row of CLUSTER NODES. */
export type Claim = { readonly at: number; readonly pod: string; readonly row: NodeRow }

/** Statuses that say Ready while a slot has no owner or a primary is down, or whose history or epochs go backwards. */
export function statusFaults(seen: readonly SeenStatus[]): readonly string[] {
  return seen.flatMap(({ status }, index) => {
    const before = seen[index - 1]?.status.lifecycle
    const now = status.lifecycle
    const back =
      before !== undefined &&
      now !== undefined &&
      (now.epoch < before.epoch || now.life < before.life || (now.life === before.life && now.seq < before.seq))
    return [
      ...epochsBack(seen[index - 1]?.status, status),
      ...(back ? [`the status went back from ${JSON.stringify(before)} to ${JSON.stringify(now)}`] : []),
      ...(conditionStatus(status, 'Ready') === 'True' ? notReadyBecause(status) : []),
    ]
  })
}

/** Whoever goes by the greatest epoch must not take an owner of before for the one of now. */
function epochsBack(before: ClusterStatus | undefined, { topology = [] }: ClusterStatus): readonly string[] {
  return topology.flatMap(({ shard, epoch }) => {
    const was = before?.topology?.find((one) => one.shard === shard)?.epoch
    return was === undefined || epoch === undefined || epoch >= was
      ? []
      : [`the epoch of shard ${shard} went back from ${was} to ${epoch}`]
  })
}

function notReadyBecause({ topology = [], formedAt }: ClusterStatus): readonly string[] {
  const owned = countSlots(topology.flatMap((shard) => parseSlots(shard.slots)))
  const down = topology.filter((shard) => shard.primary === undefined || shard.primaryDown === true)
  return [
    ...(formedAt === undefined ? ['Ready before it was formed'] : []),
    ...(owned === SLOT_COUNT ? [] : [`Ready with ${owned} slots owned`]),
    ...down.map((shard) => `Ready while the primary of shard ${shard.shard} is down`),
  ]
}

/**
 * Two servers that claim a slot by the same configuration epoch, at whatever time each said so: an epoch has one
 * winner. Epoch 0 is nobody's.
 */
export function ownerFaults(claims: readonly Claim[]): readonly string[] {
  const owners = new Map<string, Claim>()
  const faults = new Set<string>()
  for (const claim of claims) {
    const { row } = claim
    if (row.role !== 'primary' || row.configEpoch === 0) continue
    for (const { first } of row.slots) {
      const key = `slot ${first}, epoch ${row.configEpoch}`
      const other = owners.get(key)
      if (other === undefined) owners.set(key, claim)
      else if (other.row.nodeId !== row.nodeId) faults.add(`${key}: both ${other.pod} and ${claim.pod} own it`)
    }
  }
  return [...faults]
}

/** What is owned by nobody, or by two servers, by the latest word of each. */
export function coverageFaults(claims: readonly Claim[]): readonly string[] {
  const latest = new Map(claims.map((claim) => [claim.pod, claim.row]))
  const owned = [...latest.values()].filter(({ role }) => role === 'primary').flatMap(({ slots }) => slots)
  const sum = owned.reduce((total, { first, last }) => total + last - first + 1, 0)
  const distinct = slotCount(normalise(owned))
  return [
    ...(distinct === SLOT_COUNT ? [] : [`in the end the servers own ${distinct} slots`]),
    ...(sum === distinct ? [] : [`in the end ${sum - distinct} slots are owned twice`]),
  ]
}

/** Two operations of one cluster under way at once, and ends of operations that never began. */
export function operationFaults(story: readonly Delivery[]): readonly string[] {
  let open: string | undefined
  return story.flatMap(({ event }) => {
    const id = String(event.cloudEvent.data['opId'] ?? '')
    if (event.type === 'Adopted') open = undefined
    if (event.type === 'OperationStarted') {
      const other = open
      open = id
      return other === undefined ? [] : [`${id} was begun while ${other} was under way`]
    }
    if (event.type !== 'OperationFinished' && event.type !== 'OperationAbandoned') return []
    const expected = open
    open = undefined
    return expected === id ? [] : [`${event.type} of ${id}, while ${expected ?? 'nothing'} was under way`]
  })
}

/** Gaps and repetitions in a story, and whether its replay gives the status. */
export function replayFaults(story: readonly Delivery[], status: SeenStatus['status']): readonly string[] {
  const life = status.lifecycle?.life
  const events = story
    .filter(({ event }) => event.life === life)
    .map(({ event }) => ({ type: event.type, data: event.cloudEvent.data }) as unknown as ClusterEvent)
  const [replayed, stored] = [told(fold(null, events)), told(status)]
  const differs = Object.keys(stored).filter(
    (field) => !isDeepStrictEqual(replayed[field as keyof typeof stored], stored[field as keyof typeof stored]),
  )
  return [...storyFaults(story), ...differs.map((field) => `the story replayed gives another ${field} than the status`)]
}
