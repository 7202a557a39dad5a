import { z } from 'zod'

const message = z.string().describe('The event as a sentence.')
const shard = z.int().min(0).describe('Number of the shard.')
const pod = z.string().describe('Name of the pod.')
const nodeId = z.string().describe('Node id inside the cluster, 40 hexadecimal digits.')
const count = z.int().min(0)
const durationMs = z.int().min(0).describe('Milliseconds it took.')
const evidence = z.array(z.string()).max(3).describe('What was seen, at most three observations.')
const adopted = z.literal(true).optional().describe('Present when the fact was found at adoption, not caused now.')
const ranges = z.array(z.string()).min(1).max(8).describe('Slot ranges; more than eight become several events.')
const conditionStatus = z.enum(['True', 'False', 'Unknown'])
const opId = z.string().describe('Id of the operation: `<life>:<sequence of its OperationStarted>`.')
const member = z.object({ pod, nodeId })

/** Why a primary changed. */
export const primaryChangeCauses = ['Planned', 'Assisted', 'Engine', 'Takeover', 'Foreign'] as const

/** Why a member restarted. */
export const restartReasons = [
  'Crashed',
  'OutOfMemory',
  'ProbeFailed',
  'Evicted',
  'ConfigChange',
  'VersionChange',
  'Requested',
  'Unknown',
] as const

const slots = { shard, ranges, count: count.describe('Slots in these ranges.'), message }
const restore = { restore: z.string().describe('Name of the RedisRestore.'), uid: z.string().describe('Its uid.') }
const former = z
  .object({ name: z.string(), uid: z.string(), since: z.string(), formedAt: z.string() })
  .optional()
  .describe('The restore in place whose data it had before.')
const operation = { opId, type: z.string(), target: z.string() }

/** The data of every cluster event, version 1. Fields are only ever added. */
export const clusterEventData = {
  Accepted: z.object({
    state: z.string(),
    shards: count.describe('Shards asked for.'),
    replicasPerShard: count,
    version: z.string().describe('Version asked for.'),
    specHash: z.string(),
    message,
  }),
  Adopted: z.object({
    why: z.enum(['StatusMissing', 'ObjectRecreated']),
    state: z.string(),
    shards: count.describe('Shards found.'),
    specHash: z.string().optional(),
    formedAt: z.string().optional(),
    restored: z
      .object({ name: z.string(), uid: z.string(), since: z.string(), formedAt: z.string().optional(), former })
      .optional()
      .describe('The restore in place whose data it has.'),
    message,
  }),
  SpecChanged: z.object({
    specHash: z.string(),
    paths: z.array(z.string()).max(10),
    more: count.describe('Changed paths that are not listed.'),
    message,
  }),
  StateChanged: z.object({
    from: z.string(),
    to: z.string(),
    finding: z.string().optional().describe('The gravest finding at that time.'),
    about: z.string().optional().describe('What the finding is about.'),
    message,
  }),
  ConditionChanged: z.object({
    type: z.enum(['Ready', 'Degraded', 'Stalled']),
    from: conditionStatus,
    to: conditionStatus,
    reason: z.string(),
    message,
  }),
  ClusterFormed: z.object({ shards: count, members: count, durationMs, formedAt: z.string(), message }),
  RestoreBegun: z.object({
    ...restore,
    since: z.string(),
    members: count.describe('Members of before: they are stopped, and their volumes stay.'),
    former,
    message,
  }),
  RestoreWithdrawn: z.object({ ...restore, former, message }),
  Restored: z.object({ ...restore, formedAt: z.string(), message }),
  MemberJoined: z.object({
    pod,
    nodeId,
    shard,
    role: z.enum(['primary', 'replica']),
    address: z.string().optional(),
    incarnation: z.string().optional().describe('Token of the running container.'),
    attached: z.literal(true).optional().describe('Its replication link was up already; with `adopted` only.'),
    adopted,
    message,
  }),
  MemberLeft: z.object({ pod, nodeId, shard, evidence, message }),
  MemberRestarted: z.object({
    pod,
    shard,
    incarnation: z.string().describe('Token of the running container.'),
    exitCode: z.int().optional(),
    signal: z.int().optional(),
    reason: z.enum(restartReasons),
    message,
  }),
  AddressChanged: z.object({ pod, nodeId, shard, from: z.string(), to: z.string(), message }),
  PrimaryLost: z.object({ shard, pod, nodeId, evidence, message }),
  PrimaryReturned: z.object({ shard, pod, nodeId, message }),
  PrimaryChanged: z.object({
    shard,
    from: member.optional().describe('Absent when none was known.'),
    to: member,
    cause: z.enum(primaryChangeCauses),
    configEpoch: z.int().optional().describe('Configuration epoch of the new primary.'),
    opId: opId.optional(),
    writesAtRisk: z.boolean().describe('Whether acknowledged writes may have been lost.'),
    message,
  }),
  ReplicaAttached: z.object({ shard, pod, primary: z.string(), message }),
  ReplicaDetached: z.object({ shard, pod, primary: z.string(), message }),
  SlotsAssigned: z.object({ ...slots, adopted }),
  SlotsUncovered: z.object(slots),
  SlotsCovered: z.object(slots),
  SlotsLeftOpen: z.object({ ranges, count: count.describe('Slots in these ranges.'), message }),
  SlotsRepaired: z.object({
    ranges,
    count: count.describe('Slots in these ranges.'),
    keys: count.describe('Keys that were moved for all slots that were open.'),
    message,
  }),
  OperationStarted: z.object({ ...operation, since: z.string(), message }),
  OperationFinished: z.object({ ...operation, durationMs, message }),
  OperationAbandoned: z.object({ ...operation, durationMs, reason: z.string(), message }),
  OverrideAccepted: z.object({
    shards: z.array(z.int()).describe('Shards whose data a person gave up.'),
    until: z.string(),
    message,
  }),
  OverrideExpired: z.object({
    shards: z.array(z.int()).describe('Shards for which it holds no more.'),
    until: z.string(),
    why: z.enum(['Used', 'TimedOut', 'Withdrawn']),
    message,
  }),
  VolumesClaimed: z.object({
    uid: z.string().describe('Of the deleted cluster that left the volumes.'),
    how: z.enum(['Adopted', 'Discarded']).describe('Whether what is on them is served, or deleted.'),
    message,
  }),
  DeletionStarted: z.object({ retain: z.boolean().describe('Whether the volumes stay.'), message }),
  Deleted: z.object({ retain: z.boolean().describe('Whether the volumes stayed.'), message }),
} as const

/** The name of a cluster event. */
export type ClusterEventType = keyof typeof clusterEventData

/** The data of the cluster event of that name. */
export type ClusterEventData<T extends ClusterEventType> = z.infer<(typeof clusterEventData)[T]>

/** A cluster event as the controller commits it: its name and its data. */
export type ClusterEvent = {
  [T in ClusterEventType]: { readonly type: T; readonly data: Readonly<ClusterEventData<T>> }
}[ClusterEventType]

/** Every cluster event's name, in the order of the catalogue. */
export const clusterEventTypes = Object.keys(clusterEventData) as readonly ClusterEventType[]

/** Whether a name is that of a cluster event this version knows. */
export const isClusterEventType = (type: string): type is ClusterEventType => Object.hasOwn(clusterEventData, type)

/** Reads a cluster event; null when its name is unknown or its data does not fit. Unknown fields are dropped. */
export const parseClusterEvent = (type: string, data: unknown): ClusterEvent | null => {
  if (!isClusterEventType(type)) return null
  const parsed = clusterEventData[type].safeParse(data)
  return parsed.success ? ({ type, data: parsed.data } as ClusterEvent) : null
}

/** The shape of `data.cause` of PrimaryChanged. */
export type PrimaryChangeCause = (typeof primaryChangeCauses)[number]

/** The shape of `data.reason` of MemberRestarted. */
export type RestartReason = (typeof restartReasons)[number]
