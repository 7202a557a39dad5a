import { type Condition, type ConditionNow, nextConditions } from '@slotkeeper/api'
import type { EventTrouble } from './event-trouble.ts'

/** What the conditions of a backup or a storage follow from. */
export type ConditionInput = {
  readonly before: readonly Condition[]
  readonly state: string
  /** Of the state: the object is as it was asked for. */
  readonly isReady: boolean
  /** Of the state: a person must act. */
  readonly isStalled: boolean
  /** Of the state: nothing is under way, though it is not ready. */
  readonly isIdle?: boolean
  /** What the kind says beside the conditions that all kinds have. */
  readonly others?: readonly ConditionNow[]
  /** For people. */
  readonly message: string
  readonly trouble: EventTrouble | null
  readonly generation: number
  readonly now: number
}

/** The conditions; their reasons are the states. */
export function conditionsOf(input: ConditionInput): readonly Condition[] {
  const { before, state: reason, isReady, isStalled, isIdle = false, others = [], trouble, generation, now } = input
  const message = input.message.slice(0, 512)
  const all: ConditionNow[] = [
    ...others,
    { type: 'Ready', status: isReady ? 'True' : 'False', reason, message },
    trouble === null
      ? { type: 'EventsDelivered', status: 'True', reason: 'Delivered', message: '' }
      : { type: 'EventsDelivered', status: 'False', reason: trouble.reason, message: trouble.message.slice(0, 512) },
  ]
  if (isStalled) all.push({ type: 'Stalled', status: 'True', reason, message })
  else if (!isReady && !isIdle) all.push({ type: 'Reconciling', status: 'True', reason, message })
  return nextConditions(before, all, new Date(now).toISOString(), generation)
}
