import type { Condition } from './cluster-status.ts'

/** One shard of the new cluster: the slots that its primary is seeded with, and once it is what is in its volume. */
export type RestoreShardStatus = {
  readonly shard: number
  readonly slots: string
  /** Which attempt at it this is, from 1 on. */
  readonly attempt: number
  readonly streamedBytes?: number
  readonly streamedKeys?: number
  /** How many keys are likely to come. */
  readonly expectedKeys?: number
  /** As all below: present once its volume is seeded. */
  readonly nodeId?: string
  readonly keys?: number
  /** Of them, hashes of which fields have a time of their own; absent where there are none. */
  readonly endingHashes?: number
  /** Bytes on the volume. */
  readonly size?: number
}

/** The part of a restore's status that its controller writes. */
export type RestoreStatus = {
  readonly state: string
  readonly observedGeneration?: number
  /** The RedisBackup that it has made of its source; present once that was seen. */
  readonly copy?: { readonly name: string; readonly uid: string }
  readonly storageName?: string
  readonly manifest?: string
  /** Of the manifest, as the RedisBackup says it was sealed; absent where there was none. */
  readonly sealedSha256?: string
  /** Present once the backup was looked at; as all down to `shards`. */
  readonly manifestSha256?: string
  readonly engine?: { readonly engine: string; readonly version: string }
  /** When the backup was complete. */
  readonly takenAt?: string
  readonly keys?: number
  /** As it is stored. */
  readonly bytes?: number
  /** As servers read it. */
  readonly size?: number
  /** The spec that the cluster is created with. */
  readonly spec?: Readonly<Record<string, unknown>>
  readonly shards?: readonly RestoreShardStatus[]
  /** Of a restore in place: the cluster as it was found, and the volumes that it gives up. */
  readonly replaces?: {
    readonly uid: string
    readonly formedAt: string
    /** What the claims of these volumes are named after. */
    readonly volume: string
    /** The restore that the cluster was made of until then. */
    readonly restoredBy?: string
  }
  /** Once it is Completed: how many of these are left. */
  readonly oldVolumes?: number
  /** Present once the cluster is there. */
  readonly clusterUid?: string
  /**
   * Set, and never taken back, once a cluster may have begun to use the volumes: from then on they are its data, and no
   * longer a copy of what the storage holds.
   */
  readonly claimsStay?: boolean
  /** The order that it gave was taken back when it was deleted. */
  readonly withdrawn?: boolean
  /** The intent to create the cluster. */
  readonly operation?: { readonly id: string; readonly type: string; readonly target: string; readonly since: string }
  /** When the cluster was first ready. */
  readonly formedAt?: string
  /** Which attempt at the inspection, or at the verification, this is. */
  readonly attempt?: number
  /** No agent is started before. */
  readonly retryAt?: string
  /** What the servers have loaded, and what they left out because its time was over. */
  readonly loadedKeys?: number
  readonly expiredKeys?: number
  readonly beganAt?: string
  readonly endedAt?: string
  /** Since when it is being deleted, by the clock of who deletes it. */
  readonly deletingSince?: string
  /** What it waits for, or why it failed. */
  readonly reason?: string
  readonly message?: string
  readonly deleted?: boolean
  readonly conditions?: readonly Condition[]
}
