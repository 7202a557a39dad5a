import { setup, transition, type StateValue } from 'xstate'
import type { CommandType } from './command.ts'
import type { FindingType } from './finding.ts'

/** What each leaf state says of itself: a sentence for people, and the commands that are legal there. */
export type StateMeta = { readonly sentence: string; readonly allows: readonly CommandType[] }

const KEEP: readonly CommandType[] = ['ApplyObject', 'DeleteObject', 'LabelPods', 'EnsureFinalizer']
const HEAL: readonly CommandType[] = [
  ...KEEP,
  'MeetNodes',
  'AttachReplicas',
  'RaiseEpoch',
  'ConfigureNodes',
  'FailOver',
  'HandOver',
  'ReleasePod',
]

const creating: StateMeta = { sentence: 'The objects are applied; pods are starting.', allows: KEEP }
const meeting: StateMeta = {
  sentence: 'All servers answer and are being introduced to each other; the primaries get their slots.',
  allows: [...KEEP, 'MeetNodes', 'AssignSlots', 'CoverSlots', 'AttachReplicas', 'ConfigureNodes'],
}
const slotting: StateMeta = {
  sentence: 'The servers know each other; replicas are attached, and every server hears of every slot.',
  allows: [
    ...KEEP,
    'MeetNodes',
    'AssignSlots',
    'StartEmpty',
    'CoverSlots',
    'AttachReplicas',
    'RaiseEpoch',
    'ConfigureNodes',
  ],
}
const restoring: StateMeta = {
  sentence:
    'A restore has filled the volumes, or another cluster left them; servers start with that data and are introduced, replicas are attached. A restore in place: the servers of before are stopped first, their volumes stay.',
  allows: [...HEAL, 'TakeOver', 'ForgetNode', 'StartEmpty', 'RepairSlots', 'ReplaceVolumes'],
}
const healthy: StateMeta = { sentence: 'All slots are served and every replica is in sync.', allows: KEEP }
const healing: StateMeta = {
  sentence: 'Something was lost and is being put right.',
  allows: [...HEAL, 'TakeOver', 'ForgetNode', 'StartEmpty', 'CoverSlots', 'RepairSlots'],
}
// StartEmpty is planned only for a shard whose data was given up by name; another shard that waits must not hold it up.
const stalled: StateMeta = {
  sentence: 'A person must act; all that is safe goes on being healed.',
  allows: [...HEAL, 'StartEmpty', 'RepairSlots'],
}
const deleting: StateMeta = {
  sentence: 'The object is being deleted; its last events are told.',
  allows: ['RemoveFinalizer'],
}

/**
 * The lifecycle as a checked table. Formed is a latch: no arrow leads back to Forming. All transitions are on the
 * parents, so each finding has one answer from every leaf. Never run as an actor: see `nextState`.
 */
export const clusterLifecycle = setup({
  types: { events: {} as { type: FindingType | 'Sound' }, meta: {} as StateMeta },
}).createMachine({
  id: 'cluster',
  initial: 'Forming',
  on: { DeletionRequested: '.Deleting' },
  states: {
    Forming: {
      initial: 'Creating',
      on: {
        PodsMissing: '.Creating',
        NodesIsolated: '.Meeting',
        AddressesStale: '.Meeting',
        SlotsUnassigned: '.Slotting',
        ReplicasMissing: '.Slotting',
        SettingsDrifted: '.Slotting',
        Sound: 'Formed',
        HistoryDisputed: 'Formed.Stalled',
        DataMissing: 'Formed.Stalled',
      },
      states: { Creating: { meta: creating }, Meeting: { meta: meeting }, Slotting: { meta: slotting } },
    },
    // A cluster is one of a restore, or over what another one left, from its beginning, or a person has ordered that it
    // becomes one, in place. It has slots, so none are ever assigned.
    Restoring: {
      initial: 'Restoring',
      on: {
        Sound: 'Formed',
        SlotsDisputed: 'Formed.Stalled',
        DataMissing: 'Formed.Stalled',
        HistoryDisputed: 'Formed.Stalled',
        MajorityUnproven: 'Formed.Stalled',
        Blocked: 'Formed.Stalled',
      },
      states: { Restoring: { meta: restoring } },
    },
    Formed: {
      initial: 'Healthy',
      on: {
        Sound: '.Healthy',
        RestoreOrdered: 'Restoring',
        PodsMissing: '.Healing',
        NodeLost: '.Healing',
        ForeignNode: '.Healing',
        NodesIsolated: '.Healing',
        NodesStale: '.Healing',
        AddressesStale: '.Healing',
        DataGivenUp: '.Healing',
        SlotsUnassigned: '.Healing',
        PrimaryDown: '.Healing',
        PrimaryLeaving: '.Healing',
        ReplicasMissing: '.Healing',
        SettingsDrifted: '.Healing',
        SlotsOpen: '.Healing',
        SlotsDisputed: '.Stalled',
        DataMissing: '.Stalled',
        HistoryDisputed: '.Stalled',
        MajorityUnproven: '.Stalled',
        Blocked: '.Stalled',
      },
      states: { Healthy: { meta: healthy }, Healing: { meta: healing }, Stalled: { meta: stalled } },
    },
    Deleting: { type: 'final', meta: deleting },
  },
})

/** The leaf states of the machine. */
export const CLUSTER_STATES = [
  'Creating',
  'Meeting',
  'Slotting',
  'Restoring',
  'Healthy',
  'Healing',
  'Stalled',
  'Deleting',
] as const
/** A leaf state of the machine. */
export type ClusterState = (typeof CLUSTER_STATES)[number]

const VALUE: Readonly<Record<ClusterState, StateValue>> = {
  Creating: { Forming: 'Creating' },
  Meeting: { Forming: 'Meeting' },
  Slotting: { Forming: 'Slotting' },
  Restoring: { Restoring: 'Restoring' },
  Healthy: { Formed: 'Healthy' },
  Healing: { Formed: 'Healing' },
  Stalled: { Formed: 'Stalled' },
  Deleting: 'Deleting',
}

function isState(name: string): name is ClusterState {
  return (CLUSTER_STATES as readonly string[]).includes(name)
}

function leafOf(value: StateValue): ClusterState {
  const leaf = typeof value === 'string' ? value : Object.values(value)[0]
  if (typeof leaf !== 'string' || !isState(leaf))
    throw new Error(`the machine is in a state without a name: ${JSON.stringify(value)}`)
  return leaf
}

/** Where a cluster is in its life, by what is known of its history. */
export type LifeStage = 'Forming' | 'Restoring' | 'Formed'

/** The states of a stage; the first is where one begins whose stored state is none of them. */
const STATES_OF: Readonly<Record<LifeStage, readonly [ClusterState, ...(readonly ClusterState[])]>> = {
  Forming: ['Creating', 'Meeting', 'Slotting'],
  Restoring: ['Restoring'],
  Formed: ['Healthy', 'Healing', 'Stalled'],
}

/** Whether a stored name is that of a state of formed clusters. */
export function isFormedState(name: string): boolean {
  return STATES_OF.Formed.some((one) => one === name)
}

/**
 * The state that follows. An unknown name, or one that contradicts the stage, starts at the right compound:
 * what is stored may come from another version, or from a restored backup.
 */
export function nextState(stored: string, stage: LifeStage, finding: FindingType | 'Sound'): ClusterState {
  const states = STATES_OF[stage]
  const start = states.find((one) => one === stored) ?? states[0]
  const from = clusterLifecycle.resolveState({ value: VALUE[start] })
  const [next] = transition(clusterLifecycle, from, { type: finding })
  return leafOf(next.value)
}

/** Whether a command is legal in a state. */
export function allows(state: string, command: CommandType): boolean {
  return isState(state) && metaOf(state).allows.includes(command)
}

/** The sentence and the legal commands of a state. */
export function metaOf(state: ClusterState): StateMeta {
  return {
    Creating: creating,
    Meeting: meeting,
    Slotting: slotting,
    Restoring: restoring,
    Healthy: healthy,
    Healing: healing,
    Stalled: stalled,
    Deleting: deleting,
  }[state]
}
