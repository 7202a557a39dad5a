/** A condition as Kubernetes defines it (apimachinery meta/v1). */
export type Condition = {
  readonly type: string
  readonly status: 'True' | 'False' | 'Unknown'
  readonly reason: string
  readonly message: string
  readonly observedGeneration?: number
  readonly lastTransitionTime: string
}

/** What a controller says of one condition in one pass. */
export type ConditionNow = Omit<Condition, 'lastTransitionTime' | 'observedGeneration'>

const EVENTS_DELIVERED = {
  meaning: 'The oldest event that waits for the event store is younger than 30 s.',
  reasons: ['Delivered', 'EventStoreDown', 'EventStoreTooOld', 'Refused'],
  absentWhenFalse: false,
} as const

/** Every condition of a RedisBackup, in the same form. The reason of a failure is one of those that an agent has (docs/backups.md). */
export const BACKUP_CONDITIONS = {
  Ready: {
    meaning: 'The backup is completed: it was read back and can be restored.',
    reasons: ['Completed', 'Waiting', 'Adopting', 'Finding', 'Streaming', 'Sealing', 'Verifying', 'Failed', 'Deleting'],
    absentWhenFalse: false,
  },
  Reconciling: {
    meaning: 'It is under way, or waits for its cluster or its storage.',
    reasons: ['Waiting', 'Adopting', 'Finding', 'Streaming', 'Sealing', 'Verifying', 'Deleting'],
    absentWhenFalse: true,
  },
  Stalled: {
    meaning: 'It was given up: status.reason says why. Create another one once that is mended.',
    reasons: ['Failed'],
    absentWhenFalse: true,
  },
  EventsDelivered: EVENTS_DELIVERED,
} as const

/** Every condition of a RedisRestore, in the same form. The reason of a failure is in the status (docs/backups.md). */
export const RESTORE_CONDITIONS = {
  Ready: {
    meaning: 'The restore is completed: the new cluster has all keys of the backup.',
    reasons: [
      'Completed',
      'Waiting',
      'Copying',
      'Inspecting',
      'Confirming',
      'Seeding',
      'Starting',
      'Verifying',
      'Failed',
      'Deleting',
    ],
    absentWhenFalse: false,
  },
  Reconciling: {
    meaning: 'It is under way, or waits for its backup or its storage.',
    reasons: ['Waiting', 'Copying', 'Inspecting', 'Confirming', 'Seeding', 'Starting', 'Verifying', 'Deleting'],
    absentWhenFalse: true,
  },
  Stalled: {
    meaning: 'It was given up: status.reason says why. Create another one once that is mended.',
    reasons: ['Failed'],
    absentWhenFalse: true,
  },
  EventsDelivered: EVENTS_DELIVERED,
} as const

/** Every condition of a RedisBackupSchedule, in the same form. */
export const SCHEDULE_CONDITIONS = {
  Ready: {
    meaning: 'Backups are made at their times.',
    reasons: ['Active', 'Suspended', 'Invalid', 'Deleting'],
    absentWhenFalse: false,
  },
  Reconciling: {
    meaning: 'It is being deleted.',
    reasons: ['Deleting'],
    absentWhenFalse: true,
  },
  Stalled: {
    meaning: 'A backup can not be created, or the schedule not be read: the message says why.',
    reasons: ['Active', 'Invalid'],
    absentWhenFalse: true,
  },
  EventsDelivered: EVENTS_DELIVERED,
} as const

/** Every condition of a RedisBackupStorage, in the same form. */
export const STORAGE_CONDITIONS = {
  Ready: {
    meaning: 'A small object was written there, read back, listed and deleted.',
    reasons: ['Usable', 'Checking', 'Unusable', 'Deleting'],
    absentWhenFalse: false,
  },
  Reconciling: { meaning: 'It is being tried.', reasons: ['Checking', 'Deleting'], absentWhenFalse: true },
  Stalled: {
    meaning:
      'It did not serve, and is tried again after a minute, later every ten: status.reason and the message say what is missing.',
    reasons: ['Unusable'],
    absentWhenFalse: true,
  },
  BackupsReadable: {
    meaning:
      'The newest backups there, as the last check found them, can be opened with the keys that encryption names. Absent where that could not be found out.',
    reasons: ['Readable', 'KeyWrong', 'NotEncrypted'],
    absentWhenFalse: false,
  },
  EventsDelivered: EVENTS_DELIVERED,
} as const

/** Every condition of a RedisCluster with its closed set of reasons, when it is true, and whether False is left out. */
export const CLUSTER_CONDITIONS = {
  Ready: {
    meaning: 'All slots are served by a primary that answers, and all views agree.',
    reasons: [
      'AllSlotsServed',
      'Forming',
      'Restoring',
      'Adopting',
      'SlotsUncovered',
      'PrimaryDown',
      'ViewsDiffer',
      'AuthFailed',
    ],
    absentWhenFalse: false,
  },
  Reconciling: {
    meaning: 'The controller is acting, or waits for something that it started.',
    reasons: ['Forming', 'Restoring', 'Adopting', 'Healing', 'Updating', 'Deleting'],
    absentWhenFalse: true,
  },
  Stalled: {
    meaning:
      'A person must act: only data loss, or a fault that no retry cures, could go on. ForeignController stands in no status, which belongs to the other controller: it is a Warning Event.',
    reasons: [
      'DataMissing',
      'HistoryDisputed',
      'MajorityUnproven',
      'SlotsDisputed',
      'RestoreHeld',
      'VolumeHasOtherData',
      'NameTaken',
      'SecretMissing',
      'ConfigRefused',
      'Unschedulable',
      'ForeignController',
      'InvariantBroken',
    ],
    absentWhenFalse: true,
  },
  Degraded: {
    meaning: 'There are fewer safeguards than were asked for.',
    reasons: ['NoReplicas', 'ReplicaMissing', 'ShardDown', 'NodeLost', 'ForeignNode', 'Sound'],
    absentWhenFalse: false,
  },
  SlotsAssigned: {
    meaning: 'All 16384 slots are owned and none is open.',
    reasons: ['Complete', 'Uncovered', 'OpenSlots'],
    absentWhenFalse: false,
  },
  ReplicationHealthy: {
    meaning: "Every replica is in sync with its shard's primary.",
    reasons: ['InSync', 'LinkDown', 'Missing'],
    absentWhenFalse: false,
  },
  PodsUpToDate: {
    meaning: 'Every pod has the wanted spec.',
    reasons: ['UpToDate', 'RestartPending', 'TemplateNewer'],
    absentWhenFalse: false,
  },
  Spread: {
    meaning: 'No shard has two members on one node.',
    reasons: ['Spread', 'Colocated'],
    absentWhenFalse: false,
  },
  EventsDelivered: EVENTS_DELIVERED,
} as const

/**
 * The next list of conditions, sorted by type: a condition keeps its transition time unless its status changes.
 *
 * @param before the stored conditions
 * @param now what this pass says; a type that it leaves out is dropped
 * @param at when, RFC 3339
 * @param observedGeneration the generation that was looked at
 */
export function nextConditions(
  before: readonly Condition[],
  now: readonly ConditionNow[],
  at: string,
  observedGeneration: number,
): readonly Condition[] {
  return now
    .map((condition) => {
      const old = before.find((one) => one.type === condition.type)
      const lastTransitionTime = old !== undefined && old.status === condition.status ? old.lastTransitionTime : at
      return { ...condition, observedGeneration, lastTransitionTime }
    })
    .toSorted((a, b) => (a.type < b.type ? -1 : 1))
}
