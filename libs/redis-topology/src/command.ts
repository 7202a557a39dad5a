import type { SlotRepair } from './repair-slots.ts'
import type { SlotRange } from './slots.ts'

/** Everything that may be done to a cluster. Each is idempotent, or goes out only with a committed intent (`opId`). */
export type ClusterCommand =
  | { readonly type: 'ApplyObject'; readonly kind: string; readonly name: string }
  | { readonly type: 'DeleteObject'; readonly kind: string; readonly name: string; readonly uid: string }
  | { readonly type: 'ReleasePod'; readonly pod: string; readonly uid: string }
  | { readonly type: 'LabelPods'; readonly roles: Readonly<Record<string, 'primary' | 'replica'>> }
  | { readonly type: 'EnsureFinalizer' }
  | { readonly type: 'RemoveFinalizer' }
  | {
      readonly type: 'MeetNodes'
      readonly opId?: string
      readonly meets: readonly Meet[]
      readonly forming?: readonly FormingNode[]
      readonly recalled?: RecalledEpoch
    }
  | { readonly type: 'AssignSlots'; readonly opId: string; readonly assignments: readonly Assignment[] }
  | { readonly type: 'AttachReplicas'; readonly attachments: readonly Attachment[] }
  | { readonly type: 'RaiseEpoch'; readonly pod: string; readonly nodeId: string }
  | { readonly type: 'ConfigureNodes'; readonly settings: Readonly<Record<string, Readonly<Record<string, string>>>> }
  | {
      readonly type: 'FailOver'
      readonly opId: string
      readonly shard: number
      readonly pod: string
      readonly nodeId: string
    }
  | {
      readonly type: 'TakeOver'
      readonly opId: string
      readonly shard: number
      readonly pod: string
      readonly nodeId: string
    }
  | {
      readonly type: 'HandOver'
      readonly opId: string
      readonly shard: number
      readonly pod: string
      readonly nodeId: string
    }
  | {
      readonly type: 'StartEmpty'
      readonly opId: string
      readonly shard: number
      readonly pod: string
      readonly nodeId: string
      readonly ranges: readonly SlotRange[]
      /** Of these the node still believes that a node that is gone owns them. */
      readonly release: readonly SlotRange[]
      /** What it is to begin with, where nobody knows the epochs that the status remembers; absent: above what it has heard of. */
      readonly epoch?: number
    }
  | {
      readonly type: 'CoverSlots'
      readonly opId: string
      readonly shard: number
      readonly pod: string
      readonly nodeId: string
      readonly ranges: readonly SlotRange[]
      /** The shard's replicas: each is to forget that the slots were not claimed for a while. */
      readonly replicas: readonly { readonly pod: string; readonly nodeId: string }[]
    }
  | {
      readonly type: 'RepairSlots'
      readonly opId: string
      readonly repairs: readonly SlotRepair[]
      /** Node id of every primary, by pod. */
      readonly nodes: Readonly<Record<string, string>>
      /** Replicas in sync with each target, by its pod. */
      readonly replicas: Readonly<Record<string, readonly string[]>>
      /** Pods to which keys may be moved though no replica of theirs is in sync. */
      readonly unguarded: readonly string[]
    }
  | {
      readonly type: 'ReplaceVolumes'
      readonly opId: string
      /** The uid of the restore in place that has filled the new volumes. */
      readonly restore: string
      readonly shards: number
      /** StatefulSets over the former volumes: made to keep these, then deleted. */
      readonly sets: readonly { readonly name: string; readonly uid: string; readonly keeps: boolean }[]
    }
  | { readonly type: 'ForgetNode'; readonly opId: string; readonly nodeId: string; readonly pods: readonly string[] }

/** A pod's node is introduced to others. The ids are verified on the spot: addresses are reused. */
export type Meet = {
  readonly pod: string
  readonly peers: readonly { readonly pod: string; readonly nodeId: string }[]
}
/** An epoch above all that the status remembers, for a server that knows nobody. */
export type RecalledEpoch = { readonly pod: string; readonly nodeId: string; readonly epoch: number }
/** What a node of a cluster in formation is given before its first MEET. */
export type FormingNode = { readonly pod: string; readonly epoch: number; readonly nodeTimeoutMs: number }
/** First slots of a node. */
export type Assignment = { readonly pod: string; readonly nodeId: string; readonly ranges: readonly SlotRange[] }
/** A node that is to follow a primary. */
export type Attachment = { readonly pod: string; readonly primary: string; readonly primaryId: string }

/** The name of a command. */
export type CommandType = ClusterCommand['type']
