import { knows, ownRow, ownsSlots, type ShardPicture } from '../src/assess.ts'
import type { ClusterCommand, CommandType } from '../src/command.ts'
import { provenDead } from '../src/failover.ts'
import { allows } from '../src/lifecycle.ts'
import { beginsWithData, isRestoring } from '../src/restoring.ts'
import { common, evenRanges, formatRanges, normalise, slotCount } from '../src/slots.ts'
import { isUp } from '../src/snapshot.ts'
import { brokenByRepair } from './half-moved-laws.ts'
import type { Pass } from './pass.ts'

/** What SAFETY forbids, whatever was seen: the laws that a pass breaks, in words; none when all is well. */
export function brokenLaws(now: Pass): readonly string[] {
  const { planned, commands, state } = now
  const broken: string[] = []
  const { operation } = now.memory
  if (operation !== undefined && operation.type !== 'FormCluster' && !allows(state, operation.type as CommandType))
    broken.push(`${operation.type} is under way and is not allowed in ${state}`)
  for (const command of planned)
    if (!commands.includes(command)) broken.push(`${command.type} was planned and is not allowed in ${state}`)
  if (planned.filter(({ type }) => type === 'FailOver' || type === 'TakeOver' || type === 'HandOver').length > 1)
    broken.push('two shards change their primaries at once')
  for (const command of planned) {
    if ('opId' in command && command.opId !== operation?.id)
      broken.push(`${command.type} carries an id that is not remembered`)
    broken.push(...brokenBy(command, now))
  }
  return broken
}

function brokenBy(command: ClusterCommand, now: Pass): readonly string[] {
  switch (command.type) {
    case 'MeetNodes':
      return [...((command.forming ?? []).length === 0 ? [] : firstTimeOnly(command.type, now)), ...joined(now)]
    case 'AssignSlots':
      return [...firstTimeOnly(command.type, now), ...assigned(command, now)]
    case 'AttachReplicas':
      return command.attachments.flatMap((one) => attached(one, now))
    case 'RaiseEpoch':
      return raised(command, now)
    case 'FailOver':
      return failedOver(command, now)
    case 'TakeOver':
      return takenOver(command, now)
    case 'StartEmpty':
      return startedEmpty(command, now)
    case 'CoverSlots':
      return covered(command, now)
    case 'ReleasePod':
      return released(command, now)
    case 'RepairSlots':
      return brokenByRepair(command, now)
    case 'ForgetNode':
      return forgotten(command, now)
    default:
      return []
  }
}

/** Of two servers with the same slots that are introduced to each other, one deletes the keys of these slots. */
function joined({ given }: Pass): readonly string[] {
  if (!isRestoring(given)) return []
  const owners = given.picture.up.filter(ownsSlots)
  const all = owners.flatMap((one) => ownRow(one)?.slots ?? [])
  const strangers = owners.every((one) => owners.every((other) => one === other || !knows(one, other)))
  return [
    ...(given.snapshot.members.every(isUp) ? [] : ['MeetNodes of a restore although not every server answers']),
    ...(strangers && slotCount(all) > slotCount(normalise(all))
      ? ['MeetNodes of servers that own the same slots']
      : []),
  ]
}

/** What only a cluster of empty servers bears. */
function firstTimeOnly(what: string, { formed, given }: Pass): readonly string[] {
  return [
    ...(beginsWithData(given.desired) ? [`${what} would form a cluster that has its data`] : []),
    ...(formed ? [`${what} would form a cluster a second time`] : []),
    ...(given.picture.up.some((one) => one.contact.view.keys > 0) ? [`${what} although a server holds keys`] : []),
    ...(given.snapshot.members.every(isUp) ? [] : [`${what} although not every server answers`]),
  ]
}

function assigned(command: ClusterCommand & { type: 'AssignSlots' }, { given }: Pass): readonly string[] {
  const wanted = evenRanges(given.desired.shards)
  return command.assignments.flatMap(({ pod, ranges }) => {
    const shard = given.snapshot.members.find((one) => one.pod === pod)?.shard ?? -1
    const fit = formatRanges(ranges) === formatRanges(wanted.slice(shard, shard + 1))
    const owned = given.picture.shards[shard]?.ranges ?? []
    return [
      ...(fit ? [] : [`${pod} is assigned slots that are not its own`]),
      ...(owned.length === 0 ? [] : [`${pod} is assigned slots that have an owner`]),
    ]
  })
}

function attached({ pod, primaryId }: { pod: string; primaryId: string }, { given, formed }: Pass): readonly string[] {
  const member = given.picture.up.find((one) => one.pod === pod)
  const primary = given.picture.up.find((one) => one.contact.view.nodeId === primaryId)
  if (member === undefined || primary === undefined) return [`${pod}, or its primary, does not answer`]
  const holdsKeys = member.contact.view.role === 'primary' && member.contact.view.keys > 0
  return [
    ...(ownsSlots(member) ? [`${pod} owns slots and is to be a replica`] : []),
    ...(holdsKeys ? [`${pod} holds keys as a primary and is to be emptied`] : []),
    ...(formed && !ownsSlots(primary) ? [`${pod} is to copy a server that owns no slots`] : []),
    ...(member.shard === primary.shard ? [] : [`${pod} is to follow a primary of another shard`]),
  ]
}

/** Every member answers, none of them owns the slots, and no replica has heard the owner for longer than Redis allows. */
function isGoneForGood({ members, primaryId }: ShardPicture, nodeTimeoutMs: number): boolean {
  return members.every((one) => {
    if (!isUp(one) || one.contact.view.nodeId === primaryId) return false
    const { linkUp, linkDownSeconds } = one.contact.view
    const waits = ownRow(one)?.primaryId === primaryId
    return !waits || (!linkUp && linkDownSeconds * 1_000 > nodeTimeoutMs * 10 + 10_000)
  })
}

/** A copy that was in sync when the trouble began; an older one only where a person, or the spec, gave up the newer. */
function inherits(
  { type, pod, shard }: ClusterCommand & { type: 'FailOver' | 'TakeOver' },
  { given }: Pass,
): readonly string[] {
  const { history, desired, picture } = given
  const view = picture.up.find((one) => one.pod === pod)?.contact.view
  if (desired.mayStartEmpty.includes(shard))
    return (view?.keys ?? 0) > 0 || history.attached.includes(pod) ? [] : [`${type} of ${pod}, which holds nothing`]
  const late = (view?.linkDownSeconds ?? Infinity) * 1_000 > history.unreadyMs + 15_000
  return history.attached.includes(pod) && !late ? [] : [`${type} of ${pod}, whose copy nobody accepted`]
}

function failedOver(command: ClusterCommand & { type: 'FailOver' }, now: Pass): readonly string[] {
  const { given } = now
  const { picture, snapshot, history, desired } = given
  const shard = picture.shards[command.shard]
  const heir = picture.up.find((one) => one.pod === command.pod)
  if (shard === undefined || heir === undefined) return ['FailOver to nobody']
  const view = heir.contact.view
  const owners = picture.shards.filter((one) => one.ranges.length > 0)
  const living = owners.filter((one) => one.primaryUp)
  const majority = living.length * 2 > owners.length ? [] : ['FailOver without a majority']
  if (isGoneForGood(shard, desired.nodeTimeoutMs)) return [...majority, ...inherits(command, now)]
  return [
    ...majority,
    ...(shard.primaryUp ? ['FailOver although the primary answers'] : []),
    ...(provenDead(shard, snapshot, history) !== null ? [] : ['FailOver without proof']),
    ...(history.attached.includes(command.pod) ? [] : [`FailOver to ${command.pod}, which was not in sync`]),
    ...(view.linkUp || view.syncing ? [`FailOver to ${command.pod}, whose link is up`] : []),
    ...(view.linkDownSeconds * 1_000 < desired.nodeTimeoutMs ? [] : ['FailOver in the time of the engine']),
  ]
}

function takenOver(command: ClusterCommand & { type: 'TakeOver' }, now: Pass): readonly string[] {
  const { given } = now
  const { picture, snapshot, history, desired } = given
  const shard = picture.shards[command.shard]
  const view = picture.up.find((one) => one.pod === command.pod)?.contact.view
  if (shard === undefined || view === undefined) return ['TakeOver by nobody']
  const owners = picture.shards.filter((one) => one.ranges.length > 0)
  const missing = owners.filter((one) => !one.primaryUp)
  const unproven = missing.filter(
    (one) =>
      !desired.consented.includes(one.shard) && (provenDead(one, snapshot, history)?.kind ?? 'Refused') === 'Refused',
  )
  return [
    ...(shard.primaryUp ? ['TakeOver although the primary answers'] : []),
    ...(missing.length * 2 >= owners.length ? [] : ['TakeOver although a majority lives']),
    ...unproven.map((one) => `TakeOver although nothing proves shard ${one.shard} dead`),
    ...(history.attached.includes(command.pod) || isGoneForGood(shard, desired.nodeTimeoutMs)
      ? inherits(command, now)
      : [`TakeOver by ${command.pod}, which was not in sync`]),
    ...(view.linkUp || view.syncing ? [`TakeOver by ${command.pod}, whose link is up`] : []),
  ]
}

function startedEmpty(command: ClusterCommand & { type: 'StartEmpty' }, { given, formed }: Pass): readonly string[] {
  const members = given.snapshot.members.filter((one) => one.shard === command.shard)
  const served = given.picture.up.flatMap((one) => ownRow(one)?.slots ?? [])
  return [
    ...(isRestoring(given) && !given.desired.consented.includes(command.shard)
      ? ['StartEmpty of what was to be restored, that no person consented to']
      : []),
    // A cluster that never was formed has lost nothing.
    ...(!formed || given.desired.mayStartEmpty.includes(command.shard) ? [] : ['StartEmpty that nobody consented to']),
    ...(members.every((one) => isUp(one) && one.contact.view.keys === 0)
      ? []
      : ['StartEmpty over data, or over silence']),
    ...(common(served, command.ranges).length === 0 ? [] : ['StartEmpty of slots that are served']),
  ]
}

function raised({ pod }: ClusterCommand & { type: 'RaiseEpoch' }, { given }: Pass): readonly string[] {
  const { picture } = given
  const shard = picture.shards.find((one) => one.primaryPod === pod)
  return [
    ...(shard?.primaryUp === true ? [] : ['RaiseEpoch of a server that is no primary']),
    ...(picture.viewsAgree
      ? []
      : ['RaiseEpoch while views differ: an owner that was replaced would take its slots back']),
  ]
}

function covered(command: ClusterCommand & { type: 'CoverSlots' }, { given, formed }: Pass): readonly string[] {
  const { picture } = given
  const rows = picture.up.flatMap((one) => one.contact.view.rows)
  const claimed = rows.filter((row) => row.myself || row.nodeId !== command.nodeId).flatMap((row) => row.slots)
  const owner = picture.shards[command.shard]
  const replicas = picture.up
    .map((one) => one.contact.view)
    .flatMap((one) => (one.role === 'replica' ? one.nodeId : []))
  return [
    ...(common(claimed, command.ranges).length === 0 ? [] : ['CoverSlots of slots that somebody believes owned']),
    ...(owner?.primaryUp === true && owner.primaryPod === command.pod
      ? []
      : ['CoverSlots by a server that is no primary']),
    ...(!formed || picture.shards.every((one) => one.primaryUp) ? [] : ['CoverSlots although a primary is missing']),
    ...(command.replicas.every((one) => replicas.includes(one.nodeId))
      ? []
      : ['CoverSlots that has a server forget slots which is no replica of their owner']),
  ]
}

function released({ pod, uid }: ClusterCommand & { type: 'ReleasePod' }, { given }: Pass): readonly string[] {
  const { snapshot, picture, desired } = given
  const member = snapshot.members.find((one) => one.pod === pod)
  if (member?.kube?.uid !== uid || !member.kube.deleting) return ['ReleasePod of a pod that nobody deleted']
  const host = snapshot.hosts?.[member.kube.nodeName ?? '']
  return [
    ...(desired.releasePodsAfterMs === null ? ['ReleasePod although pods have volumes'] : []),
    ...(isUp(member) ? ['ReleasePod of a pod whose server answers'] : []),
    ...(host?.ready === false ? [] : ['ReleasePod although its machine is not lost']),
    ...(picture.shards[member.shard]?.primaryUp === true ? [] : ['ReleasePod although its shard has no primary']),
  ]
}

function forgotten(command: ClusterCommand & { type: 'ForgetNode' }, { given }: Pass): readonly string[] {
  const { picture, snapshot, history } = given
  const owned = picture.up.some((one) =>
    one.contact.view.rows.some((row) => row.nodeId === command.nodeId && row.slots.length > 0),
  )
  // Whom a server is linked with, and who was never a member here, may come back as often as it likes.
  const stranger =
    !Object.values(history.nodes).includes(command.nodeId) &&
    picture.up.some((one) => one.contact.view.rows.some((row) => row.nodeId === command.nodeId && row.connected))
  const starts = isRestoring(given) && !snapshot.members.every(isUp)
  return [
    ...(starts ? ['ForgetNode of somebody who may only be starting'] : []),
    ...(stranger || snapshot.members.every(isUp) ? [] : ['ForgetNode although a member does not answer']),
    ...(stranger || picture.up.every((one) => picture.up.every((other) => one === other || knows(one, other)))
      ? []
      : ['ForgetNode before every server finds every other']),
    ...(picture.up.some((one) => one.contact.view.nodeId === command.nodeId)
      ? ['ForgetNode of a node that lives']
      : []),
    ...(owned ? ['ForgetNode of a node that owns slots'] : []),
  ]
}
