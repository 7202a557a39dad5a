import { cutEvidence } from './bounded-data.ts'
import type { ClusterEvent } from './cluster-events.ts'
import { shardOf, type ShardStatus } from './cluster-status.ts'
import { fold } from './fold.ts'
import type { ChangeContext, Step } from './change-context.ts'

type ShardStep = { readonly so: ShardStatus; readonly after: ShardStatus; readonly context: ChangeContext }

/**
 * What happened to members, shard by shard: who joined, restarted, moved; then who took over; then who left and who
 * does not answer. A primary is replaced before it leaves, so the order tells a story that holds at each step.
 */
export const memberChanges = ({ so, after, context }: Step): readonly ClusterEvent[] => {
  const events: ClusterEvent[] = []
  let now = so
  for (const shard of shardNumbers(so, after)) {
    for (const step of [joins, restarts, moves, takeovers, departures, availability]) {
      const added = step({ so: shardOf(now, shard), after: shardOf(after, shard), context })
      now = fold(now, added)
      events.push(...added)
    }
  }
  return events
}

/** ReplicaDetached and ReplicaAttached, shard by shard. */
export const attachmentChanges = ({ so, after }: Step): readonly ClusterEvent[] =>
  shardNumbers(so, after).flatMap((number) => {
    const before = shardOf(so, number)
    const next = shardOf(after, number)
    const primary = next.primary ?? before.primary ?? ''
    const was = before.attached ?? []
    const is = next.attached ?? []
    return [
      ...was
        .filter((pod) => !is.includes(pod))
        .toSorted()
        .map((pod): ClusterEvent => {
          const message = `${pod} lost its replication link to ${primary || 'its primary'}`
          return { type: 'ReplicaDetached', data: { shard: number, pod, primary, message } }
        }),
      ...is
        .filter((pod) => !was.includes(pod))
        .toSorted()
        .map((pod): ClusterEvent => {
          const message = `${pod} replicates ${primary || 'its primary'}`
          return { type: 'ReplicaAttached', data: { shard: number, pod, primary, message } }
        }),
    ]
  })

const shardNumbers = (so: Step['so'], after: Step['after']): readonly number[] =>
  [...new Set([...(so.topology ?? []), ...(after.topology ?? [])].map((each) => each.shard))].toSorted((a, b) => a - b)

const members = (shard: ShardStatus): readonly (readonly [pod: string, nodeId: string])[] =>
  Object.entries(shard.nodes).toSorted(([a], [b]) => (a < b ? -1 : 1))

/** Members that were there and still are, with the same node id. */
const remaining = ({ so, after }: ShardStep): readonly (readonly [pod: string, nodeId: string])[] =>
  members(after).filter(([pod, nodeId]) => so.nodes[pod] === nodeId)

const joins = (step: ShardStep): readonly ClusterEvent[] =>
  members(step.after).flatMap(([pod]) => (step.so.nodes[pod] === undefined ? [join(step, pod)] : []))

const join = ({ so, after, context }: ShardStep, pod: string): ClusterEvent => {
  // A newcomer is told as primary only where nobody was: where somebody was, PrimaryChanged says it.
  const role = after.primary === pod && so.primary === undefined ? 'primary' : 'replica'
  const address = after.addresses?.[pod] ?? context.addresses?.[pod]
  const incarnation = after.incarnations?.[pod]
  const found = context.adopted !== undefined
  const message = found
    ? `${pod} was found as ${role} of shard ${after.shard}`
    : `${pod} joined shard ${after.shard} as ${role}`
  return {
    type: 'MemberJoined',
    data: {
      pod,
      nodeId: after.nodes[pod] ?? '',
      shard: after.shard,
      role,
      ...(address === undefined ? {} : { address }),
      ...(incarnation === undefined ? {} : { incarnation }),
      ...(found ? { adopted: true } : {}),
      ...(found && after.attached?.includes(pod) ? { attached: true } : {}),
      message,
    },
  }
}

const restarts = (step: ShardStep): readonly ClusterEvent[] =>
  remaining(step).flatMap(([pod]) => {
    const was = step.so.incarnations?.[pod]
    const incarnation = step.after.incarnations?.[pod]
    if (was === undefined || incarnation === undefined || was === incarnation) return []
    const { exitCode, signal, reason } = step.context.exits?.[pod] ?? { reason: 'Unknown' as const }
    const how = signal ? `, signal ${signal}` : exitCode === undefined ? '' : `, exit code ${exitCode}`
    return [
      {
        type: 'MemberRestarted',
        data: {
          pod,
          shard: step.after.shard,
          incarnation,
          ...(exitCode === undefined ? {} : { exitCode }),
          ...(signal === undefined ? {} : { signal }),
          reason,
          message: `${pod} restarted: ${reason}${how}`,
        },
      },
    ]
  })

const moves = (step: ShardStep): readonly ClusterEvent[] =>
  remaining(step).flatMap(([pod, nodeId]) => {
    const from = step.so.addresses?.[pod]
    const to = step.after.addresses?.[pod]
    if (from === undefined || to === undefined || from === to) return []
    const message = `${pod} moved from ${from} to ${to}`
    return [{ type: 'AddressChanged', data: { pod, nodeId, shard: step.after.shard, from, to, message } }]
  })

const takeovers = (step: ShardStep): readonly ClusterEvent[] => {
  const { primary, nodes } = step.after
  if (primary === undefined || primary === step.so.primary) return []
  return [primaryChanged(step, { pod: primary, nodeId: nodes[primary] ?? '' })]
}

const availability = ({ so, after, context }: ShardStep): readonly ClusterEvent[] => {
  const { shard, primary: pod } = after
  const was = so.primaryDown === true
  const is = after.primaryDown === true
  if (pod === undefined || was === is) return []
  const nodeId = after.nodes[pod] ?? ''
  if (was) {
    const message = `The primary ${pod} of shard ${shard} answers again`
    return [{ type: 'PrimaryReturned', data: { shard, pod, nodeId, message } }]
  }
  const evidence = cutEvidence(context.evidence?.[pod])
  return [
    { type: 'PrimaryLost', data: { shard, pod, nodeId, evidence, message: `Shard ${shard} lost its primary ${pod}` } },
  ]
}

const primaryChanged = (
  { so, after, context }: ShardStep,
  to: { readonly pod: string; readonly nodeId: string },
): ClusterEvent => {
  const { shard, epoch } = after
  const { cause, opId, writesAtRisk } = context.primaryChanges?.[shard] ?? { cause: 'Engine' as const }
  const from = so.primary === undefined ? undefined : { pod: so.primary, nodeId: so.nodes[so.primary] ?? '' }
  return {
    type: 'PrimaryChanged',
    data: {
      shard,
      ...(from ? { from } : {}),
      to,
      cause,
      ...(epoch === undefined ? {} : { configEpoch: epoch }),
      ...(opId === undefined ? {} : { opId }),
      // The engine's own failover is asynchronous: only who planned the change may say that nothing was lost.
      writesAtRisk: writesAtRisk ?? cause !== 'Planned',
      message: from
        ? `${to.pod} took over shard ${shard} from ${from.pod}`
        : `${to.pod} is the primary of shard ${shard}`,
    },
  }
}

/** Who left; and who came back with another node id, which is another member under the same name. */
const departures = (step: ShardStep): readonly ClusterEvent[] =>
  members(step.so).flatMap(([pod, nodeId]) => {
    const replacement = step.after.nodes[pod]
    if (replacement === nodeId) return []
    const evidence = cutEvidence(step.context.evidence?.[pod])
    const { shard } = step.after
    const left: ClusterEvent = {
      type: 'MemberLeft',
      data: { pod, nodeId, shard, evidence, message: `${pod} left shard ${shard}` },
    }
    return replacement === undefined ? [left] : [left, rejoin(step, pod)]
  })

/** MemberLeft took the name of the primary away with the member, so the one who replaces it brings it back. */
const rejoin = (step: ShardStep, pod: string): ClusterEvent => {
  const joined = join(step, pod)
  if (joined.type !== 'MemberJoined' || step.after.primary !== pod) return joined
  return { type: 'MemberJoined', data: { ...joined.data, role: 'primary' } }
}
