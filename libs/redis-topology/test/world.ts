import { NEVER_UP } from '../src/info.ts'
import { evenRanges, type SlotRange } from '../src/slots.ts'
import type { Contact, Desired, PodView } from '../src/snapshot.ts'

/** A node as the servers tell of it to each other. It outlives its process; an empty start makes another one. */
export type Node = {
  readonly id: string
  /** `orders-0-0`, and `orders-0-0/2` for the second identity in that pod. */
  readonly name: string
  primaryId?: string
  /** Who took its slots over while it was away: it follows that one when it is back, and hears of it from anybody. */
  successorId?: string
  epoch: number
  slots: readonly SlotRange[]
  /** It is none of this cluster's, lives, and is here. */
  readonly strangeAddress?: string
  /** What the others go on believing that it owns, after it let go of some. */
  believed?: readonly SlotRange[]
}

/** One place of the cluster: its pod and the server in it. */
export type Place = {
  readonly pod: string
  readonly shard: number
  readonly index: number
  kube: PodView | null
  /** How many pods of this name there were. */
  pods: number
  contact: Contact['type']
  /** Whether the process lives, and with it its links to the others; a port may be closed all the same. */
  alive: boolean
  node: Node
  keys: number
  offset: number
  linkUp: boolean
  linkDownSeconds: number
  syncing: boolean
  settings: Record<string, string>
  open: readonly string[]
  /** Keys by slot, of slots that are half moved. */
  slotKeys: Record<number, number>
  /** Slots of which it and another pod hold keys with different values. */
  disputes: readonly { readonly slot: number; readonly pod: string }[]
  /** Since when somebody is connected whose last command was one of a move. */
  busySince?: number
  /** Ids of other nodes that it lists, with the address where it looks for them. */
  readonly lists: Map<string, string>
  /** Where a replica looks for its primary, if that is not where it lists it. */
  dials?: string
  /** Nodes that it takes for primaries, by id, with the epoch of which it heard. */
  readonly mistaken: Map<string, number>
  /** What it heard before it was cut off from the others, by node id. */
  heardLast?: ReadonlyMap<string, Node>
}

/** A cluster as it really is, of which a snapshot is what was seen. */
export type World = {
  desired: Desired
  readonly places: readonly Place[]
  /** Every identity that ever lived, by id. */
  readonly nodes: Map<string, Node>
  /** Unix time in milliseconds. */
  now: number
  /** Machines by name. */
  readonly hosts: Map<string, { readonly lostAt?: number; readonly outOfService: boolean }>
  /** `formedAt` of the members ConfigMap. */
  recordedFormedAt?: string
  /** When any mark of a half moved slot last changed. */
  marksSince: number
}

const START = Date.parse('2026-01-01T00:00:00Z')
const NODE_TIMEOUT_MS = 5_000
const HOSTS = ['worker-1', 'worker-2', 'worker-3']

/** A cluster of which nothing exists yet but the wish for it. */
export function newWorld(shards: number, membersPerShard: number): World {
  return {
    desired: {
      shards,
      membersPerShard,
      nodeTimeoutMs: NODE_TIMEOUT_MS,
      settings: {},
      mayStartEmpty: [],
      restored: false,
      adopted: false,
      releasePodsAfterMs: null,
      consented: [],
    },
    places: Array.from({ length: shards * membersPerShard }, (_, place) =>
      newPlace(Math.floor(place / membersPerShard), place % membersPerShard),
    ),
    nodes: new Map(),
    now: START,
    hosts: new Map(HOSTS.map((name) => [name, { outOfService: false }])),
    marksSince: START,
  }
}

/** A cluster that was formed some time ago and lacks nothing: the first member of each shard is its primary. */
export function formedWorld(shards: number, membersPerShard: number): World {
  const world = newWorld(shards, membersPerShard)
  const ranges = evenRanges(shards)
  for (const place of world.places) {
    const primary = placeNamed(world, `orders-${place.shard}-0`)
    startContainer(place)
    startEmptyServer(world, place)
    place.settings['cluster-replica-no-failover'] = 'no'
    place.node.epoch = place.index === 0 ? place.shard + 1 : 0
    if (place === primary) place.node.slots = ranges.slice(place.shard, place.shard + 1)
    else place.node.primaryId = primary.node.id
    place.keys = 100
    place.offset = 1_000
  }
  for (const place of world.places) for (const other of world.places) if (place !== other) introduce(place, other)
  world.recordedFormedAt = new Date(START).toISOString()
  return world
}

/**
 * A cluster of which nothing exists but the wish for it, and the volumes that a restore has filled: those of the first
 * member of each shard.
 */
export function seededWorld(shards: number, membersPerShard: number): World {
  const world = newWorld(shards, membersPerShard)
  world.desired = { ...world.desired, restored: true }
  const ranges = evenRanges(shards)
  for (const place of world.places.filter((one) => one.index === 0)) {
    Object.assign(place.node, { epoch: place.shard + 1, slots: ranges.slice(place.shard, place.shard + 1) })
    place.keys = 100
    place.settings = { 'cluster-node-timeout': String(NODE_TIMEOUT_MS), 'cluster-replica-no-failover': 'no' }
    world.nodes.set(place.node.id, place.node)
  }
  return world
}

/**
 * A cluster of which nothing exists but the wish for it, and the volumes of another one that was healthy when it was deleted:
 * who starts on one is who it was, and looks for the others where they were.
 */
export function leftWorld(shards: number, membersPerShard: number): World {
  const world = formedWorld(shards, membersPerShard)
  delete world.recordedFormedAt
  world.desired = { ...world.desired, adopted: true }
  for (const place of world.places) Object.assign(place, { kube: null, contact: 'absent', alive: false })
  return world
}

function newPlace(shard: number, index: number): Place {
  const pod = `orders-${shard}-${index}`
  return {
    pod,
    shard,
    index,
    kube: null,
    pods: 0,
    contact: 'absent',
    alive: false,
    node: newNode(pod, shard, index, 1),
    keys: 0,
    offset: 0,
    linkUp: true,
    linkDownSeconds: 0,
    syncing: false,
    settings: {},
    open: [],
    slotKeys: {},
    disputes: [],
    mistaken: new Map(),
    lists: new Map(),
  }
}

function newNode(pod: string, shard: number, index: number, life: number): Node {
  const digits = [shard, index].map((one) => one.toString(16).padStart(2, '0')).join('')
  return {
    id: `${digits}${life.toString(16).padStart(4, '0')}`.padEnd(40, 'e'),
    name: life === 1 ? pod : `${pod}/${life}`,
    epoch: 0,
    slots: [],
  }
}

/** The place of a pod; throws for a name that the cluster does not have. */
export function placeNamed(world: World, pod: string): Place {
  const place = world.places.find((one) => one.pod === pod)
  if (place === undefined) throw new Error(`there is no pod ${pod}`)
  return place
}

/** The place where a node's process is or was, if its pod has no other identity by now. */
export function placeOfNode(world: World, id: string | undefined): Place | undefined {
  return world.places.find((place) => place.node.id === id)
}

/** A new container in the pod; a new pod at an address of its own, if there is none. */
export function startContainer(place: Place): PodView {
  const before = place.kube
  if (before === null) place.pods += 1
  const count = before?.containerId === undefined ? 0 : before.restarts + 1
  const kube: PodView = {
    uid: `${place.pod} ${place.pods}`,
    ip: `10.${place.pods}.${place.shard}.${place.index}`,
    deleting: before?.deleting ?? false,
    ready: true,
    running: true,
    containerId: containerId(place, count),
    terminated: before?.terminated ?? [],
    restarts: count,
    // The members of a shard are on different machines.
    nodeName: HOSTS[(place.shard + place.index) % HOSTS.length] ?? '',
  }
  place.kube = kube
  return kube
}

function containerId(place: Place, count: number): string {
  const digits = [place.shard, place.index, place.pods, count].map((one) => one.toString(16).padStart(2, '0'))
  return `containerd://c0de${digits.join('')}ffff`
}

/** An empty server in the pod, under an identity that nobody knows. */
export function startEmptyServer(world: World, place: Place): void {
  const lives = [...world.nodes.values()].filter((node) => node.name.split('/')[0] === place.pod).length
  if (lives > 0) place.node = newNode(place.pod, place.shard, place.index, lives + 1)
  world.nodes.set(place.node.id, place.node)
  Object.assign(place, { contact: 'up', alive: true, keys: 0, offset: 0, linkUp: true, linkDownSeconds: 0 })
  Object.assign(place, { syncing: false, open: [], slotKeys: {}, disputes: [] })
  place.settings = {
    'cluster-node-timeout': String(world.desired.nodeTimeoutMs),
    // As the start script has it: a server without data must not be elected before its first sync.
    'cluster-replica-no-failover': 'yes',
  }
  place.lists.clear()
  delete place.heardLast
}

/** From now on one server lists the other at its present address. A replica that finds its primary again is linked. */
export function introduce(place: Place, other: Place): void {
  const address = other.kube?.ip
  if (address === undefined || place.lists.get(other.node.id) === address) return
  place.lists.set(other.node.id, address)
  if (place.node.primaryId === other.node.id) relink(place, other)
}

/** The replication link of a replica that looks for its primary: up if the primary is where it looks. */
export function relink(place: Place, primary: Place): void {
  delete place.dials
  const linkUp = primary.alive && place.lists.get(primary.node.id) === primary.kube?.ip
  Object.assign(place, { linkUp, linkDownSeconds: linkUp ? 0 : NEVER_UP })
}

/** The server follows that node, its copy is complete. */
export function follow(place: Place, primary: Place): void {
  place.node.primaryId = primary.node.id
  own(place.node, [])
  place.keys = primary.keys
  place.slotKeys = { ...primary.slotKeys }
  // A server that becomes a replica says no more of slots on their way.
  Object.assign(place, { open: [], disputes: [] })
  place.offset = primary.offset
  place.syncing = false
  relink(place, primary)
}

/** The node owns these slots, and everybody has heard so. */
export function own(node: Node, slots: readonly SlotRange[]): void {
  node.slots = slots
  delete node.believed
}

/** A replica takes over the slots of its primary, as after an election; who followed the old one follows it. */
export function promote(world: World, heir: Place): void {
  const old = world.nodes.get(heir.node.primaryId ?? '')
  if (old === undefined) throw new Error(`${heir.pod} follows nobody`)
  delete heir.node.primaryId
  own(heir.node, old.believed ?? old.slots)
  heir.node.epoch = highestEpoch(world) + 1
  Object.assign(heir, { linkUp: true, linkDownSeconds: 0 })
  own(old, [])
  heir.slotKeys = { ...placeOfNode(world, old.id)?.slotKeys }
  world.marksSince = world.now
  old.successorId = heir.node.id
  for (const place of world.places) {
    const concerned = place.node.primaryId === old.id || place.node === old
    if (place.alive && place.heardLast === undefined && concerned) follow(place, heir)
  }
}

/** The highest epoch that any node ever had. */
export function highestEpoch(world: World): number {
  return Math.max(...[...world.nodes.values()].map((node) => node.epoch))
}
