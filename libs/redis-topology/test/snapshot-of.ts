import type { NodeRow } from '../src/cluster-nodes.ts'
import { uncovered } from '../src/slots.ts'
import type { Contact, HostView, Member, NodeView, Snapshot } from '../src/snapshot.ts'
import { openSlotsSeen, slotsSeen } from './half-moved.ts'
import { highestEpoch, type Node, type Place, placeOfNode, type World } from './world.ts'

/** What is seen of a world when everything is asked at once. */
export function snapshotOf(world: World): Snapshot {
  const members = world.places.map((place): Member => {
    const { pod, shard, index, kube } = place
    return { pod, shard, index, kube, contact: contactOf(world, place) }
  })
  const refused = members.some((member) => member.contact.type === 'refused')
  const openSlots = openSlotsSeen(world, members)
  const witnesses = world.places.filter((place) => refused && place.contact === 'up')
  return {
    members,
    hosts: Object.fromEntries([...world.hosts].map(([name, host]) => [name, hostView(world, host)])),
    inboundLinks: Object.fromEntries(witnesses.map((place) => [place.pod, linksInto(world, place)])),
    ...(openSlots === undefined ? {} : { openSlots }),
    ...(world.recordedFormedAt === undefined ? {} : { recordedFormedAt: world.recordedFormedAt }),
  }
}

function hostView({ now }: World, host: { readonly lostAt?: number; readonly outOfService: boolean }): HostView {
  const { lostAt, outOfService } = host
  return { ready: lostAt === undefined, notReadyMs: lostAt === undefined ? 0 : now - lostAt, outOfService }
}

function contactOf(world: World, place: Place): Contact {
  switch (place.contact) {
    case 'up':
      return { type: 'up', view: viewOf(world, place) }
    case 'silent':
      return { type: 'silent', message: 'no answer in 500 ms' }
    case 'denied':
      return { type: 'denied', message: 'WRONGPASS invalid username-password pair' }
    default:
      return { type: place.contact }
  }
}

function viewOf(world: World, place: Place): NodeView {
  const rows = [place.node.id, ...place.lists.keys()].map((id) => rowOf(world, place, id))
  return {
    nodeId: place.node.id,
    version: '9.1.2',
    role: nodeAsHeard(world, place, place.node.id).primaryId === undefined ? 'primary' : 'replica',
    loading: false,
    linkUp: place.linkUp,
    linkDownSeconds: place.linkDownSeconds,
    syncing: place.syncing,
    ...primaryHostOf(place),
    offset: place.offset,
    keys: place.keys,
    // Every message says the highest epoch that its sender ever heard of.
    currentEpoch: rows.some((row) => !row.myself && row.connected)
      ? highestEpoch(world)
      : Math.max(...rows.map((row) => row.configEpoch)),
    clusterOk: uncovered(rows.flatMap((row) => row.slots)).length === 0,
    rows,
    settings: place.settings,
  }
}

function primaryHostOf({ node: { primaryId }, lists, dials }: Place): Pick<NodeView, 'primaryHost'> {
  const primaryHost = dials ?? lists.get(primaryId ?? '')
  return primaryId === undefined || primaryHost === undefined ? {} : { primaryHost }
}

function rowOf(world: World, viewer: Place, id: string): NodeRow {
  const told = nodeAsHeard(world, viewer, id)
  const mistakenFor = mistakenEpoch(world, viewer, told)
  const primaryId = mistakenFor === undefined ? told.primaryId : undefined
  const myself = id === viewer.node.id
  const address = (myself ? viewer.kube?.ip : viewer.lists.get(id)) ?? ''
  const connected = myself || reaches(world, viewer, id)
  return {
    nodeId: id,
    address,
    port: 6379,
    myself,
    role: primaryId === undefined ? 'primary' : 'replica',
    ...(primaryId === undefined ? {} : { primaryId }),
    flags: myself ? ['myself'] : connected ? [] : ['fail'],
    // A replica is listed with the epoch of its primary.
    configEpoch: mistakenFor ?? nodeAsHeard(world, viewer, primaryId ?? id).epoch,
    connected,
    slots: myself ? told.slots : slotsSeen(viewer, id, told.believed ?? told.slots),
    open: myself ? viewer.open : [],
  }
}

/** What it heard of a replica as of a primary counts for as long as that has the greater epoch than the replica's own. */
function mistakenEpoch(world: World, viewer: Place, { id, primaryId }: Node): number | undefined {
  const heard = viewer.mistaken.get(id)
  if (heard === undefined || primaryId === undefined) return undefined
  return heard > nodeAsHeard(world, viewer, primaryId).epoch ? heard : undefined
}

function reaches(world: World, viewer: Place, id: string): boolean {
  const other = placeOfNode(world, id)
  if (world.nodes.get(id)?.strangeAddress !== undefined) return viewer.heardLast === undefined
  return viewer.heardLast === undefined && other?.alive === true && other.kube?.ip === viewer.lists.get(id)
}

function nodeAsHeard(world: World, viewer: Place, id: string): Node {
  const node = viewer.heardLast?.get(id) ?? world.nodes.get(id)
  if (node === undefined) throw new Error(`there is no node ${id}`)
  return node
}

/** Ids of the nodes that have a link to this server. */
function linksInto(world: World, place: Place): readonly string[] {
  return world.places
    .filter((other) => other !== place && other.alive && other.lists.get(place.node.id) === place.kube?.ip)
    .filter((other) => other.heardLast === undefined && place.heardLast === undefined)
    .map((other) => other.node.id)
}
