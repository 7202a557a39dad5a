import { ownRow } from '../src/assess.ts'
import type { ClusterCommand } from '../src/command.ts'
import { majorityAnswers } from '../src/failover.ts'
import { holdsSlot, markOf, shardOfNode } from '../src/open-slots.ts'
import { MOVER_PATIENCE_S, QUIET_MS, type SlotRepair } from '../src/repair-slots.ts'
import type { UpMember } from '../src/snapshot.ts'
import type { Pass } from './pass.ts'

/** What a repair of half moved slots must not do: each of these would lose keys, or fight somebody. */
export function brokenByRepair(command: ClusterCommand & { type: 'RepairSlots' }, now: Pass): readonly string[] {
  const { picture } = now.given
  const wrong = Object.entries(command.nodes).filter(
    ([pod, id]) => !picture.up.some((one) => one.pod === pod && one.contact.view.nodeId === id),
  )
  const strange = Object.entries(command.replicas).flatMap(([target, pods]) =>
    pods.filter((pod) => {
      const view = picture.up.find((one) => one.pod === pod)?.contact.view
      const follows = view?.rows.some((row) => row.myself && row.primaryId === picture.idOf[target])
      return follows !== true || view?.linkUp !== true || view.syncing
    }),
  )
  const taking = command.repairs.flatMap((one) => [one.owner, ...one.others])
  const unguarded = command.unguarded.filter((target) => {
    const shard = picture.shards.find((one) => one.members.some(({ pod }) => pod === target))
    const idle = shard?.members.filter(({ pod }) => pod !== target && !taking.includes(pod)) ?? []
    return now.given.desired.membersPerShard > 1 && idle.length > 0
  })
  return [
    ...(majorityAnswers(picture) ? [] : ['RepairSlots without a majority']),
    ...wrong.map(([pod]) => `RepairSlots names ${pod}, which is another node`),
    ...strange.map((pod) => `RepairSlots counts on ${pod}, which is not in sync`),
    ...unguarded.map((pod) => `RepairSlots to ${pod} without a replica`),
    ...command.repairs.flatMap((one) => repaired(one, now)),
  ]
}

function repaired(repair: SlotRepair, now: Pass): readonly string[] {
  const { slot, owner, target } = repair
  const { picture, snapshot } = now.given
  const primaries = picture.up.filter((one) => one.contact.view.role === 'primary')
  const owners = primaries.filter((one) => holdsSlot(ownRow(one)?.slots ?? [], slot)).map((one) => one.pod)
  const open = snapshot.openSlots
  const keysAt = (pod: string): number => open?.keys[slot]?.[pod] ?? 0
  const imports = (one: UpMember): boolean => markOf(one, slot)?.direction === 'importing'
  const otherwise = primaries.filter(
    (one) =>
      !imports(one) &&
      !one.contact.view.rows.some((row) => row.nodeId === picture.idOf[owner] && holdsSlot(row.slots, slot)),
  )
  const heir = primaries.find((one) => one.pod === owner)?.shard === primaries.find((one) => one.pod === target)?.shard
  const fit = primaries.some((one) => one.pod === target && (heir || imports(one) || keysAt(target) > 0))
  return [
    ...leftOut(repair, now, primaries),
    ...(owners.length === 1 && owners[0] === owner ? [] : [`slot ${slot} is taken from ${owner}, not its owner`]),
    ...(fit ? [] : [`slot ${slot} goes to ${target}, which neither imports it nor has keys of it`]),
    ...otherwise.map(({ pod }) => `${pod} believes slot ${slot} to be somebody else's`),
    ...(open?.movers.some((one) => one.idleSeconds < MOVER_PATIENCE_S) === true ? ['somebody is moving slots'] : []),
    ...(open?.disputed[slot] === undefined ? [] : [`slot ${slot} is in dispute`]),
    ...hasty(repair, now, primaries),
  ]
}

/** Everybody who may hold keys of the slot takes part. */
function leftOut(
  { slot, owner, target, others }: SlotRepair,
  { given }: Pass,
  primaries: readonly UpMember[],
): readonly string[] {
  const { picture, snapshot } = given
  const strangers = primaries.filter((one) => ![owner, target, ...others].includes(one.pod))
  const holding = strangers.filter((one) => (snapshot.openSlots?.keys[slot]?.[one.pod] ?? 0) > 0)
  const marked = strangers.filter((one) => markOf(one, slot) !== undefined)
  const ends = primaries.map((one) => shardOfNode(picture, markOf(one, slot)?.other ?? ''))
  const gone = ends.filter((shard) => shard !== undefined && picture.shards[shard]?.primaryUp !== true)
  return [
    ...holding.map(({ pod }) => `${pod} is left with keys of slot ${slot}`),
    ...marked.map(({ pod }) => `${pod} is left with a mark of slot ${slot}`),
    ...gone.map((shard) => `slot ${slot} is repaired without shard ${shard}, which may hold keys of it`),
  ]
}

/** What may be on its way is waited for, unless clients miss keys meanwhile. */
function hasty({ slot, owner }: SlotRepair, { given }: Pass, primaries: readonly UpMember[]): readonly string[] {
  const { snapshot, history } = given
  const from = primaries.find((one) => one.pod === owner)
  const mark = from === undefined ? undefined : markOf(from, slot)
  const strays = primaries.some(({ pod }) => pod !== owner && (snapshot.openSlots?.keys[slot]?.[pod] ?? 0) > 0)
  const reached = primaries.some((one) => one.contact.view.nodeId === mark?.other)
  const missed = mark?.direction === 'migrating' ? !reached : strays
  const begun = history.operation?.type === 'RepairSlots'
  return begun || missed || (snapshot.openSlots?.quietMs ?? 0) >= QUIET_MS ? [] : [`slot ${slot} may be on its way`]
}
