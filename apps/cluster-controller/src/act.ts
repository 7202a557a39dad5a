import { busPort, CLIENT_PORT, LABEL } from '@slotkeeper/api'
import type { ActIo, Io, Outcome } from '@slotkeeper/controller'
import { isKubeError, pods } from '@slotkeeper/k8s'
import {
  asRedisError,
  clusterCalls,
  configureNode,
  type NodePool,
  RedisError,
  type RedisNode,
  repairSlots,
  type Words,
} from '@slotkeeper/redis-client'
import type { ClusterCommand } from '@slotkeeper/redis-topology'
import { actOnKubernetes, type KubernetesCommand, type KubernetesPorts } from './act-on-kubernetes.ts'
import { CONTROL_USER } from './credentials.ts'
import type { AppCommand } from './decide.ts'
import { type Access, nodeFor } from './observe.ts'
import { addressOf, type OpenSlotsMemory } from './open-slots.ts'
import { replaceVolumes } from './replace-volumes.ts'

/** What acting reaches out to. */
export type ActPorts = KubernetesPorts & {
  readonly pool: NodePool
  readonly access: ReadonlyMap<string, Pick<Access, 'password'>>
  /** When a failover was last asked for, by operation: asking again at once would start the election anew. */
  readonly asked: Map<string, number>
  readonly openSlots: OpenSlotsMemory
}

const ACCEPTED: Outcome = { result: 'accepted' }
const LATER: Outcome = { result: 'later', inMs: 50 }
const CALL_MS = 2_000
const ASK_AGAIN_MS = 2_000
/** A pass must not keep a cluster waiting whose primary dies meanwhile: a repair goes on with the next one. */
const REPAIR_MS = 1_000

const PROMOTIONS = {
  FailOver: clusterCalls.failOver(),
  TakeOver: clusterCalls.takeOver(),
  HandOver: clusterCalls.handOver(),
} as const

type Of<T extends ClusterCommand['type']> = Extract<ClusterCommand, { readonly type: T }> &
  Pick<AppCommand, 'cluster' | 'object' | 'ips'>

/** Carries out one command. Idempotent; what the other side refuses is an outcome, not an exception. */
export async function act(ports: ActPorts, command: AppCommand, io: ActIo): Promise<Outcome> {
  try {
    return await carryOut(ports, command, io)
  } catch (error) {
    if (io.signal.aborted) throw error
    if (error instanceof NotNow) return LATER
    if (error instanceof RedisError)
      return { result: 'failed', reason: error.reason, message: `${command.type}: ${error.message}` }
    if (isKubeError(error))
      return { result: 'failed', reason: error.reason, message: `${command.type}: ${error.message}` }
    throw error
  }
}

function carryOut(ports: ActPorts, command: AppCommand, io: ActIo): Promise<Outcome> {
  switch (command.type) {
    case 'ApplyObject':
    case 'DeleteObject':
    case 'ReleasePod':
    case 'EnsureFinalizer':
    case 'RemoveFinalizer':
      return actOnKubernetes(ports, command, io)
    case 'LabelPods':
      return labelPods(ports, command, io)
    case 'ReplaceVolumes':
      return replaceVolumes(ports, command, io)
    default:
      return carryOutOnServers(ports, command, io)
  }
}

type OnServers = Exclude<AppCommand, KubernetesCommand | { readonly type: 'LabelPods' | 'ReplaceVolumes' }>

function carryOutOnServers(ports: ActPorts, command: OnServers, io: ActIo): Promise<Outcome> {
  switch (command.type) {
    case 'MeetNodes':
      return meetNodes(ports, command, io)
    case 'AssignSlots':
      // First slots go to an empty server of the id that was decided on, and to no other.
      return onEach(ports, command, command.assignments, async (_node, assignment) => {
        const node = await chosen(ports, command, assignment, io, 'none')
        await node.call(clusterCalls.addSlots(assignment.ranges), CALL_MS)
      })
    case 'AttachReplicas':
      return attachReplicas(ports, command, io)
    case 'RaiseEpoch':
      return raiseEpoch(ports, command, io)
    case 'ConfigureNodes':
      return configureNodes(ports, command)
    default:
      return carryOutOperation(ports, command, io)
  }
}

type OperationType = 'FailOver' | 'TakeOver' | 'HandOver' | 'CoverSlots' | 'StartEmpty' | 'RepairSlots' | 'ForgetNode'

/** What cannot be repeated harmlessly: its intent was committed. */
function carryOutOperation(ports: ActPorts, command: Of<OperationType>, io: ActIo): Promise<Outcome> {
  switch (command.type) {
    case 'FailOver':
    case 'TakeOver':
    case 'HandOver':
      return failOver(ports, command, PROMOTIONS[command.type], io)
    case 'CoverSlots':
      return coverSlots(ports, command, io)
    case 'StartEmpty':
      return startEmpty(ports, command, io)
    case 'RepairSlots':
      return repair(ports, command, io)
    case 'ForgetNode':
      return forgetNode(ports, command, io)
  }
}

function connection(ports: ActPorts, command: Pick<AppCommand, 'cluster' | 'ips'>, pod: string): RedisNode {
  const place = command.ips[pod]
  const access = ports.access.get(command.cluster.uid)
  if (place === undefined || access === undefined) throw new RedisError('Closed', `${pod} has no address`)
  return nodeFor(ports.pool, place.uid, place.ip, access.password)
}

/** What was decided may not be sent any more, or not yet: a later pass decides anew. */
class NotNow extends Error {
  override readonly name = 'NotNow'
}

/** To be called right before what cannot be taken back is sent. */
function assertMayAct(io: ActIo): void {
  if (!io.mayAct()) throw new NotNow()
}

/**
 * The connection to a pod's server that has just said to be the node that was chosen, while we still may act: what the
 * caller sends next goes out at once, and to no other (SAFETY 4).
 *
 * @param keys `none`: the server must be empty
 */
async function chosen(
  ports: ActPorts,
  command: Pick<AppCommand, 'cluster' | 'ips'>,
  { pod, nodeId }: { readonly pod: string; readonly nodeId: string | undefined },
  io: ActIo,
  keys: 'any' | 'none' = 'any',
): Promise<RedisNode> {
  const node = connection(ports, command, pod)
  const [id, size] = await node.pipeline([['CLUSTER', 'MYID'], ['DBSIZE']], CALL_MS)
  if (id instanceof RedisError) throw id
  if (nodeId === undefined || id !== nodeId) throw new RedisError('Answered', `${pod} is another node now`)
  if (keys === 'none' && size !== 0) throw new RedisError('Answered', `${pod} is not the empty node that was chosen`)
  assertMayAct(io)
  return node
}

async function labelPods(ports: ActPorts, command: Of<'LabelPods'>, io: Io): Promise<Outcome> {
  const { cluster, roles, ips } = command
  await Promise.all(
    Object.entries(roles).map(async ([pod, role]) => {
      const uid = ips[pod]?.uid
      if (uid === undefined) return
      const before = await ports.objects.get(pods, { namespace: cluster.namespace, name: pod }, io)
      if (before?.metadata.uid !== uid) return
      // Clients of a server that was demoted keep their connections and would read old data from it (SAFETY 20). Before
      // the label: while it says primary, this is tried again.
      if (role === 'replica' && before.metadata.labels?.[LABEL.role] === 'primary')
        for (const answer of await connection(ports, command, pod).pipeline(clusterCalls.sendAway(), CALL_MS))
          if (answer instanceof RedisError) throw answer
      const after = await ports.objects.patch(
        pods,
        { namespace: cluster.namespace, name: pod },
        { metadata: { labels: { [LABEL.role]: role } } },
        { uid },
        io,
      )
      ports.wrote(cluster.name, after)
    }),
  )
  return ACCEPTED
}

async function meetNodes(ports: ActPorts, command: Of<'MeetNodes'>, io: ActIo): Promise<Outcome> {
  const peers = new Map(command.meets.flatMap((meet) => meet.peers.map((peer) => [peer.pod, peer.nodeId] as const)))
  const verified = new Map<string, string>()
  await Promise.all(
    [...peers].map(async ([pod, nodeId]) => {
      const place = command.ips[pod]
      const live = await ports.objects.get(pods, { namespace: command.cluster.namespace, name: pod }, io)
      const ip = (live?.['status'] as { readonly podIP?: string } | undefined)?.podIP
      if (place === undefined || live?.metadata.uid !== place.uid || ip !== place.ip) return
      // An address may have been given to another cluster's server since it was read (SAFETY 10).
      if ((await connection(ports, command, pod).call(['CLUSTER', 'MYID'], CALL_MS)) === nodeId) verified.set(pod, ip)
    }),
  )
  const forming = await onEach(ports, command, command.forming ?? [], async (node, { epoch, nodeTimeoutMs }) => {
    // A node that knows somebody refuses the epoch: then it has one.
    await node.pipeline(clusterCalls.prepare(nodeTimeoutMs, epoch), CALL_MS)
  })
  if (forming.result !== 'accepted') return forming
  const { recalled } = command
  const begun = await onEach(
    ports,
    command,
    recalled === undefined ? [] : [recalled],
    async (_node, { pod, nodeId, epoch }) => {
      // To that very server: another one would have to be looked at first. One that knows somebody by now refuses, and nobody is introduced until it was seen so.
      const node = await chosen(ports, command, { pod, nodeId }, io)
      await node.call(clusterCalls.beginWith(epoch), CALL_MS)
    },
  )
  if (begun.result !== 'accepted') return begun
  return onEach(ports, command, command.meets, async (node, { peers: met }) => {
    const meets = met.flatMap(({ pod }) => {
      const ip = verified.get(pod)
      return ip === undefined ? [] : [clusterCalls.meet(ip, CLIENT_PORT, busPort(command.cluster.uid))]
    })
    if (meets.length === 0) return
    assertMayAct(io)
    await node.pipeline(meets, CALL_MS)
  })
}

async function attachReplicas(ports: ActPorts, command: Of<'AttachReplicas'>, io: ActIo): Promise<Outcome> {
  return onEach(ports, command, command.attachments, async (_node, { pod, primaryId }) => {
    const node = await chosen(ports, command, { pod, nodeId: command.ips[pod]?.nodeId }, io)
    const [answer] = await node.pipeline([clusterCalls.replicate(primaryId)], CALL_MS)
    if (!(answer instanceof RedisError)) return
    throw /Unknown node/i.test(answer.message) ? new NotNow() : answer
  })
}

async function raiseEpoch(ports: ActPorts, command: Of<'RaiseEpoch'>, io: ActIo): Promise<Outcome> {
  const node = await chosen(ports, command, command, io)
  await node.call(clusterCalls.raiseEpoch(), CALL_MS)
  return ACCEPTED
}

async function configureNodes(ports: ActPorts, command: Of<'ConfigureNodes'>): Promise<Outcome> {
  const refusals: string[] = []
  const places = Object.entries(command.settings).map(([pod, settings]) => ({ pod, settings }))
  const outcome = await onEach(ports, command, places, async (node, { pod, settings }) => {
    const refusal = await configureNode(node, settings, CALL_MS)
    if (refusal !== null) refusals.push(`${pod} refuses ${refusal}`)
  })
  const [message] = refusals.toSorted()
  return message === undefined ? outcome : { result: 'failed', reason: 'ConfigRefused', message }
}

async function failOver(
  ports: ActPorts,
  command: Of<'FailOver'> | Of<'TakeOver'> | Of<'HandOver'>,
  words: Words,
  io: ActIo,
): Promise<Outcome> {
  const last = ports.asked.get(command.opId)
  if (last !== undefined && Date.now() - last < ASK_AGAIN_MS) return ACCEPTED
  const node = await chosen(ports, command, command, io)
  if (ports.asked.size > 1_000) ports.asked.clear()
  ports.asked.set(command.opId, Date.now())
  await node.call(words, CALL_MS)
  return ACCEPTED
}

async function startEmpty(ports: ActPorts, command: Of<'StartEmpty'>, io: ActIo): Promise<Outcome> {
  const { ranges, release, epoch } = command
  const heir = await chosen(ports, command, command, io, 'none')
  // First, and by itself: where that is refused, as by one that has met somebody since, nothing is taken.
  await heir.call(epoch === undefined ? clusterCalls.raiseEpoch() : clusterCalls.beginWith(epoch), CALL_MS)
  const node = await chosen(ports, command, command, io, 'none')
  const answers = await node.pipeline(clusterCalls.takeSlots(ranges, release), CALL_MS)
  const refusal = answers.find((answer) => answer instanceof RedisError)
  if (refusal !== undefined) throw refusal
  return ACCEPTED
}

async function coverSlots(ports: ActPorts, command: Of<'CoverSlots'>, io: ActIo): Promise<Outcome> {
  const node = await chosen(ports, command, command, io)
  // A slot that the node has heard an owner of meanwhile is refused, and with it all.
  await node.call(clusterCalls.addSlots(command.ranges), CALL_MS)
  // Afterwards: until then a replica may be the last one to list whose they are.
  return onEach(ports, command, command.replicas, async (_node, replica) => {
    const one = await chosen(ports, command, replica, io)
    const [role] = (await one.call(['ROLE'], CALL_MS)) as readonly [string]
    if (role.startsWith('m')) throw new RedisError('Answered', `${replica.pod} is no replica any more`)
    assertMayAct(io)
    await one.call(clusterCalls.unlistSlots(command.ranges), CALL_MS)
  })
}

async function repair(ports: ActPorts, command: Of<'RepairSlots'>, io: ActIo): Promise<Outcome> {
  const { uid } = command.cluster
  const ip = (pod: string): string => {
    const place = command.ips[pod]
    if (place === undefined) throw new RedisError('Closed', `${pod} has no address`)
    return place.ip
  }
  try {
    const report = await repairSlots(command, {
      connect: (pod) => connection(ports, command, pod),
      address: (pod) => addressOf(ip(pod)),
      login: { username: CONTROL_USER, password: ports.access.get(uid)?.password ?? '' },
      mayOrder: () => io.mayAct(),
      budgetMs: REPAIR_MS,
    })
    ports.openSlots.repaired(uid, report)
  } catch (error) {
    assertMayAct(io)
    throw error
  }
  return ACCEPTED
}

async function forgetNode(ports: ActPorts, command: Of<'ForgetNode'>, io: ActIo): Promise<Outcome> {
  return onEach(
    ports,
    command,
    command.pods.map((pod) => ({ pod })),
    async (_node, { pod }) => {
      const node = await chosen(ports, command, { pod, nodeId: command.ips[pod]?.nodeId }, io)
      const [answer] = await node.pipeline([clusterCalls.forget(command.nodeId)], CALL_MS)
      if (answer instanceof RedisError && !/Unknown node/i.test(answer.message)) throw answer
    },
  )
}

async function onEach<T extends { readonly pod: string }>(
  ports: ActPorts,
  command: AppCommand,
  places: readonly T[],
  work: (node: RedisNode, place: T) => Promise<void>,
): Promise<Outcome> {
  const outcomes = await Promise.all(
    places.map(async (place): Promise<Outcome> => {
      try {
        await work(connection(ports, command, place.pod), place)
        return ACCEPTED
      } catch (error) {
        if (error instanceof NotNow) return LATER
        const { reason, message } = asRedisError(error)
        return { result: 'failed', reason, message: `${command.type}: ${place.pod}: ${message}` }
      }
    }),
  )
  return outcomes.find((one) => one.result === 'failed') ?? outcomes.find((one) => one.result === 'later') ?? ACCEPTED
}
