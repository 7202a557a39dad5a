import type { NodeRow } from './cluster-nodes.ts'
import type { NodeInfo } from './info.ts'

/** What Kubernetes says of a pod. */
export type PodView = {
  readonly uid: string
  readonly ip?: string
  readonly nodeName?: string
  readonly deleting: boolean
  readonly ready: boolean
  readonly running: boolean
  /** Since when the server's container runs, Unix ms. */
  readonly runningSince?: number
  /** Id of the server's container that runs now, or ran last. */
  readonly containerId?: string
  /** Ids of containers that kubelet itself reported as terminated, with how they ended. */
  readonly terminated: readonly {
    readonly containerId: string
    readonly exitCode: number
    readonly signal?: number
    readonly reason: string
    readonly message?: string
  }[]
  readonly restarts: number
  /** Why it can't start, in Kubernetes' words. */
  readonly blocked?: { readonly reason: string; readonly message: string }
  readonly role?: string
  /** Annotation: what the user asked of the pod when it was made. */
  readonly podHash?: string
}

/** What one server says of itself and of the others. */
export type NodeView = NodeInfo & {
  readonly nodeId: string
  readonly currentEpoch: number
  /** Its own `cluster_state:ok`. */
  readonly clusterOk: boolean
  readonly rows: readonly NodeRow[]
  readonly settings: Readonly<Record<string, string>>
}

/** What came of asking a member's server. Silence is never evidence of death; a refusal is a part of it. */
export type Contact =
  | { readonly type: 'up'; readonly view: NodeView }
  | { readonly type: 'loading' }
  | { readonly type: 'refused' }
  | { readonly type: 'denied'; readonly message: string }
  | { readonly type: 'silent'; readonly message: string }
  | { readonly type: 'absent' }

/** One wanted place of the cluster: position is not role. */
export type Member = {
  readonly pod: string
  readonly shard: number
  readonly index: number
  readonly kube: PodView | null
  readonly contact: Contact
}

/** What Kubernetes says of a machine (its Node). */
export type HostView = {
  readonly ready: boolean
  /** For how long it has not been ready; 0 while it is. */
  readonly notReadyMs: number
  /** A person said by a taint that it is switched off. */
  readonly outOfService: boolean
}

/** Keys that two servers hold with different values: nobody but a person knows which of them is wanted. */
export type KeyDispute = {
  readonly pods: readonly string[]
  /** Some of their names, fit to be printed. */
  readonly keys: readonly string[]
  /** How many others there are. */
  readonly more: number
}

/** What was asked about slots that primaries show as half moved. */
export type OpenSlots = {
  /** Keys by slot and by pod, of each server that answered as a primary. Of very many slots the first. */
  readonly keys: Readonly<Record<number, Readonly<Record<string, number>>>>
  /** Milliseconds for which this process has seen the same marks and the same counts. */
  readonly quietMs: number
  /** Clients whose last command was one of a move: somebody at work, unless long idle. */
  readonly movers: readonly { readonly pod: string; readonly address: string; readonly idleSeconds: number }[]
  readonly disputed: Readonly<Record<number, KeyDispute>>
}

/** Everything that was observed of a cluster, at one time, as plain data. */
export type Snapshot = {
  readonly members: readonly Member[]
  /** Node ids of the inbound bus links of each member's node, read after a refusal was met. */
  readonly inboundLinks: Readonly<Record<string, readonly string[]>>
  /** The machines that its pods are or were on; absent where we may not read them. */
  readonly hosts?: Readonly<Record<string, HostView>>
  /** `formedAt` of the members ConfigMap. */
  readonly recordedFormedAt?: string
  /** Absent while no slot is open, and when nobody could be asked. */
  readonly openSlots?: OpenSlots
}

/** What the spec asks of the topology. */
export type Desired = {
  readonly shards: number
  readonly membersPerShard: number
  readonly nodeTimeoutMs: number
  /** Settings that every server has, by name, as CONFIG GET prints them. */
  readonly settings: Readonly<Record<string, string>>
  /** Shards that may start empty when all their data is gone; others wait for a person (SAFETY 21). */
  readonly mayStartEmpty: readonly number[]
  /** When a pod that a lost machine keeps from being deleted is let go of, in milliseconds; null where pods have volumes. */
  readonly releasePodsAfterMs: number | null
  /** A restore filled the volumes of the first primaries: such a cluster is never formed, its servers find each other. */
  readonly restored: boolean
  /** The volumes are those of a former cluster, by a person's word: its servers come back, and find each other. */
  readonly adopted: boolean
  /** Shards whose latest writes a person gave up by name, for a time. */
  readonly consented: readonly number[]
}

/** What the status remembers that the topology depends on. */
export type History = {
  readonly formedAt?: string
  /** Milliseconds since the cluster was last Ready; 0 while it is. */
  readonly unreadyMs: number
  /** The operation under way. */
  readonly operation?: { readonly id: string; readonly type: string; readonly target: string; readonly since: string }
  /** Node id by pod, as last committed. */
  readonly nodes: Readonly<Record<string, string>>
  /** Slots by shard, as last committed. */
  readonly slots: Readonly<Record<number, string>>
  /** Epoch of its owner by shard, as last committed. */
  readonly epochs: Readonly<Record<number, number>>
  /** Pods whose replication link was up when last committed. */
  readonly attached: readonly string[]
  /** Token of the container last observed behind a pod's node id. */
  readonly incarnations: Readonly<Record<string, string>>
  /** The machine that it ran on. */
  readonly hosts: Readonly<Record<string, string>>
}

/** A member whose server answered. */
export type UpMember = Member & { readonly contact: { readonly type: 'up'; readonly view: NodeView } }

/** Whether the member's server answered. */
export function isUp(member: Member): member is UpMember {
  return member.contact.type === 'up'
}
