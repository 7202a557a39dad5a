import type { Condition } from '@slotkeeper/api'
import type { StatusOf } from '@slotkeeper/controller'
import { type ConditionInput, conditionsOf } from './conditions-of.ts'

/** The longest sentence that the schemas of the statuses take. */
const MOST = 1_024

type Decided = {
  readonly state: string
  readonly conditions?: readonly Condition[]
  readonly message?: string
  readonly objectsLeft?: string
}

/**
 * What is written of a status that was decided: without the runtime's part, with sentences that the API server takes (a longer
 * one would keep the whole of it from being written), and with its conditions.
 */
export function statusToWrite<S extends Decided>(next: S, about: Omit<ConditionInput, 'before' | 'state'>): S {
  const { lifecycle: _lifecycle, outbox: _outbox, ...kept } = next as S & Partial<StatusOf<S>>
  const { state, message, objectsLeft, conditions = [] } = next
  return {
    ...(kept as unknown as S),
    ...(message === undefined ? {} : { message: message.slice(0, MOST) }),
    ...(objectsLeft === undefined ? {} : { objectsLeft: objectsLeft.slice(0, MOST) }),
    observedGeneration: about.generation,
    conditions: conditionsOf({ ...about, before: conditions, state }),
  }
}
