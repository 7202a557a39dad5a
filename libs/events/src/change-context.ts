import type { PrimaryChangeCause, RestartReason } from './cluster-events.ts'
import type { ClusterStatus } from './cluster-status.ts'

/** What one pass knows beside the two statuses. It colours events; whether there is one is decided by the statuses alone. */
export type ChangeContext = {
  /** Unix ms. */
  readonly now: number
  /** Set when there was no status and the world already held this cluster. */
  readonly adopted?: 'StatusMissing' | 'ObjectRecreated'
  /** What the spec asks for; told by `Accepted`. */
  readonly wanted?: { readonly shards: number; readonly replicasPerShard: number; readonly version: string }
  /** The paths of the spec that changed; told by `SpecChanged`. */
  readonly specPaths?: readonly string[]
  /** The gravest finding; told by `StateChanged`. */
  readonly finding?: { readonly type: string; readonly about: string; readonly message?: string }
  /** Pod name to what was seen of it; told by `PrimaryLost` and `MemberLeft`. */
  readonly evidence?: Readonly<Record<string, readonly string[]>>
  /** Pod name to how its last container ended; told by `MemberRestarted`. */
  readonly exits?: Readonly<Record<string, MemberExit>>
  /** Shard number to how its primary changed; told by `PrimaryChanged`. Unnamed: the engine did it. */
  readonly primaryChanges?: Readonly<Record<number, PrimaryChange>>
  /** Pod name to address, where the status holds none; told by `MemberJoined`. */
  readonly addresses?: Readonly<Record<string, string>>
  /** Milliseconds from creation until formed; told by `ClusterFormed`. */
  readonly durationMs?: number
  /** Why the operation that ends now was given up. Absent: it was finished. */
  readonly abandoned?: string
  /** Shards that have started empty with a person's consent; told by `OverrideExpired`. */
  readonly overrideUsed?: readonly number[]
  /** Keys that were moved since slots were found half moved; told by `SlotsRepaired`. */
  readonly movedKeys?: number
  /** Whether the volumes stay after deletion. */
  readonly retain?: boolean
}

/** How a container ended. */
export type MemberExit = { readonly exitCode?: number; readonly signal?: number; readonly reason: RestartReason }

/** How a primary changed. */
export type PrimaryChange = {
  readonly cause: PrimaryChangeCause
  readonly opId?: string
  readonly writesAtRisk?: boolean
}

/** What one step of telling changes sees: the status as the events so far leave it, and the one to be reached. */
export type Step = { readonly so: ClusterStatus; readonly after: ClusterStatus; readonly context: ChangeContext }
