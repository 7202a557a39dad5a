import { cutText } from './bounded-data.ts'
import type { ClusterEvent } from './cluster-events.ts'
import type { Step } from './change-context.ts'
import { conditionStatus, deletingState, toldConditions, type OperationStatus } from './cluster-status.ts'

/** StateChanged, and DeletionStarted where the new state is the one of deletion. */
export const stateChanges = ({ so, after, context }: Step): readonly ClusterEvent[] => {
  if (so.state === after.state) return []
  const { finding } = context
  const why = finding ? `: ${finding.message ?? `${finding.type}, ${finding.about}`}` : ''
  const changed: ClusterEvent = {
    type: 'StateChanged',
    data: {
      from: so.state,
      to: after.state,
      ...(finding ? { finding: finding.type, about: cutText(finding.about, 80) } : {}),
      message: `${so.state} became ${after.state}${why}`,
    },
  }
  if (after.state !== deletingState) return [changed]
  const retain = context.retain ?? true
  const message = `Deletion started; volumes ${retain ? 'stay' : 'go with the cluster'}`
  return [changed, { type: 'DeletionStarted', data: { retain, message } }]
}

/** ConditionChanged of the conditions that are told. One that is absent counts as False. */
export const conditionChanges = ({ so, after }: Step): readonly ClusterEvent[] =>
  toldConditions.flatMap((type) => {
    const from = conditionStatus(so, type)
    const to = conditionStatus(after, type)
    const condition = after.conditions?.find((each) => each.type === type)
    if (from === to) return []
    const reason = condition?.reason ?? 'Removed'
    const message = condition?.message || `${type} became ${to}: ${reason}`
    return [{ type: 'ConditionChanged', data: { type, from, to, reason, message } }]
  })

/** OperationFinished or OperationAbandoned of the operation that the next status no longer holds. */
export const endOfOperation = ({ so, after, context }: Step): readonly ClusterEvent[] => {
  const ended = so.operation
  if (!ended || sameOperation(ended, after.operation)) return []
  const { id: opId, type, target, since } = ended
  const elapsed = context.now - Date.parse(since)
  const durationMs = Number.isFinite(elapsed) ? Math.max(0, Math.round(elapsed)) : 0
  const data = { opId, type, target, durationMs }
  if (context.abandoned === undefined)
    return [{ type: 'OperationFinished', data: { ...data, message: `${type} of ${target} finished` } }]
  const reason = cutText(context.abandoned, 120)
  return [
    { type: 'OperationAbandoned', data: { ...data, reason, message: `${type} of ${target} given up: ${reason}` } },
  ]
}

/** OperationStarted of the operation that the next status holds for the first time. */
export const startOfOperation = ({ so, after }: Step): readonly ClusterEvent[] => {
  const begun = after.operation
  if (!begun || sameOperation(begun, so.operation)) return []
  const { id: opId, type, target, since } = begun
  return [{ type: 'OperationStarted', data: { opId, type, target, since, message: `${type} of ${target} started` } }]
}

/** Deleted, in the last write of all. */
export const deletion = ({ so, after, context }: Step): readonly ClusterEvent[] => {
  if (after.deleted !== true || so.deleted === true) return []
  const retain = context.retain ?? true
  return [{ type: 'Deleted', data: { retain, message: `Deleted; volumes ${retain ? 'stay' : 'are gone'}` } }]
}

const sameOperation = (a: OperationStatus, b: OperationStatus | undefined): boolean =>
  b !== undefined && a.id === b.id && a.type === b.type && a.target === b.target && a.since === b.since
