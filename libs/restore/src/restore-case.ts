import type { RedisRestoreSpec } from '@slotkeeper/api'
import type { AgentRun, StorageView } from '@slotkeeper/backup'
import type { RestoreStatus } from '@slotkeeper/events'
import type { Engine } from './target-spec.ts'

/** The RedisBackup that is restored. */
export type BackupView = {
  readonly uid: string
  /** The uid of the restore whose copy it is. */
  readonly madeBy?: string
  readonly state: string
  /** What it waits for, or why it failed. */
  readonly reason?: string
  /** How far it is, for people. */
  readonly message?: string
  readonly storageName: string
  /** What its servers are; present once it has begun. */
  readonly engine?: Engine
  /** Present once it is completed. */
  readonly manifest?: string
  /** Of the manifest as it was sealed. */
  readonly sha256?: string
  readonly isDeleting: boolean
}

/** One shard of the new cluster, as its controller last saw it. */
export type TargetShard = {
  readonly shard: number
  /** Pod name to node id, and to address. */
  readonly nodes: Readonly<Record<string, string>>
  readonly addresses: Readonly<Record<string, string>>
}

/** The RedisCluster of the target's name. */
export type TargetView = {
  readonly uid: string
  /** The uid of the restore that it is made of, or was told to be. */
  readonly restoredBy?: string
  /** The name of that restore. */
  readonly restoreName?: string
  /** The restore in place whose data it had when that one was ordered. */
  readonly former?: { readonly name: string; readonly uid: string }
  /** The restore in place whose data it has by now, or is about to have; absent while it has those that it began with. */
  readonly holds?: { readonly name: string; readonly uid: string }
  /** The uid of the restore in place that gave it the last order, be that taken back by now. */
  readonly orderedBy?: string
  /** That restore was one in place. */
  readonly inPlace: boolean
  readonly spec: Readonly<Record<string, unknown>>
  /** When it was whole first. */
  readonly formedAt?: string
  readonly isDeleting: boolean
  /** It has begun to give up what it had for the data that its spec names, or has that by now. */
  readonly isSwitched?: boolean
  /** With the data that its spec names. */
  readonly isReady: boolean
  /** What its controller said of it last, for people. */
  readonly message: string
  readonly shards: readonly TargetShard[]
}

/** A PersistentVolumeClaim of a name that the new cluster's pods will use. */
export type ClaimView = {
  readonly name: string
  readonly uid: string
  /** The uid of the restore that made it. */
  readonly restoredBy?: string
  readonly isDeleting: boolean
}

/** Everything that a decision about a restore depends on. */
export type RestoreCase = {
  readonly restore: {
    readonly namespace: string
    readonly name: string
    readonly uid: string
    readonly createdAt: number
    readonly deletionAt?: number
    readonly hasFinalizer: boolean
  }
  readonly spec: RedisRestoreSpec
  readonly status: RestoreStatus | null
  /** Of the name that `backupNameOf` gives; null where there is none. */
  readonly backup: BackupView | null
  readonly storage: StorageView | null
  readonly target: TargetView | null
  /** Other restores in place into the same cluster. */
  readonly rivals: readonly {
    readonly name: string
    readonly uid: string
    readonly createdAt: number
    /** It no longer waits for others. */
    readonly hasBegun: boolean
    readonly isEnded: boolean
  }[]
  /** All claims of the names that pods of the target may have. */
  readonly claims: readonly ClaimView[]
  readonly runs: readonly AgentRun[]
  /** What could not be created: failures of the API server, in words; null when there were none. */
  readonly trouble: string | null
  readonly now: number
}
