/** What the members of one shard are, as far as events tell it. */
export type ShardStatus = {
  readonly shard: number
  /** Owned slots, ascending and merged: `0-5460`, `0-10,20-30`, or empty. A slot belongs to at most one shard. */
  readonly slots: string
  /** Pod of the last primary known. Stays named while it is down, until another takes over or it leaves. */
  readonly primary?: string
  /** True while the named primary does not answer; absent otherwise. `PrimaryLost` and `PrimaryReturned` are its edges. */
  readonly primaryDown?: boolean
  /** Configuration epoch of the primary. Travels with `PrimaryChanged`; a change of it alone is no event. */
  readonly epoch?: number
  /** Members: pod name to node id. */
  readonly nodes: Readonly<Record<string, string>>
  /** Pods whose replication link to the primary is up. */
  readonly attached?: readonly string[]
  /**
   * Pod name to a short token of its running container (12 hex of the container id). `MemberRestarted` is its change.
   * Once known it stays until the member leaves.
   */
  readonly incarnations?: Readonly<Record<string, string>>
  /** Pod name to address. Optional: without it `AddressChanged` is never told. Once known it stays until the member leaves. */
  readonly addresses?: Readonly<Record<string, string>>
  /** Pod name to the machine (Kubernetes node) of its container; no event tells of it. */
  readonly hosts?: Readonly<Record<string, string>>
}

/** A condition in the form Kubernetes gives it. */
export type Condition = {
  readonly type: string
  readonly status: 'True' | 'False' | 'Unknown'
  readonly reason: string
  readonly message: string
  readonly observedGeneration?: number
  readonly lastTransitionTime: string
}

/** An intent that was committed before it is carried out. */
export type OperationStatus = {
  readonly id: string
  readonly type: string
  readonly target: string
  readonly since: string
}

/** A restore in place, from when it replaces the data of before; `formedAt` once the cluster was whole on its data. */
export type RestoredStatus = {
  readonly name: string
  readonly uid: string
  readonly since: string
  readonly formedAt?: string
  /** The one whose data it had before; until it is whole, it may be that again. */
  readonly former?: FormerRestored
}

/** A restore in place with whose data the cluster was whole. */
export type FormerRestored = {
  readonly name: string
  readonly uid: string
  readonly since: string
  readonly formedAt: string
}

/** The part of a cluster's status that events are differences of; other fields may stand beside it. */
export type ClusterStatus = {
  readonly state: string
  readonly observedGeneration?: number
  readonly observedBy?: string
  /** Hash of the spec the decisions rest on; `SpecChanged` is its change. */
  readonly specHash?: string
  readonly version?: string
  readonly formedAt?: string
  /** The restore in place that all below, and the records of members, belong to; absent while there was none. */
  readonly restored?: RestoredStatus
  readonly shards?: number
  readonly readyShards?: number
  readonly selector?: string
  readonly binding?: { readonly name: string }
  readonly topology?: readonly ShardStatus[]
  readonly operation?: OperationStatus
  /** The data loss that a person accepted: `value` as written, and the shards for which it still holds. */
  readonly override?: { readonly value: string; readonly shards: readonly number[]; readonly until: string }
  /** Slots that were left half moved and are being repaired, as ranges: `93`, `93-95,97`. Absent when there are none. */
  readonly openSlots?: string
  /** Whose volumes were taken over or given up by a person's word. Once known it stays. */
  readonly claimedVolumes?: { readonly uid: string; readonly how: 'Adopted' | 'Discarded' }
  /** True in the last write, with the removal of the finalizer; `Deleted` is its edge. */
  readonly deleted?: boolean
  readonly conditions?: readonly Condition[]
}

/** The state in which a cluster is taken down; entering it is `DeletionStarted`. */
export const deletingState = 'Deleting'

/** The conditions whose changes are events; the others are for people who look now. */
export const toldConditions = ['Ready', 'Degraded', 'Stalled'] as const

/** One of the conditions whose changes are events. */
export type ToldCondition = (typeof toldConditions)[number]

/** An empty shard, before its first member is known. */
export const emptyShard = (shard: number): ShardStatus => ({ shard, slots: '', nodes: {} })

/** The shard of that number, or an empty one. */
export const shardOf = (status: ClusterStatus, shard: number): ShardStatus =>
  status.topology?.find((each) => each.shard === shard) ?? emptyShard(shard)

/** The status of a told condition; one that is absent counts as False. */
export const conditionStatus = (status: ClusterStatus, type: string): Condition['status'] =>
  status.conditions?.find((each) => each.type === type)?.status ?? 'False'
