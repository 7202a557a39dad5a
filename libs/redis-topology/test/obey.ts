import type { ClusterCommand } from '../src/command.ts'
import { common, normalise } from '../src/slots.ts'
import { repairAll } from './half-moved.ts'
import { follow, highestEpoch, introduce, own, placeNamed, placeOfNode, promote, type World } from './world.ts'

/** Does to a world what a command says, all of it and at once. */
export function obey(world: World, command: ClusterCommand): void {
  switch (command.type) {
    case 'MeetNodes':
      return meetAll(world, command)
    case 'AssignSlots':
      return command.assignments.forEach(({ pod, ranges }) => own(placeNamed(world, pod).node, ranges))
    case 'AttachReplicas':
      return attachAll(world, command)
    case 'RaiseEpoch':
      return raiseEpoch(world, command)
    case 'ConfigureNodes':
      for (const [pod, settings] of Object.entries(command.settings))
        Object.assign(placeNamed(world, pod).settings, settings)
      return
    case 'FailOver':
    case 'TakeOver':
    case 'HandOver':
      // A primary refuses.
      if (placeNamed(world, command.pod).node.primaryId !== undefined) promote(world, placeNamed(world, command.pod))
      return
    case 'StartEmpty':
      return startOver(world, command)
    case 'ReleasePod':
      return forget(world, command.pod)
    case 'CoverSlots': {
      const { node } = placeNamed(world, command.pod)
      own(node, normalise([...node.slots, ...command.ranges]))
      return
    }
    case 'RepairSlots':
      return repairAll(world, command)
    case 'ForgetNode':
      return command.pods.forEach((pod) => void placeNamed(world, pod).lists.delete(command.nodeId))
    default:
      throw new Error(`${command.type} is none of the topology's commands`)
  }
}

function meetAll(world: World, command: ClusterCommand & { type: 'MeetNodes' }): void {
  for (const { pod, epoch, nodeTimeoutMs } of command.forming ?? []) {
    const place = placeNamed(world, pod)
    place.settings['cluster-node-timeout'] = String(nodeTimeoutMs)
    // A node that knows somebody refuses the epoch.
    if (place.lists.size === 0) place.node.epoch = epoch
  }
  if (command.recalled !== undefined) {
    const place = placeNamed(world, command.recalled.pod)
    if (place.lists.size === 0) place.node.epoch = command.recalled.epoch
  }
  for (const { pod, peers } of command.meets) for (const peer of peers) meet(world, pod, peer.pod, peer.nodeId)
}

function attachAll(world: World, { attachments }: ClusterCommand & { type: 'AttachReplicas' }): void {
  for (const { pod, primaryId } of attachments) {
    const primary = placeOfNode(world, primaryId)
    if (primary === undefined) throw new Error(`${pod} is to follow a node that is not there`)
    follow(placeNamed(world, pod), primary)
  }
}

function raiseEpoch(world: World, { pod }: ClusterCommand & { type: 'RaiseEpoch' }): void {
  const { node } = placeNamed(world, pod)
  node.epoch = Math.max(highestEpoch(world), ...world.places.flatMap((one) => [...one.mistaken.values()])) + 1
}

/** The pod's object is gone; its server died with the machine. */
function forget(world: World, pod: string): void {
  Object.assign(placeNamed(world, pod), { kube: null, contact: 'absent' })
}

function startOver(world: World, { pod, ranges, epoch }: ClusterCommand & { type: 'StartEmpty' }): void {
  const { node, lists } = placeNamed(world, pod)
  if (epoch !== undefined && lists.size > 0) throw new Error(`${pod} knows somebody, and takes no epoch`)
  for (const other of world.nodes.values()) if (common(other.slots, ranges).length > 0) own(other, [])
  node.epoch = epoch ?? highestEpoch(world) + 1
  own(node, ranges)
}

function meet(world: World, pod: string, otherPod: string, otherId: string): void {
  const place = placeNamed(world, pod)
  const other = placeNamed(world, otherPod)
  if (!place.alive || !other.alive || other.node.id !== otherId) return
  introduce(place, other)
  introduce(other, place)
}
