import type { ClusterEventData, ClusterEventType } from './cluster-events.ts'

/** When each event is told. */
export const clusterEventSentences: Readonly<Record<ClusterEventType, string>> = {
  Accepted: 'A new cluster was seen for the first time.',
  Adopted: 'A running cluster without a status was taken over as it was found.',
  SpecChanged: 'Decisions rest on another spec than before.',
  StateChanged: 'The state of the cluster changed.',
  ConditionChanged: 'One of the conditions Ready, Degraded or Stalled changed.',
  ClusterFormed: 'All slots were assigned for the first time. Once in the life of a cluster.',
  RestoreBegun:
    'By a restore in place the cluster gives up what it held: the records of its members and slots start anew.',
  RestoreWithdrawn:
    'The order of a restore in place was taken back before servers were started on what it had filled: the cluster goes on with what it had.',
  Restored: 'All slots are served with the data of a restore in place.',
  MemberJoined: 'A node became a member.',
  MemberLeft: 'A node is no longer a member.',
  MemberRestarted: 'The container of a member is another one than before.',
  AddressChanged: 'A member has another address.',
  PrimaryLost: 'The primary of a shard does not answer.',
  PrimaryReturned: 'The primary of a shard that was lost answers again, before another took over.',
  PrimaryChanged: 'A shard has another primary.',
  ReplicaAttached: 'The replication link of a replica came up.',
  ReplicaDetached: 'The replication link of a replica went down.',
  SlotsAssigned: 'Slots were given to a shard, for the first time or from another shard.',
  SlotsUncovered: 'Slots have no owner any more.',
  SlotsCovered: 'Slots that had no owner have one again.',
  SlotsLeftOpen: 'Slots were found half moved, and nobody was moving them any more.',
  SlotsRepaired: 'Slots that were left half moved are whole: one owner each, which has all keys.',
  OperationStarted: 'Something that cannot be repeated harmlessly was decided; it is done after this is stored.',
  OperationFinished: 'An operation had its effect.',
  OperationAbandoned: 'An operation was given up.',
  OverrideAccepted: 'A person gave up the data of shards, for a time, by an annotation.',
  OverrideExpired: 'A consent to lose data holds no more: it was used, withdrawn, or its time is over.',
  VolumesClaimed: 'A person named a deleted cluster: the volumes that it left are taken over, or emptied.',
  DeletionStarted: 'The deletion of the cluster was seen.',
  Deleted: 'Everything that belongs to the cluster is gone, but volumes that stay.',
}

const shard = 1
const from = { pod: 'orders-1-0', nodeId: '07c37dfeb235213a872192d90877d0cd55635b91' }
const to = { pod: 'orders-1-1', nodeId: 'e7d1eecce10fd6bb5eb35b9f99a514335d9ba9ca' }
const opId = '1763719200000:18'
const operation = { opId, type: 'FailOver', target: 'orders-1-1' }
const ranges = ['5461-10922']
const slots = { shard, ranges, count: 5462 }

/** Data of each event as it may look. */
export const clusterEventExamples: { readonly [T in ClusterEventType]: ClusterEventData<T> } = {
  Accepted: {
    state: 'Creating',
    shards: 3,
    replicasPerShard: 1,
    version: '9.1.2',
    specHash: 'h1:5e2f9a',
    message: 'Accepted: 3 shards with 1 replica each, version 9.1.2',
  },
  Adopted: {
    why: 'StatusMissing',
    state: 'Healthy',
    shards: 3,
    specHash: 'h1:5e2f9a',
    formedAt: '2026-11-21T10:00:05Z',
    message: 'Adopted as it was found, with 3 shards: its status was missing',
  },
  SpecChanged: {
    specHash: 'h1:81c0d4',
    paths: ['spec.config.maxmemory-policy'],
    more: 0,
    message: 'The spec changed: spec.config.maxmemory-policy',
  },
  StateChanged: {
    from: 'Healthy',
    to: 'Healing',
    finding: 'PrimaryDown',
    about: 'shard 1',
    message: 'Healthy became Healing: shard 1: the primary orders-1-0 does not answer',
  },
  ConditionChanged: {
    type: 'Ready',
    from: 'True',
    to: 'False',
    reason: 'PrimaryDown',
    message: 'shard 1 has no primary that answers',
  },
  ClusterFormed: {
    shards: 3,
    members: 6,
    durationMs: 8140,
    formedAt: '2026-11-21T10:00:05Z',
    message: 'Formed of 6 members in 3 shards',
  },
  RestoreBegun: {
    restore: 'orders-of-monday',
    uid: '0b7a0f3e-0c0a-4d2c-a3d4-1f6f2f6a9b11',
    since: '2026-11-21T10:04:31Z',
    members: 6,
    message:
      'What RedisRestore orders-of-monday has filled replaces the data: 6 members are stopped, their volumes stay',
  },
  RestoreWithdrawn: {
    restore: 'orders-of-monday',
    uid: '0b7a0f3e-0c0a-4d2c-a3d4-1f6f2f6a9b11',
    message:
      'What RedisRestore orders-of-monday has filled is not taken after all: the cluster goes on with what it had',
  },
  Restored: {
    restore: 'orders-of-monday',
    uid: '0b7a0f3e-0c0a-4d2c-a3d4-1f6f2f6a9b11',
    formedAt: '2026-11-21T10:05:02Z',
    message: 'Whole with the data of RedisRestore orders-of-monday',
  },
  MemberJoined: {
    ...to,
    shard,
    role: 'replica',
    address: '10.244.1.17',
    incarnation: '3f9a0c1d77e2',
    message: 'orders-1-1 joined shard 1 as replica',
  },
  MemberLeft: { ...from, shard, evidence: ['5 of 5 nodes no longer list it'], message: 'orders-1-0 left shard 1' },
  MemberRestarted: {
    pod: from.pod,
    shard,
    incarnation: '90b1d2aa4c05',
    exitCode: 137,
    signal: 9,
    reason: 'OutOfMemory',
    message: 'orders-1-0 restarted: OutOfMemory, signal 9',
  },
  AddressChanged: {
    ...from,
    shard,
    from: '10.244.1.17',
    to: '10.244.2.9',
    message: 'orders-1-0 moved from 10.244.1.17 to 10.244.2.9',
  },
  PrimaryLost: {
    ...from,
    shard,
    evidence: ['orders-0-0 marks it fail', 'pod is gone'],
    message: 'Shard 1 lost its primary orders-1-0',
  },
  PrimaryReturned: { ...from, shard, message: 'The primary orders-1-0 of shard 1 answers again' },
  PrimaryChanged: {
    shard,
    from,
    to,
    cause: 'Assisted',
    configEpoch: 8,
    opId,
    writesAtRisk: true,
    message: 'orders-1-1 took over shard 1 from orders-1-0',
  },
  ReplicaAttached: { shard, pod: from.pod, primary: to.pod, message: 'orders-1-0 replicates orders-1-1' },
  ReplicaDetached: {
    shard,
    pod: to.pod,
    primary: from.pod,
    message: 'orders-1-1 lost its replication link to orders-1-0',
  },
  SlotsAssigned: { ...slots, message: 'Shard 1 was given 5462 slots' },
  SlotsUncovered: { ...slots, message: '5462 slots of shard 1 have no owner' },
  SlotsCovered: { ...slots, message: 'Shard 1 owns 5462 slots that had no owner' },
  SlotsLeftOpen: { ranges: ['93'], count: 1, message: 'Slot 93 was left half moved' },
  SlotsRepaired: { ranges: ['93'], count: 1, keys: 120, message: 'Slot 93 is whole again, 120 keys were moved' },
  OperationStarted: { ...operation, since: '2026-11-21T10:04:31Z', message: 'FailOver of orders-1-1 started' },
  OperationFinished: { ...operation, durationMs: 1290, message: 'FailOver of orders-1-1 finished' },
  OperationAbandoned: {
    ...operation,
    durationMs: 10000,
    reason: 'the primary answers again',
    message: 'FailOver of orders-1-1 given up: the primary answers again',
  },
  OverrideAccepted: {
    shards: [1],
    until: '2026-11-21T11:00:00Z',
    message: 'Until 2026-11-21T11:00:00Z shard 1 may start empty',
  },
  OverrideExpired: {
    shards: [1],
    until: '2026-11-21T11:00:00Z',
    why: 'Used',
    message: 'Shard 1 may no longer start empty: it has done so',
  },
  VolumesClaimed: {
    uid: '6f3c9a52-3f0e-4d0e-9a3e-0f6f6b1f2c11',
    how: 'Adopted',
    message:
      'Volumes of the cluster with uid 6f3c9a52-3f0e-4d0e-9a3e-0f6f6b1f2c11 are taken over, with all that is on them',
  },
  DeletionStarted: { retain: true, message: 'Deletion started; volumes stay' },
  Deleted: { retain: true, message: 'Deleted; volumes stay' },
}
