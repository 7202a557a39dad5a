import { setup, transition } from 'xstate'

/** What a look at a restore found, gravest first in what decides. */
export const RESTORE_FINDINGS = [
  'DeletionRequested',
  'Refused',
  'NotReady',
  'NotCopied',
  'BackupUnread',
  'Unconfirmed',
  'VolumesEmpty',
  'ClusterNotReady',
  'Unverified',
  'Sound',
] as const
/** One of them. */
export type RestoreFinding = (typeof RESTORE_FINDINGS)[number]

/** What is done for a restore. */
export type RestoreCommandType =
  | 'EnsureFinalizer'
  | 'RunAgent'
  | 'StopAgent'
  | 'CreateBackup'
  | 'CreateClaim'
  | 'DeleteClaim'
  | 'CreateCluster'
  | 'SwitchCluster'
  | 'WithdrawOrder'
  | 'DeleteOldClaims'
  | 'RemoveFinalizer'

/** What a state says of itself: a sentence for people, and the commands that are legal there. */
export type RestoreStateMeta = { readonly sentence: string; readonly allows: readonly RestoreCommandType[] }

const METAS = {
  Waiting: {
    sentence: 'It waits for its backup or its storage: the condition says for what.',
    allows: ['EnsureFinalizer'],
  },
  Copying: {
    sentence: 'What it is made of is copied into its storage, by a RedisBackup of its own.',
    allows: ['EnsureFinalizer', 'CreateBackup'],
  },
  Inspecting: {
    sentence: 'The backup is being looked at: is it whole, and do servers of the new cluster load it?',
    allows: ['EnsureFinalizer', 'RunAgent', 'StopAgent'],
  },
  Confirming: {
    sentence: 'It waits until a person says that the cluster may give up what it holds; nothing was touched.',
    allows: ['EnsureFinalizer', 'StopAgent'],
  },
  Seeding: {
    sentence: 'The volumes of the primaries are being filled; no server is started yet.',
    allows: ['EnsureFinalizer', 'CreateClaim', 'RunAgent', 'StopAgent'],
  },
  Starting: {
    sentence:
      'The RedisCluster is created, or takes the new volumes; its servers load the data and its replicas are attached.',
    allows: ['EnsureFinalizer', 'StopAgent', 'CreateCluster', 'SwitchCluster'],
  },
  Verifying: {
    sentence: 'The servers are being asked what they have loaded.',
    allows: ['EnsureFinalizer', 'RunAgent', 'StopAgent'],
  },
  Completed: {
    sentence: 'The cluster has all keys of the backup.',
    allows: ['EnsureFinalizer', 'StopAgent', 'DeleteOldClaims'],
  },
  Failed: { sentence: 'It was given up.', allows: ['EnsureFinalizer', 'StopAgent', 'DeleteClaim'] },
  Deleting: {
    sentence: 'What it has begun is being ended; a cluster that it has created stays.',
    allows: ['StopAgent', 'WithdrawOrder', 'DeleteClaim', 'RemoveFinalizer'],
  },
} as const satisfies Readonly<Record<string, RestoreStateMeta>>

/** A leaf state of a restore. */
export type RestoreState = keyof typeof METAS
/** The states of a restore. */
export const RESTORE_STATES = Object.keys(METAS) as readonly RestoreState[]

/**
 * The life of a restore as a checked table. It goes one way: what has ended never begins again, and what is being deleted
 * never comes back. Never run as an actor: see `nextRestoreState`.
 */
export const restoreLifecycle = setup({
  types: { events: {} as { type: RestoreFinding }, meta: {} as RestoreStateMeta },
}).createMachine({
  id: 'restore',
  initial: 'Waiting',
  on: { DeletionRequested: '.Deleting' },
  states: {
    Waiting: {
      meta: METAS.Waiting,
      on: { Refused: 'Failed', NotCopied: 'Copying', BackupUnread: 'Inspecting' },
    },
    Copying: { meta: METAS.Copying, on: { Refused: 'Failed', BackupUnread: 'Inspecting' } },
    Inspecting: {
      meta: METAS.Inspecting,
      on: { Refused: 'Failed', Unconfirmed: 'Confirming', VolumesEmpty: 'Seeding' },
    },
    Confirming: { meta: METAS.Confirming, on: { Refused: 'Failed', VolumesEmpty: 'Seeding' } },
    Seeding: { meta: METAS.Seeding, on: { Refused: 'Failed', ClusterNotReady: 'Starting' } },
    Starting: { meta: METAS.Starting, on: { Refused: 'Failed', Unverified: 'Verifying' } },
    Verifying: { meta: METAS.Verifying, on: { Refused: 'Failed', Sound: 'Completed' } },
    Completed: { meta: METAS.Completed },
    Failed: { meta: METAS.Failed },
    Deleting: { meta: METAS.Deleting },
  },
})

/** Whether a name is that of a state: what is stored may come from another version. */
export function isRestoreState(name: string): name is RestoreState {
  return Object.hasOwn(METAS, name)
}

/** The state that follows what was found; one whose name is unknown begins anew. */
export function nextRestoreState(stored: string, finding: RestoreFinding): RestoreState {
  const from = restoreLifecycle.resolveState({ value: isRestoreState(stored) ? stored : 'Waiting' })
  const [next] = transition(restoreLifecycle, from, { type: finding })
  const { value } = next
  if (typeof value !== 'string' || !isRestoreState(value)) throw new Error(`no state of a restore: ${String(value)}`)
  return value
}

/** The sentence and the legal commands of a state. */
export const restoreMetaOf = (state: RestoreState): RestoreStateMeta => METAS[state]

/** Whether a command is legal in a state. */
export function restoreAllows(state: string, command: RestoreCommandType): boolean {
  return isRestoreState(state) && restoreMetaOf(state).allows.includes(command)
}
