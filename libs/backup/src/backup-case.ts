import type { RedisBackupSpec, RedisBackupStorageSpec } from '@slotkeeper/api'
import type { BackupStatus } from '@slotkeeper/events'
import type { AgentProgress, AgentReport } from './agent-report.ts'
import type { BackupRef } from './object-names.ts'

/** What an agent is there for; its Job is named by it. */
export type AgentStep = 'find' | 'store' | 'seal' | 'load' | 'delete' | 'check' | 'inspect' | 'seed' | 'verify'

/** An agent that was started: a Job and what became of its pod. */
export type AgentRun = {
  readonly job: string
  readonly uid: string
  readonly step: AgentStep
  /** The shard that it stores, loads or seeds, absent where it stores all; the generation of the storage that it checks. */
  readonly part?: number
  readonly attempt: number
  /** `ended` once the pod has; without last words it was killed, or its pod is gone. */
  readonly state: 'running' | 'ended'
  readonly report: AgentReport | null
  /** Whether it was told to stop. */
  readonly isStopping: boolean
  /** Whether its pod is gone: it does nothing any more. */
  readonly isGone: boolean
  /** Why its pod does not run yet, where Kubernetes says so. */
  readonly waitsFor?: string
  readonly progress?: AgentProgress
}

/** One shard of the cluster, as its controller last saw it. */
export type SourceShard = {
  readonly shard: number
  readonly slots: string
  readonly primary?: string
  readonly primaryDown?: boolean
  readonly attached: readonly string[]
  /** Pod name to node id, and to address. */
  readonly nodes: Readonly<Record<string, string>>
  readonly addresses: Readonly<Record<string, string>>
}

/** The cluster that is backed up. */
export type Source = {
  readonly uid: string
  /** The uid of the restore in place whose data it has: after another one what it holds is something else. */
  readonly restored?: string
  /** Why it can't be backed up just now; null when it can. */
  readonly busy: string | null
  readonly engine: { readonly engine: 'redis' | 'valkey'; readonly version: string }
  /** Of its servers. */
  readonly image: string
  readonly spec: Readonly<Record<string, unknown>>
  readonly shards: readonly SourceShard[]
}

/** The storage, with what its own controller said of it. */
export type StorageView = {
  readonly usable: boolean
  /** Whether its present spec was tried, whatever came of it. */
  readonly isTried: boolean
  readonly message: string
  readonly spec: RedisBackupStorageSpec
}

/** Another backup of the same cluster in the same storage. */
export type Sibling = {
  readonly uid: string
  readonly name: string
  readonly clusterUid: string
  /** When it was completed, RFC 3339. */
  readonly endedAt: string
  /** Of `verify: restore`: whether servers have loaded it. Absent where nobody asked for that. */
  readonly proof?: 'given' | 'missing'
}

/** Everything that a decision about a backup depends on. */
export type BackupCase = {
  readonly backup: BackupRef & {
    readonly createdAt: number
    readonly deletionAt?: number
    /** Whether a retention policy has deleted it, by `ExpireBackup`: else a person did. */
    readonly isLetGo?: boolean
    /** Whether the schedule that made it has deleted it, as one that was never whole. */
    readonly isDiscarded?: boolean
    readonly hasFinalizer: boolean
  }
  readonly spec: RedisBackupSpec
  readonly status: BackupStatus | null
  readonly source: Source | null
  readonly storage: StorageView | null
  readonly runs: readonly AgentRun[]
  /** Completed backups of the same cluster in the same storage, this one not among them. */
  readonly siblings: readonly Sibling[]
  /** Whether it is the copy of a restore: it goes with that, and no policy takes it before. */
  readonly isCopy: boolean
  /** What agents could not be started for: failures of the API server, in words; null when there were none. */
  readonly trouble: string | null
  readonly now: number
}
