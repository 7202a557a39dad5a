import { holdsSlot, openSlotsOf } from '../src/open-slots.ts'
import type { ClusterCommand } from '../src/command.ts'
import { common, normalise, uncovered } from '../src/slots.ts'
import { isUp, type Member, type Snapshot } from '../src/snapshot.ts'
import { highestEpoch, own, type Place, placeNamed, type World } from './world.ts'

type Repair = ClusterCommand & { readonly type: 'RepairSlots' }
type Mark = { readonly slot: number; readonly way: '<' | '>'; readonly with: Place }

/** The server marks a slot, in place of what it said of it before. */
export function mark(world: World, place: Place, { slot, way, with: other }: Mark): void {
  place.open = [...place.open.filter((one) => !one.startsWith(`[${slot}-`)), `[${slot}-${way}-${other.node.id}]`]
  world.marksSince = world.now
}

/** The server says no more of a slot. */
export function unmark(world: World, place: Place, slot: number): void {
  place.open = place.open.filter((one) => !one.startsWith(`[${slot}-`))
  world.marksSince = world.now
}

/** What is seen of half moved slots, by these members. */
export function openSlotsSeen(world: World, members: readonly Member[]): Snapshot['openSlots'] {
  const slots = openSlotsOf(members.filter(isUp))
  if (slots.length === 0) return undefined
  const asked = world.places.filter((place) => place.contact === 'up' && place.node.primaryId === undefined)
  const disputed = asked.flatMap((place) => place.disputes.map(({ slot, pod }) => [slot, [place.pod, pod]] as const))
  return {
    keys: Object.fromEntries(
      slots.map((slot) => [slot, Object.fromEntries(asked.map((place) => [place.pod, place.slotKeys[slot] ?? 0]))]),
    ),
    quietMs: world.now - world.marksSince,
    movers: asked.flatMap(({ pod, busySince }) =>
      busySince === undefined ? [] : [{ pod, address: '10.9.9.9:4711', idleSeconds: (world.now - busySince) / 1_000 }],
    ),
    disputed: Object.fromEntries(disputed.map(([slot, pods]) => [slot, { pods, keys: ['"k"'], more: 0 }])),
  }
}

/** All keys of each slot go to its target, which then owns it; without a replica of the target only the marks are set. */
export function repairAll(world: World, command: Repair): void {
  for (const { slot, owner, target, others } of command.repairs) {
    const [from, to] = [placeNamed(world, owner), placeNamed(world, target)]
    if (from !== to) {
      mark(world, to, { slot, way: '<', with: from })
      mark(world, from, { slot, way: '>', with: to })
    }
    const guarded = command.unguarded.includes(target) || (command.replicas[target] ?? []).length > 0
    const rest = [from, ...others.map((pod) => placeNamed(world, pod))].filter((place) => place !== to)
    if (!guarded && rest.some((place) => (place.slotKeys[slot] ?? 0) > 0)) continue
    for (const place of rest) {
      to.slotKeys[slot] = (to.slotKeys[slot] ?? 0) + (place.slotKeys[slot] ?? 0)
      place.slotKeys[slot] = 0
    }
    const one = [{ first: slot, last: slot }]
    if (from !== to) {
      to.node.epoch = highestEpoch(world) + 1
      own(from.node, common(from.node.slots, uncovered(one)))
      own(to.node, normalise([...to.node.slots, ...one]))
    }
    for (const place of world.places) unmark(world, place, slot)
  }
}

/** Whether a server that imports a slot goes on believing that the node which it imports from owns it. */
export function pinnedTo(viewer: Place, slot: number): string | undefined {
  return viewer.open.find((one) => one.startsWith(`[${slot}-<-`))?.slice(`[${slot}-<-`.length, -1)
}

/** What a viewer is shown of a node's slots, by what it imports. */
export function slotsSeen(viewer: Place, id: string, slots: Place['node']['slots']): Place['node']['slots'] {
  const imported = viewer.open.flatMap((one) => /^\[(\d+)-<-/.exec(one)?.[1] ?? []).map(Number)
  return imported.reduce((seen, slot) => {
    const one = [{ first: slot, last: slot }]
    const pinned = pinnedTo(viewer, slot) === id
    if (pinned === holdsSlot(seen, slot) || holdsSlot(viewer.node.slots, slot)) return seen
    return pinned ? normalise([...seen, ...one]) : common(seen, uncovered(one))
  }, slots)
}
