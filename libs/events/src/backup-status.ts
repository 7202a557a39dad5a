import type { Condition } from './cluster-status.ts'

/** One shard of a backup: what is under way, and once it is stored what is there. */
export type BackupShardStatus = {
  readonly shard: number
  /** Which attempt at it this is, from 1 on. */
  readonly attempt: number
  /** The slots of the shard when the backup began, empty where that is not known yet; those of the stored data once it is. */
  readonly slots: string
  readonly streamedBytes?: number
  readonly streamedKeys?: number
  /** How many keys are likely to come. */
  readonly expectedKeys?: number
  /** Present once the shard is stored and was read back. */
  readonly record?: string
  readonly object?: string
  /** As all below: absent where its agent had no room to tell of it. */
  readonly bytes?: number
  readonly keys?: number
  readonly sha256?: string
  readonly offset?: number
  readonly takenFrom?: string
  readonly rdb?: { readonly format: string; readonly version: number }
  /** What a server that was started from it has loaded, and left out since its time was over. */
  readonly loaded?: { readonly keys: number; readonly expired: number }
}

/** The part of a backup's status that its controller writes. */
export type BackupStatus = {
  readonly state: string
  readonly observedGeneration?: number
  /** The restore in place whose data the cluster had when the backup began; absent where there was none. */
  readonly restored?: string
  /** Of servers that are none of ours the address stands for both. */
  readonly cluster?: { readonly name: string; readonly uid: string }
  /** SHA-256 of which servers were found, where they are none of ours. */
  readonly topology?: string
  readonly engine?: { readonly engine: string; readonly version: string }
  /** Of the servers, where some are to be started from what is stored: their cluster may be gone by then. */
  readonly image?: string
  readonly beganAt?: string
  readonly endedAt?: string
  readonly shards?: readonly BackupShardStatus[]
  /** Which attempt at the manifest, or at the deletion, this is. */
  readonly attempt?: number
  /** No agent is started before. */
  readonly retryAt?: string
  /** For how long writes waited, in milliseconds, where all shards are of one moment. */
  readonly heldMs?: number
  /** Present once the manifest is stored. */
  readonly manifest?: string
  readonly manifestSha256?: string
  /** By what it was proven, once it is completed. */
  readonly verified?: 'read-back' | 'restore'
  readonly bytes?: number
  readonly keys?: number
  /** The rule of retention by which it is being deleted. */
  readonly expired?: string
  /** Whether that passes over the deletionPolicy Retain that it had when its deletion began. */
  readonly overruled?: boolean
  /** Since when it is being deleted, by the clock of who deletes it. */
  readonly deletingSince?: string
  readonly objectsDeleted?: number
  /** Whether all that is stored of it was to stay when it was deleted. */
  readonly objectsKept?: boolean
  /** Why objects may have been left in the storage. */
  readonly objectsLeft?: string
  /** What it waits for, or why it failed. */
  readonly reason?: string
  readonly message?: string
  readonly deleted?: boolean
  readonly conditions?: readonly Condition[]
}
