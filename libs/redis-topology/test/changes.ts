import { NEVER_UP } from '../src/info.ts'
import { common, parseRanges, uncovered } from '../src/slots.ts'
import { mark, unmark } from './half-moved.ts'
import {
  follow,
  introduce,
  own,
  type Place,
  placeNamed,
  placeOfNode,
  promote,
  relink,
  startContainer,
  startEmptyServer,
  type World,
} from './world.ts'

type Change = (world: World, places: readonly Place[], words: readonly string[]) => void

const each =
  (change: (place: Place, world: World, words: readonly string[]) => void): Change =>
  (world, places, words) => {
    for (const place of places) change(place, world, words)
  }

/** What may happen to pods and servers: the first word of a line, then `all`, `shard N` or names, then words of its own. */
export const CHANGES: Readonly<Record<string, Change>> = {
  /** The pod is there, and nothing runs in it yet. */
  create: each((place) => {
    const { ip: _none, containerId: _neither, ...kube } = startContainer(place)
    place.kube = { ...kube, ready: false, running: false }
  }),
  /** Kubernetes has put the pod on that machine. */
  on: each((place, _world, [nodeName = '']) => {
    if (place.kube !== null) place.kube = { ...place.kube, nodeName }
  }),
  /** The pod is started with an empty server; one that had another before comes back as a new node. */
  start: each((place, world) => {
    die(place, world)
    endContainer(place, 137)
    startContainer(place)
    startEmptyServer(world, place)
  }),
  /** A new pod whose container runs and has not opened its port. */
  hold: each((place) => {
    startContainer(place)
    place.contact = 'refused'
  }),
  /** The process is gone, and nobody but its peers has noticed. */
  die: each(die),
  /** Kubelet reports that the container ended: exit code. */
  report: each((place, _world, [code]) => endContainer(place, Number(code))),
  /** The process is gone, and kubelet says so. */
  kill: each((place, world) => {
    die(place, world)
    endContainer(place, 137)
  }),
  /** A new container in the same pod: the same node, with the data it had. */
  restart: each(restart),
  /** The pod is started for the first time, on its volume: with what a restore has put there, else empty. */
  boot: each(restart),
  /** A new pod at another address over the same volume: the same node, with the data it had. */
  move: (world, places) => {
    for (const place of places) {
      die(place, world)
      place.kube = null
      startContainer(place)
    }
    for (const place of places) comeBack(place, world)
  },
  /** The pod is being deleted; its server still runs. */
  delete: each((place) => {
    if (place.kube !== null) place.kube = { ...place.kube, deleting: true }
  }),
  /** Pod and process are gone. */
  remove: each(remove),
  /** Only the way from the controller to the server changes. */
  silent: each((place) => void (place.contact = 'silent')),
  refuse: each((place) => void (place.contact = 'refused')),
  deny: each((place) => void (place.contact = 'denied')),
  load: each((place) => void (place.contact = 'loading')),
  answer: each((place) => void (place.contact = place.alive ? 'up' : 'refused')),
  /** The replication link of a replica is down, for so many seconds already. */
  unlink: each((place, _world, [seconds]) => Object.assign(place, { linkUp: false, linkDownSeconds: Number(seconds) })),
  /** A replica goes on looking for its primary where that was before. */
  stray: each((place) => Object.assign(place, { linkUp: false, linkDownSeconds: NEVER_UP, dials: '10.0.0.1' })),
  /** The link is up, and what was being copied is there. */
  link: each((place, world) => {
    const primary = placeOfNode(world, place.node.primaryId)
    if (primary !== undefined) place.keys = primary.keys
    Object.assign(place, { linkUp: true, linkDownSeconds: 0, syncing: false })
  }),
  /** A replica is copying everything from its primary. */
  sync: each((place) => Object.assign(place, { linkUp: true, linkDownSeconds: 0, syncing: true, keys: 0 })),
  /** The other servers have elected the replica. */
  promote: each((place, world) => promote(world, place)),
  keys: each((place, _world, [count]) => void (place.keys = Number(count))),
  offset: each((place, _world, [bytes]) => void (place.offset = Number(bytes))),
  epoch: each((place, _world, [epoch]) => void (place.node.epoch = Number(epoch))),
  slots: each((place, _world, [ranges]) => own(place.node, ranges === 'none' ? [] : parseRanges(ranges ?? ''))),
  /** Somebody introduces a server that is none of the cluster's, with the slots that it has. */
  stranger: each((place, world, [ranges = 'none']) => {
    const node = {
      id: 'f'.repeat(40),
      name: 'a stranger',
      epoch: 99,
      slots: ranges === 'none' ? [] : parseRanges(ranges),
      strangeAddress: '10.99.0.1',
    }
    world.nodes.set(node.id, node)
    place.lists.set(node.id, node.strangeAddress)
  }),
  /** Somebody takes slots away from their owner, which the others do not believe. */
  drop: each(({ node }, _world, [ranges]) => {
    node.believed ??= node.slots
    node.slots = common(node.slots, uncovered(parseRanges(ranges ?? '')))
  }),
  set: each((place, _world, [name, value]) => void (place.settings[name ?? ''] = value ?? '')),
  /** The server gives a slot away: number and the pod that is to have it. */
  open: each((place, world, [slot, to]) =>
    mark(world, place, { slot: Number(slot), way: '>', with: placeNamed(world, to ?? '') }),
  ),
  /** The server takes a slot: number and the pod that has it. */
  import: each((place, world, [slot, from]) =>
    mark(world, place, { slot: Number(slot), way: '<', with: placeNamed(world, from ?? '') }),
  ),
  /** The server forgets that a slot is half moved. */
  close: each((place, world, [slot]) => unmark(world, place, Number(slot))),
  /** The server holds so many keys of a slot. */
  carry: each((place, world, [slot, count]) => {
    place.slotKeys[Number(slot)] = Number(count)
    world.marksSince = world.now
  }),
  /** Of a slot the server and that pod hold a key with different values; or no longer. */
  dispute: each((place, _world, [slot, pod]) => void (place.disputes = [{ slot: Number(slot), pod: pod ?? '' }])),
  settle: each((place) => void (place.disputes = [])),
  /** Somebody who moves slots has just sent the server a command; or has gone. */
  busy: each((place, world) => void (place.busySince = world.now)),
  leave: each((place) => void delete place.busySince),
  /** The servers list each other, at their present addresses. */
  meet: each((place, world) => {
    for (const other of world.places.filter((one) => one !== place && one.alive)) {
      introduce(place, other)
      introduce(other, place)
    }
  }),
  /** The server no longer lists that pod's node. */
  miss: each((place, world, [pod]) => void place.lists.delete(placeNamed(world, pod ?? '').node.id)),
  /** The server takes that pod's node, a replica, for a primary of that epoch. */
  mistake: each((place, world, [pod = '', , , epoch]) => {
    const { node } = placeNamed(world, pod)
    if (node !== place.node) place.mistaken.set(node.id, Number(epoch))
  }),
  /** The server is cut off from the others, and goes on believing what it heard last. */
  cut: each((place, world) => void (place.heardLast = structuredClone(world.nodes))),
  heal: each((place, world) => {
    delete place.heardLast
    comeBack(place, world)
  }),
}

const LINE = /^(\w+) (all|shard \d+|orders-\d+-\d+(?:, orders-\d+-\d+)*)(?: (.+))?$/

/** Applies one line of a scenario to a world; throws for words that it does not know. */
export function change(world: World, line: string): void {
  const waited = /^wait (\d+) s$/.exec(line)?.[1]
  if (waited !== undefined) return wait(world, Number(waited))
  const [, machine, fate] = /^machine (worker-\d) (lost|back|out of service)$/.exec(line) ?? []
  if (machine !== undefined && fate !== undefined) return changeHost(world, machine, fate)
  if (line === 'pods have no volumes') {
    world.desired = { ...world.desired, releasePodsAfterMs: 300_000 }
    return
  }
  if (line === 'shards may start empty') {
    world.desired = { ...world.desired, mayStartEmpty: Array.from({ length: world.desired.shards }, (_, one) => one) }
    return
  }
  const givenUp = /^give up shard (\d+)$/.exec(line)?.[1]
  if (givenUp !== undefined) {
    const shard = Number(givenUp)
    const { mayStartEmpty, consented } = world.desired
    world.desired = {
      ...world.desired,
      mayStartEmpty: [...mayStartEmpty, shard],
      consented: [...consented, shard],
    }
    return
  }
  const [, verb = '', selected = '', rest = ''] = LINE.exec(line) ?? []
  const apply = CHANGES[verb]
  if (apply === undefined) throw new Error(`not a change: ${line}`)
  apply(world, select(world, selected), rest.split(' '))
}

/** A machine is lost with all that runs on it, comes back, or is said to be switched off: then its pods are let go of. */
function changeHost(world: World, name: string, what: string): void {
  const host = world.hosts.get(name)
  if (host === undefined) throw new Error(`there is no machine ${name}`)
  const places = world.places.filter((place) => place.kube?.nodeName === name)
  if (what === 'lost') {
    world.hosts.set(name, { ...host, lostAt: world.now })
    for (const place of places) {
      die(place, world)
      place.contact = 'silent'
    }
  } else if (what === 'back') {
    world.hosts.set(name, { outOfService: false })
    for (const place of places) comeBack(place, world)
  } else {
    world.hosts.set(name, { ...host, outOfService: true })
    for (const place of places) remove(place, world)
  }
}

function select(world: World, selected: string): readonly Place[] {
  if (selected === 'all') return world.places
  if (!selected.startsWith('shard')) return selected.split(', ').map((pod) => placeNamed(world, pod))
  return world.places.filter((place) => place.shard === Number(selected.split(' ')[1]))
}

function wait(world: World, seconds: number): void {
  world.now += seconds * 1_000
  for (const place of world.places)
    if (!place.linkUp && place.linkDownSeconds < NEVER_UP) place.linkDownSeconds += seconds
}

function restart(place: Place, world: World): void {
  die(place, world)
  endContainer(place, 137)
  startContainer(place)
  comeBack(place, world)
}

function die(place: Place, world: World): void {
  if (!place.alive) return
  Object.assign(place, { contact: 'refused', alive: false })
  for (const one of world.places)
    if (one.node.primaryId === place.node.id && one.linkUp) Object.assign(one, { linkUp: false, linkDownSeconds: 0 })
}

function remove(place: Place, world: World): void {
  die(place, world)
  place.kube = null
  place.contact = 'absent'
}

function endContainer(place: Place, exitCode: number): void {
  const { kube } = place
  if (kube?.containerId === undefined || !kube.running) return
  const ended = { containerId: kube.containerId, exitCode, reason: exitCode === 0 ? 'Completed' : 'Error' }
  place.kube = { ...kube, running: false, ready: false, terminated: [ended] }
}

/** The process runs again as the node that it was; a primary that was replaced meanwhile follows its successor. */
function comeBack(place: Place, world: World): void {
  if (!world.nodes.has(place.node.id)) return startEmptyServer(world, place)
  Object.assign(place, { contact: 'up', alive: true, syncing: false })
  const successor = world.places.find((one) => one.shard === place.shard && one.node.slots.length > 0 && one !== place)
  // What it was given since, and its successor has not heard of, it goes on owning.
  if (successor !== undefined && successor.alive && place.node.slots.length === 0) follow(place, successor)
  else if (place.node.successorId !== undefined && place.node.slots.length === 0) {
    place.node.primaryId ??= place.node.successorId
    Object.assign(place, { linkUp: false, linkDownSeconds: NEVER_UP })
  }
  const primary = placeOfNode(world, place.node.primaryId)
  if (primary !== undefined) relink(place, primary)
  for (const one of world.places) if (one.alive && one.node.primaryId === place.node.id) relink(one, place)
}
