import { setup, transition } from 'xstate'

/** What a look at a backup found, gravest first in what decides. */
export const BACKUP_FINDINGS = [
  'DeletionRequested',
  'Refused',
  'StatusLost',
  'NotReady',
  'ServersUnknown',
  'ShardsMissing',
  'ManifestMissing',
  'ProofMissing',
  'Sound',
] as const
/** One of them. */
export type BackupFinding = (typeof BACKUP_FINDINGS)[number]

/** What is done for a backup. */
export type BackupCommandType = 'EnsureFinalizer' | 'RunAgent' | 'StopAgent' | 'ExpireBackup' | 'RemoveFinalizer'

/** What a state says of itself: a sentence for people, and the commands that are legal there. */
export type BackupStateMeta = { readonly sentence: string; readonly allows: readonly BackupCommandType[] }

const METAS = {
  Waiting: {
    sentence: 'It waits for its cluster or its storage: the condition says for what.',
    allows: ['EnsureFinalizer'],
  },
  Adopting: {
    sentence: 'Its status was lost: what its storage holds of it is looked at.',
    allows: ['EnsureFinalizer', 'RunAgent', 'StopAgent'],
  },
  Finding: {
    sentence: 'An agent asks the server, and those that it names, what they are.',
    allows: ['EnsureFinalizer', 'RunAgent', 'StopAgent'],
  },
  Streaming: {
    sentence: 'Agents read the shards into the storage, and read back what they stored.',
    allows: ['EnsureFinalizer', 'RunAgent', 'StopAgent'],
  },
  Sealing: {
    sentence: 'All shards are stored; the manifest is being written.',
    allows: ['EnsureFinalizer', 'RunAgent', 'StopAgent'],
  },
  Verifying: {
    sentence: 'A server is started from each shard that is stored, and asked what it has loaded.',
    allows: ['EnsureFinalizer', 'RunAgent', 'StopAgent'],
  },
  Completed: {
    sentence: 'It can be restored.',
    allows: ['EnsureFinalizer', 'StopAgent', 'ExpireBackup'],
  },
  Failed: { sentence: 'It was given up.', allows: ['EnsureFinalizer', 'StopAgent'] },
  Deleting: {
    sentence: 'Its objects are being deleted from the storage.',
    allows: ['RunAgent', 'StopAgent', 'RemoveFinalizer'],
  },
} as const satisfies Readonly<Record<string, BackupStateMeta>>

/** A leaf state of a backup. */
export type BackupState = keyof typeof METAS
/** The states of a backup. */
export const BACKUP_STATES = Object.keys(METAS) as readonly BackupState[]

/**
 * The life of a backup as a checked table. It goes one way: what has ended never begins again, and what is being deleted
 * never comes back. Never run as an actor: see `nextBackupState`.
 */
export const backupLifecycle = setup({
  types: { events: {} as { type: BackupFinding }, meta: {} as BackupStateMeta },
}).createMachine({
  id: 'backup',
  initial: 'Waiting',
  on: { DeletionRequested: '.Deleting' },
  states: {
    Waiting: {
      meta: METAS.Waiting,
      on: { Refused: 'Failed', StatusLost: 'Adopting', ServersUnknown: 'Finding', ShardsMissing: 'Streaming' },
    },
    Adopting: { meta: METAS.Adopting, on: { NotReady: 'Waiting', ProofMissing: 'Verifying', Sound: 'Completed' } },
    Finding: { meta: METAS.Finding, on: { Refused: 'Failed', ShardsMissing: 'Streaming' } },
    Streaming: {
      meta: METAS.Streaming,
      on: { Refused: 'Failed', ServersUnknown: 'Finding', ManifestMissing: 'Sealing' },
    },
    Sealing: { meta: METAS.Sealing, on: { Refused: 'Failed', ProofMissing: 'Verifying', Sound: 'Completed' } },
    Verifying: { meta: METAS.Verifying, on: { Refused: 'Failed', Sound: 'Completed' } },
    Completed: { meta: METAS.Completed },
    Failed: { meta: METAS.Failed },
    Deleting: { meta: METAS.Deleting },
  },
})

/** Whether a name is that of a state: what is stored may come from another version. */
export function isBackupState(name: string): name is BackupState {
  return Object.hasOwn(METAS, name)
}

/** The state that follows what was found; one whose name is unknown begins anew. */
export function nextBackupState(stored: string, finding: BackupFinding): BackupState {
  const from = backupLifecycle.resolveState({ value: isBackupState(stored) ? stored : 'Waiting' })
  const [next] = transition(backupLifecycle, from, { type: finding })
  const { value } = next
  if (typeof value !== 'string' || !isBackupState(value)) throw new Error(`no state of a backup: ${String(value)}`)
  return value
}

/** The sentence and the legal commands of a state. */
export const backupMetaOf = (state: BackupState): BackupStateMeta => METAS[state]

/** Whether a command is legal in a state. */
export function backupAllows(state: string, command: BackupCommandType): boolean {
  return isBackupState(state) && backupMetaOf(state).allows.includes(command)
}
