import { assess, type ShardPicture } from '../src/assess.ts'
import type { ClusterCommand } from '../src/command.ts'
import { type Case, diagnose, everFormed, stageOf } from '../src/diagnose.ts'
import { attachedToRemember, containerToken } from '../src/failover.ts'
import type { ClusterFinding } from '../src/finding.ts'
import { allows, type ClusterState, nextState } from '../src/lifecycle.ts'
import { intentFor, isFinished, outlived, plan, takesItsTime } from '../src/plan.ts'
import { formatRanges } from '../src/slots.ts'
import { type Desired, type History, isUp, type Snapshot } from '../src/snapshot.ts'

/** What the status remembers of one shard. */
type ShardMemory = Pick<History, 'nodes' | 'attached' | 'incarnations' | 'hosts'> & {
  readonly slots: string
  readonly epoch: number
}

/** What a status remembers, as far as the topology depends on it. */
export type Memory = Pick<History, 'formedAt' | 'operation'> & {
  readonly state: string
  /** Since when a primary has been missing, Unix time in milliseconds. */
  readonly unreadySince?: number
  /** A number that an erased status draws anew. */
  readonly life: number
  /** Operations begun in this life. */
  readonly begun: number
  readonly shards: readonly ShardMemory[]
}

/** The memory of a status that does not exist. */
export const NO_MEMORY: Memory = { state: '', life: 1, begun: 0, shards: [] }

/** What one pass found, decided and remembers. */
export type Pass = {
  readonly given: Case
  readonly formed: boolean
  readonly findings: readonly ClusterFinding[]
  readonly state: ClusterState
  /** All that was planned; `commands` is what the state allows of it. */
  readonly planned: readonly ClusterCommand[]
  readonly commands: readonly ClusterCommand[]
  readonly memory: Memory
  /** How the operation under way ended, if it did: `finished`, or why it was given up. */
  readonly ended?: string
}

/** As in the controller: an operation without an end is given up after this long. */
const OPERATION_PATIENCE_MS = 15_000

/** One pass as the controller makes it, what concerns the topology: `now` is Unix time in milliseconds. */
export function pass(desired: Desired, snapshot: Snapshot, memory: Memory, now: number): Pass {
  const history = historyOf(memory, now)
  const given: Case = { desired, snapshot, history, picture: assess(desired, snapshot, history) }
  const formed = everFormed(given)
  const findings = diagnose(given)
  const state = nextState(memory.state, stageOf(given), findings[0]?.type ?? 'Sound')
  const formedAt =
    memory.formedAt ?? snapshot.recordedFormedAt ?? (findings.length === 0 ? new Date(now).toISOString() : undefined)
  const unready = given.picture.shards.some((shard) => !shard.primaryUp)
  const { operation: before, formedAt: _before, unreadySince = now, ...rest } = memory
  const { next: operation, ended } = nextOperation(given, { findings, formed }, memory, now)
  const planned = plan(
    operation === undefined ? given : { ...given, history: { ...history, operation } },
    findings,
    formed,
    operation?.id,
  )
  return {
    given,
    formed,
    findings,
    state,
    planned,
    ...(ended === undefined ? {} : { ended }),
    commands: planned.filter((command) => allows(state, command.type)),
    memory: {
      ...rest,
      state,
      ...(unready ? { unreadySince } : {}),
      begun: operation === undefined || operation === before ? memory.begun : memory.begun + 1,
      shards: given.picture.shards.map((shard, place) => remembered(shard, memory.shards[place])),
      ...(formedAt === undefined ? {} : { formedAt }),
      ...(operation === undefined ? {} : { operation }),
    },
  }
}

/** What the case rests on of all that is remembered. */
function historyOf(memory: Memory, now: number): History {
  return {
    ...(memory.formedAt === undefined ? {} : { formedAt: memory.formedAt }),
    ...(memory.operation === undefined ? {} : { operation: memory.operation }),
    unreadyMs: memory.unreadySince === undefined ? 0 : now - memory.unreadySince,
    nodes: Object.assign({}, ...memory.shards.map((shard) => shard.nodes)) as Record<string, string>,
    slots: Object.fromEntries(memory.shards.map((shard, place) => [place, shard.slots])),
    epochs: Object.fromEntries(memory.shards.map((shard, place) => [place, shard.epoch])),
    attached: memory.shards.flatMap((shard) => shard.attached),
    hosts: Object.assign({}, ...memory.shards.map((shard) => shard.hosts)) as Record<string, string>,
    incarnations: Object.assign({}, ...memory.shards.map((shard) => shard.incarnations)) as Record<string, string>,
  }
}

type NextOperation = { readonly next?: NonNullable<Memory['operation']>; readonly ended?: string }

function nextOperation(
  given: Case,
  now: Pick<Pass, 'findings' | 'formed'>,
  memory: Memory,
  time: number,
): NextOperation {
  const { findings, formed } = now
  const current = memory.operation
  if (current !== undefined) {
    if (isFinished(given, findings, formed)) return { ended: 'finished' }
    const why = outlived(given, findings)
    if (why !== null) return { ended: why }
    const patient = takesItsTime(current.type) || time - Date.parse(current.since) < OPERATION_PATIENCE_MS
    return patient ? { next: current } : { ended: 'its end was not seen in time' }
  }
  const intent = intentFor(given, findings, formed)
  if (intent === null) return {}
  return { next: { id: `${memory.life}:${memory.begun + 1}`, since: new Date(time).toISOString(), ...intent } }
}

/** What is known of a member changes by its own word alone, and not while its slots wait for an heir. */
function remembered(shard: ShardPicture, before: ShardMemory | undefined): ShardMemory {
  const awaits = (pod: string): boolean => before?.nodes[pod] === shard.primaryId && !shard.primaryUp
  const speaking = shard.members.filter(isUp).filter((one) => before?.nodes[one.pod] === undefined || !awaits(one.pod))
  const ids = speaking.map((one) => [one.pod, one.contact.view.nodeId])
  const tokens = speaking.flatMap(({ pod, kube }) =>
    kube?.containerId === undefined ? [] : [[pod, containerToken(kube.containerId)]],
  )
  const hosts = speaking.flatMap(({ pod, kube }) => (kube?.nodeName === undefined ? [] : [[pod, kube.nodeName]]))
  return {
    epoch: shard.epoch > 0 && shard.primaryUp ? shard.epoch : (before?.epoch ?? 0),
    slots: shard.ranges.length > 0 || shard.primaryUp ? formatRanges(shard.ranges) : (before?.slots ?? ''),
    nodes: { ...before?.nodes, ...Object.fromEntries(ids) },
    hosts: { ...before?.hosts, ...Object.fromEntries(hosts) },
    incarnations: { ...before?.incarnations, ...Object.fromEntries(tokens) },
    attached: attachedToRemember(shard, before?.attached ?? []),
  }
}
