import type { BackupEventType } from './backup-events.ts'
import type { ClusterEventType } from './cluster-events.ts'
import type { RestoreEventType } from './restore-events.ts'
import type { ScheduleEventType } from './schedule-events.ts'
import type { StorageEventType } from './storage-events.ts'

/** An event in the words of a Kubernetes Event: for `kubectl describe`, beside the history and never instead of it. */
export type EventNote = { readonly type: 'Normal' | 'Warning'; readonly reason: string; readonly note: string }

type Data = Readonly<Record<string, unknown>>

/** How an event shows in `kubectl describe`; null: it does not, because another line tells the same. */
type Grade = EventNote['type'] | null

const clusterGrades: Readonly<Record<ClusterEventType, Grade>> = {
  Accepted: 'Normal',
  Adopted: 'Normal',
  SpecChanged: 'Normal',
  StateChanged: null,
  ConditionChanged: 'Normal',
  ClusterFormed: 'Normal',
  RestoreBegun: 'Warning',
  RestoreWithdrawn: 'Warning',
  Restored: 'Normal',
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
  VolumesClaimed: 'Warning',
  DeletionStarted: 'Normal',
  Deleted: 'Normal',
}

const backupGrades: Readonly<Record<BackupEventType, Grade>> = {
  Accepted: 'Normal',
  Adopted: 'Normal',
  StateChanged: null,
  Started: 'Normal',
  ShardStreamed: 'Normal',
  ShardLoaded: 'Normal',
  AttemptFailed: 'Warning',
  Verified: null,
  Completed: 'Normal',
  Failed: 'Warning',
  Expired: 'Normal',
  DeletionStarted: 'Normal',
  ObjectsDeleted: 'Normal',
  ObjectsKept: 'Normal',
  ObjectsLeft: 'Warning',
  Deleted: 'Normal',
}

const storageGrades: Readonly<Record<StorageEventType, Grade>> = {
  Accepted: 'Normal',
  BecameUsable: 'Normal',
  BecameUnusable: 'Warning',
  BackupsUnreadable: 'Warning',
  BackupsReadable: 'Normal',
  Deleted: 'Normal',
}

const restoreGrades: Readonly<Record<RestoreEventType, Grade>> = {
  Accepted: 'Normal',
  StateChanged: null,
  CopyCreated: 'Normal',
  Inspected: 'Normal',
  Seeding: 'Normal',
  ShardSeeded: 'Normal',
  AttemptFailed: 'Warning',
  ClusterCreated: 'Normal',
  ConfirmationAwaited: 'Warning',
  ClusterSwitched: 'Normal',
  OrderWithdrawn: 'Normal',
  OldVolumesGone: 'Normal',
  SlotsFormed: 'Normal',
  Verified: null,
  Completed: 'Normal',
  Refused: 'Warning',
  Failed: 'Warning',
  DeletionStarted: 'Normal',
  Deleted: 'Normal',
}

const scheduleGrades: Readonly<Record<ScheduleEventType, Grade>> = {
  Accepted: 'Normal',
  ScheduleInvalid: 'Warning',
  BackupCreated: 'Normal',
  RunsMissed: 'Warning',
  StateChanged: 'Normal',
  Deleted: 'Normal',
}

type Told = { readonly type: string; readonly data: Data }

function noteBy(grades: Readonly<Record<string, Grade>>, { type, data }: Told): EventNote | null {
  const note = typeof data['message'] === 'string' ? data['message'] : type
  const grade = Object.hasOwn(grades, type) ? (grades[type] ?? null) : null
  return grade === null ? null : { type: grade, reason: type, note }
}

/** As `backupNoteOf`, for an event of a restore. */
export const restoreNoteOf = (event: Told): EventNote | null => noteBy(restoreGrades, event)

/** What to write into a Kubernetes Event for an event of a backup; null for those that would only repeat another line. */
export const backupNoteOf = (event: Told): EventNote | null => noteBy(backupGrades, event)

/** What to write into a Kubernetes Event for an event of a schedule. */
export const scheduleNoteOf = (event: Told): EventNote | null => noteBy(scheduleGrades, event)

/** What to write into a Kubernetes Event for an event of a storage. */
export const storageNoteOf = (event: Told): EventNote | null => noteBy(storageGrades, event)

/**
 * What to write into a Kubernetes Event for a committed event; null for those that would only repeat another line.
 * The reason of a condition that turned bad is the condition's own, so that it can be looked up.
 */
export const noteOf = (event: Told): EventNote | null => {
  const { type, data } = event
  if (type !== 'ConditionChanged') return noteBy(clusterGrades, event)
  return conditionNote(data, typeof data['message'] === 'string' ? data['message'] : type)
}

const conditionNote = (data: Data, note: string): EventNote => {
  const bad = data['to'] === (data['type'] === 'Ready' ? 'False' : 'True')
  // A cluster that is being formed is not ready yet: nothing is wrong.
  const expected = data['reason'] === 'Forming' || data['reason'] === 'Deleting'
  return { type: bad && !expected ? 'Warning' : 'Normal', reason: String(data['reason']), note }
}
