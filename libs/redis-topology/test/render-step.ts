import type { ClusterCommand } from '../src/command.ts'
import { knows, ownRow } from '../src/assess.ts'
import { provenDead } from '../src/failover.ts'
import { NEVER_UP } from '../src/info.ts'
import type { SlotRepair } from '../src/repair-slots.ts'
import { formatRanges } from '../src/slots.ts'
import { isUp, type Member, type Snapshot, type UpMember } from '../src/snapshot.ts'
import type { Memory, Pass } from './pass.ts'
import { placeOfNode, type World } from './world.ts'

/** The lines that tell of the pods, by pod, names in place of node ids. */
export function podLines(world: World, snapshot: Snapshot): ReadonlyMap<string, string> {
  const rows = snapshot.members.map((member) => [
    member.pod,
    kubeWords(member),
    member.contact.type,
    isUp(member) ? serverWords(world, snapshot, member) : heardWords(world, snapshot, member),
  ])
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return new Map(
    rows.map((row) => {
      const line = row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')
      return [row[0] ?? '', named(world, line.trimEnd())]
    }),
  )
}

function kubeWords({ kube }: Member): string {
  if (kube === null) return 'no pod'
  const ended = kube.terminated.map((one) => `ended ${one.exitCode}`)
  if (!kube.running && ended.length === 0) return 'created'
  const words = kube.running ? [kube.restarts > 0 ? `running, ${ended.join()}` : 'running'] : ended
  return [...words, ...(kube.deleting ? ['leaving'] : [])].join(', ')
}

function serverWords(world: World, snapshot: Snapshot, member: UpMember): string {
  const view = member.contact.view
  const settings = Object.entries(view.settings).filter(([name, value]) => value !== settled(world, name))
  return [
    ...(world.nodes.get(view.nodeId)?.name === member.pod ? [] : [`node ${view.nodeId}`]),
    ...roleWords(member),
    `offset ${view.offset}`,
    `keys ${view.keys}`,
    ...settings.map((one) => one.join(' ')),
    ...view.rows.flatMap((row) => row.open),
    ...slotKeyWords(snapshot, member),
    ...listWords(world, snapshot, member),
  ].join(', ')
}

function slotKeyWords({ openSlots }: Snapshot, { pod }: UpMember): readonly string[] {
  const held = Object.entries(openSlots?.keys ?? {}).filter(([, keys]) => (keys[pod] ?? 0) > 0)
  const busy = openSlots?.movers.filter((one) => one.pod === pod) ?? []
  return [
    ...held.map(([slot, keys]) => `${keys[pod]} keys of slot ${slot}`),
    ...busy.map((one) => `a mover idle for ${one.idleSeconds} s`),
  ]
}

function roleWords(member: UpMember): readonly string[] {
  const view = member.contact.view
  const own = ownRow(member)
  if (own === undefined) return ['unknown to itself']
  const slots = own.slots.length === 0 ? '' : ` of ${formatRanges(own.slots)}`
  if (view.role === 'primary') return [`primary${slots}`, `epoch ${own.configEpoch}`]
  const link = view.syncing ? 'syncing' : view.linkUp ? 'link up' : downWords(view.linkDownSeconds)
  return [`replica of ${own.primaryId}`, link]
}

/** Whom a server does not find though it is there, what it has not heard, and whom it lists though it is gone for good. */
function listWords(world: World, snapshot: Snapshot, member: UpMember): readonly string[] {
  const up = snapshot.members.filter(isUp)
  const missed = up.filter((one) => one !== member && !knows(member, one)).map((one) => one.pod)
  const late = member.contact.view.rows.filter(
    (row) => !row.myself && formatRanges(row.slots) !== formatRanges(world.nodes.get(row.nodeId)?.slots ?? []),
  )
  const gone = member.contact.view.rows.filter((row) => placeOfNode(world, row.nodeId) === undefined)
  return [
    ...(missed.length === 0 ? [] : [`does not find ${missed.length === up.length - 1 ? 'anybody' : missed.join(' ')}`]),
    ...late.map((row) => `believes that ${row.nodeId} owns ${formatRanges(row.slots) || 'nothing'}`),
    ...(gone.length === 0 ? [] : [`still lists ${gone.map((row) => row.nodeId).join(' ')}`]),
  ]
}

function downWords(seconds: number): string {
  return seconds === NEVER_UP ? 'link never up' : `link down ${seconds} s`
}

function settled(world: World, name: string): string {
  return name === 'cluster-node-timeout' ? String(world.desired.nodeTimeoutMs) : 'no'
}

/** What the others say of a server that does not speak for itself. */
function heardWords(world: World, snapshot: Snapshot, member: Member): string {
  const id = world.places.find((place) => place.pod === member.pod)?.node.id
  const rows = snapshot.members.filter(isUp).flatMap((one) => one.contact.view.rows.filter((row) => row.nodeId === id))
  const told = rows.map((row) =>
    row.role === 'replica'
      ? `replica of ${row.primaryId}`
      : row.slots.length === 0
        ? 'primary'
        : `primary of ${formatRanges(row.slots)}, epoch ${row.configEpoch}`,
  )
  const different = [...new Set(told)]
  return different.length === 0 ? '' : `(listed as ${different.join('; or ')})`
}

/** The lines that tell what was found, decided and ordered. */
export function passLines(world: World, now: Pass, before: Pass | null): readonly string[] {
  const { given, findings, state, planned, memory } = now
  const { snapshot, history, picture } = given
  const proofs = picture.shards.flatMap((shard) => provenDead(shard, snapshot, history)?.evidence ?? [])
  const formed = memory.formedAt !== undefined && before?.memory.formedAt === undefined
  return [
    ...findings.map((finding) => `found     ${finding.type}: ${finding.message}`),
    ...(findings.length === 0 ? ['found     nothing'] : []),
    ...proofs.map((evidence) => `proof     ${evidence}`),
    `state     ${state}`,
    ...operationLines(now),
    ...(formed ? ['remember  formed'] : []),
    ...planned.flatMap((command) => commandLines(command).map((line) => `command   ${line}`)),
    ...(planned.length === 0 ? ['command   none'] : []),
  ].map((line) => named(world, line))
}

function operationLines({ given, memory, ended }: Pass): readonly string[] {
  const words = (one: NonNullable<Memory['operation']>): string => `${one.id} ${one.type} ${one.target}`
  const before = given.history.operation
  return [
    ...(before === undefined || ended === undefined ? [] : [`over      ${words(before)}: ${ended}`]),
    ...(memory.operation === undefined ? [] : [`intent    ${words(memory.operation)}`]),
  ]
}

function meetLines({ forming = [], recalled, meets }: ClusterCommand & { type: 'MeetNodes' }): readonly string[] {
  return [
    ...forming.map((one) => `  ${one.pod} gets epoch ${one.epoch}, cluster-node-timeout ${one.nodeTimeoutMs}`),
    ...(recalled === undefined ? [] : [`  ${recalled.pod} begins with epoch ${recalled.epoch}`]),
    ...meets.map((one) => `  ${one.pod} meets ${one.peers.map((peer) => peer.nodeId).join(' ')}`),
  ]
}

function commandLines(command: ClusterCommand): readonly string[] {
  const words = 'opId' in command ? [`${command.type} (${command.opId})`] : [command.type]
  switch (command.type) {
    case 'MeetNodes':
      return [...words, ...meetLines(command)]
    case 'AssignSlots':
      return [...words, ...command.assignments.map((one) => `  ${one.nodeId} gets ${formatRanges(one.ranges)}`)]
    case 'AttachReplicas':
      return [...words, ...command.attachments.map((one) => `  ${one.pod} is to follow ${one.primaryId}`)]
    case 'RaiseEpoch':
      return [`${words.join()} of ${command.nodeId}`]
    case 'ConfigureNodes':
      return [
        ...words,
        ...Object.entries(command.settings).map(
          ([pod, settings]) =>
            `  ${pod}: ${Object.entries(settings)
              .map((one) => one.join(' '))
              .join(', ')}`,
        ),
      ]
    case 'FailOver':
    case 'TakeOver':
    case 'HandOver':
      return [`${words.join()} to ${command.nodeId}`]
    case 'StartEmpty':
      return [
        `${words.join()} ${command.nodeId} gets ${formatRanges(command.ranges)}`,
        ...(command.epoch === undefined ? [] : [`  it begins with epoch ${command.epoch}`]),
      ]
    case 'ReleasePod':
      return [`${words.join()} ${command.pod}`]
    case 'CoverSlots':
      return [`${words.join()} ${command.nodeId} gets ${formatRanges(command.ranges)} back`]
    case 'RepairSlots':
      return [...words, ...command.repairs.map((one) => `  ${repairWords(one, command)}`)]
    case 'ForgetNode':
      return [`${words.join()} ${command.nodeId} at ${command.pods.join(' ')}`]
    default:
      return words
  }
}

function repairWords(
  { slot, owner, target, others }: SlotRepair,
  { replicas, unguarded }: ClusterCommand & { readonly type: 'RepairSlots' },
): string {
  const rest = others.length === 0 ? '' : `, and of ${others.join(' ')}`
  const kept = unguarded.includes(target)
    ? ''
    : (replicas[target] ?? []).length > 0
      ? `, kept by ${replicas[target]?.join(' ')}`
      : ', marks only'
  return target === owner
    ? `slot ${slot} stays with ${owner}${rest === '' ? '' : ', which gets the keys'}${rest.replace(', and', '')}${kept}`
    : `slot ${slot} of ${owner} goes to ${target}${rest}${kept}`
}

/** Node ids, whole or cut to eight digits, are told by name. */
function named(world: World, line: string): string {
  return [...world.nodes.values()].reduce(
    (text, { id, name }) => text.replaceAll(id, name).replaceAll(id.slice(0, 8), name),
    line,
  )
}
