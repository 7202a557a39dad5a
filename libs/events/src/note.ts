import type { ClusterEventType } from './cluster-events.ts'

/** An event in the words of a Kubernetes Event: for `kubectl describe`, beside the history and never instead of it. */
export type EventNote = { readonly type: 'Normal' | 'Warning'; readonly reason: string; readonly note: string }

type Data = Readonly<Record<string, unknown>>

/** How each event shows in `kubectl describe`; null: it does not, because another line tells the same. */
const grades: Readonly<Record<ClusterEventType, EventNote['type'] | null>> = {
  Accepted: 'Normal',
  Adopted: 'Normal',
  SpecChanged: 'Normal',
  StateChanged: null,
  ConditionChanged: 'Normal',
  ClusterFormed: 'Normal',
  MemberJoined: null,
  MemberLeft: 'Warning',
  MemberRestarted: 'Warning',
  AddressChanged: 'Normal',
  PrimaryLost: 'Warning',
  PrimaryReturned: 'Normal',
  PrimaryChanged: 'Normal',
  ReplicaAttached: 'Normal',
  ReplicaDetached: 'Warning',
  SlotsAssigned: null,
  SlotsUncovered: 'Warning',
  SlotsCovered: 'Normal',
  SlotsLeftOpen: 'Warning',
  SlotsRepaired: 'Normal',
  OperationStarted: null,
  OperationFinished: null,
  OperationAbandoned: 'Warning',
  OverrideAccepted: 'Warning',
  OverrideExpired: 'Normal',
  DeletionStarted: 'Normal',
  Deleted: 'Normal',
}

/**
 * What to write into a Kubernetes Event for a committed event; null for those that would only repeat another line.
 * The reason of a condition that turned bad is the condition's own, so that it can be looked up.
 */
export const noteOf = (event: { readonly type: string; readonly data: Data }): EventNote | null => {
  const { type, data } = event
  const note = typeof data['message'] === 'string' ? data['message'] : type
  if (type === 'ConditionChanged') return conditionNote(data, note)
  const grade = Object.hasOwn(grades, type) ? grades[type as ClusterEventType] : null
  return grade === null ? null : { type: grade, reason: type, note }
}

const conditionNote = (data: Data, note: string): EventNote => {
  const bad = data['to'] === (data['type'] === 'Ready' ? 'False' : 'True')
  // A cluster that is being formed is not ready yet: nothing is wrong.
  const expected = data['reason'] === 'Forming' || data['reason'] === 'Deleting'
  return { type: bad && !expected ? 'Warning' : 'Normal', reason: String(data['reason']), note }
}
