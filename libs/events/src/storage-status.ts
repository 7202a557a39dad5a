import type { Condition } from './cluster-status.ts'

/** The part of a storage's status that its controller writes. */
export type StorageStatus = {
  readonly state: string
  readonly observedGeneration?: number
  /** How often it was tried: which agent is the next. */
  readonly checks?: number
  /** How often in a row it did not serve. */
  readonly failedChecks?: number
  /** When it was tried last, and which generation of the spec. */
  readonly checkedAt?: string
  readonly checkedGeneration?: number
  /** When it is tried again; absent while it is time, or while it is being tried. */
  readonly nextCheckAt?: string
  /** The last word by which a person had it tried at once. */
  readonly checkAsked?: string
  readonly reason?: string
  readonly message?: string
  readonly keepsFirst?: boolean
  readonly backups?: number
  readonly bytes?: number
  /** When a completed backup came or went last. */
  readonly backupsChangedAt?: string
  /** When the oldest and the newest completed backup in it ended. */
  readonly recoveryWindow?: { readonly from: string; readonly to: string }
  /** What lay in it at the last check: how many backups, and the newest of them, with the names of their manifests. */
  readonly held?: {
    readonly backups: number
    readonly newest: readonly {
      readonly manifest: string
      readonly cluster?: string | undefined
      readonly endedAt: string
      readonly keys?: number | undefined
    }[]
    /** How many of the newest can't be opened with the keys that there are, why, and one of them in words. */
    readonly unreadable?: number | undefined
    readonly unreadableReason?: 'KeyWrong' | 'NotEncrypted' | undefined
    readonly unreadableMessage?: string | undefined
  }
  readonly deleted?: boolean
  readonly conditions?: readonly Condition[]
}
