import { clusterCalls, RedisError, type RedisNode } from '@slotkeeper/redis-client'
import { type NodeView, type SlotRange, slotCount } from '@slotkeeper/redis-topology'
import type { LookAtServers } from './wholeness.ts'

/** Slots that are half moved from the first primary to the second. */
export type OpenSlots = {
  /**
   * How far they are: `begun` when keys have moved, `closed` when no server shows a mark, one end has every key and the
   * other none, and all name it as the owner of the slots.
   */
  readonly look: () => Promise<'open' | 'begun' | 'closed'>
}

const CALL_MS = 10_000
const CANDIDATES = 1_000
const contains = (ranges: readonly SlotRange[], slot: number): boolean =>
  ranges.some(({ first, last }) => first <= slot && slot <= last)

/**
 * Leaves slots behind as a mover that died: both marks set, one half of each slot's keys here and the other there.
 *
 * @param nodes the servers, in the order in which `look` tells of them; empty, but for their cluster
 */
export async function openSlots(
  nodes: readonly RedisNode[],
  look: LookAtServers,
  { slots, keysPerSlot }: { readonly slots: number; readonly keysPerSlot: number },
): Promise<OpenSlots> {
  const found = (await look()).flatMap((contact, index) => {
    const node = nodes[index]
    const isPrimary = contact.type === 'up' && contact.view.role === 'primary'
    return isPrimary && node !== undefined ? [{ node, view: contact.view, slots: slotsOf(contact.view) }] : []
  })
  const [source, destination] = found
  if (source === undefined || destination === undefined) throw new Error('there are no two primaries')
  const tags = await tagsIn(source.node, source.slots, slots)
  const half = keysPerSlot / 2
  const keys = (tag: string, from: number): readonly string[] =>
    Array.from({ length: half }, (_, index) => `{${tag}}${from + index}`)
  const set = (key: string): readonly string[] => ['SET', key, `value of ${key}`]
  await send(
    source.node,
    [...tags.values()].flatMap((tag) => keys(tag, half).map(set)),
  )
  await send(
    destination.node,
    [...tags.keys()].map((slot) => clusterCalls.importSlot(slot, source.view.nodeId)),
  )
  await send(
    source.node,
    [...tags.keys()].map((slot) => clusterCalls.migrateSlot(slot, destination.view.nodeId)),
  )
  await send(
    destination.node,
    [...tags.values()].flatMap((tag) => keys(tag, 0).flatMap((key) => [['ASKING'], set(key)])),
  )
  // Both halves are on replicas too. It is the last command of these connections: none looks like that of a mover.
  for (const { node } of [source, destination]) await send(node, [['WAIT', '1', '5000']])
  const all = slots * keysPerSlot
  const atFirst = all / 2
  // Whether forward or back is for the repairer to say: as many keys have to move.
  const ends = [source, destination].map(({ view, slots: own }, end) => ({
    id: view.nodeId,
    // With the slots that were left open: the source has owned them all the time.
    owned: slotCount(own) + (end === 0 ? 0 : slots),
  }))
  return {
    look: async () => {
      const views = (await look()).flatMap((contact) => (contact.type === 'up' ? [contact.view] : []))
      const keys = ends.map(({ id }) => views.find(({ nodeId }) => nodeId === id)?.keys ?? 0)
      const winner = ends[keys.indexOf(all)]
      const isMarked = views.some((view) => view.rows.some(({ open }) => open.length > 0))
      const isWhole =
        winner !== undefined &&
        keys.includes(0) &&
        !isMarked &&
        views.length === nodes.length &&
        views.every((view) => slotCount(slotsOf(view, winner.id)) === winner.owned)
      if (isWhole) return 'closed'
      return keys.every((count) => count === atFirst) ? 'open' : 'begun'
    },
  }
}

function slotsOf(view: NodeView, nodeId = view.nodeId): readonly SlotRange[] {
  return view.rows.find((row) => row.nodeId === nodeId)?.slots ?? []
}

/** A tag for each of so many slots of these ranges. */
async function tagsIn(
  node: RedisNode,
  ranges: readonly SlotRange[],
  count: number,
): Promise<ReadonlyMap<number, string>> {
  const tags = Array.from({ length: CANDIDATES }, (_, number) => `t${number}`)
  const slots = await send(
    node,
    tags.map((tag) => ['CLUSTER', 'KEYSLOT', tag]),
  )
  const fit = new Map(slots.map((slot, index) => [Number(slot), tags[index] ?? '']))
  const chosen = [...fit].filter(([slot]) => contains(ranges, slot)).slice(0, count)
  if (chosen.length < count) throw new Error(`only ${chosen.length} slots of the source have a tag`)
  return new Map(chosen)
}

async function send(node: RedisNode, commands: readonly (readonly string[])[]): Promise<readonly unknown[]> {
  const answers = await node.pipeline(commands, CALL_MS)
  for (const answer of answers) if (answer instanceof RedisError) throw answer
  return answers
}
