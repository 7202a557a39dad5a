import type { ChangeContext, Step } from './change-context.ts'
import { boundedData } from './bounded-data.ts'
import { endOfOperation, stateChanges, conditionChanges, startOfOperation, deletion } from './cluster-level-changes.ts'
import { beginning, formation, replacement, restoration, volumeClaim } from './cluster-beginnings.ts'
import type { ClusterEvent } from './cluster-events.ts'
import type { ClusterStatus } from './cluster-status.ts'
import { fold } from './fold.ts'
import { overrideChanges } from './override-changes.ts'
import { attachmentChanges, memberChanges } from './member-changes.ts'
import { openSlotChanges, slotChanges } from './slot-changes.ts'

/** In the order of cause and effect; the start of an operation is the last but for the end of everything. */
const steps: readonly ((step: Step) => readonly ClusterEvent[])[] = [
  replacement,
  volumeClaim,
  memberChanges,
  slotChanges,
  formation,
  restoration,
  attachmentChanges,
  openSlotChanges,
  endOfOperation,
  overrideChanges,
  stateChanges,
  conditionChanges,
  startOfOperation,
  deletion,
]

/**
 * The events of a commit: exactly the difference of the status that was read and the one that is written. Each step
 * compares the status as the events so far leave it with the one to be reached, so that folding them reaches it.
 */
export const changes = (
  before: ClusterStatus | null,
  after: ClusterStatus,
  context: ChangeContext,
): readonly ClusterEvent[] => {
  const events: ClusterEvent[] = [...beginning(before, after, context)]
  let so = fold(before, events)
  for (const step of steps) {
    const added = step({ so, after, context })
    so = fold(so, added)
    events.push(...added)
  }
  return events.map((event) => ({ type: event.type, data: boundedData(event.data) }) as ClusterEvent)
}

/**
 * Gives a new operation its id, `<life>:<sequence of its OperationStarted>`: what its events will be numbered decides it.
 * A status without a new operation is returned as it is.
 */
export const withOperationId = (
  before: ClusterStatus | null,
  after: ClusterStatus,
  context: ChangeContext,
  lifecycle: { readonly life: number; readonly seq: number },
): ClusterStatus => {
  if (!after.operation || after.operation.id === before?.operation?.id) return after
  const index = changes(before, after, context).findIndex((event) => event.type === 'OperationStarted')
  return { ...after, operation: { ...after.operation, id: `${lifecycle.life}:${lifecycle.seq + index + 1}` } }
}
