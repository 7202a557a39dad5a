import type { Condition } from './cluster-status.ts'

/** The part of a schedule's status that its controller writes. */
export type ScheduleStatus = {
  readonly state: string
  readonly observedGeneration?: number
  /** A backup that is to be created: remembered before it is, so that it is created once. */
  readonly pending?: { readonly name: string; readonly scheduledAt: string }
  /** The latest time of the schedule that is dealt with, by a backup or as missed. */
  readonly lastScheduleTime?: string
  readonly lastBackup?: string
  readonly lastSuccessfulTime?: string
  readonly nextScheduleTime?: string
  /** Times that went by without a backup, all in all. */
  readonly missed?: number
  /** Backups of it that have not ended. */
  readonly active?: readonly string[]
  readonly reason?: string
  readonly message?: string
  readonly deleted?: boolean
  readonly conditions?: readonly Condition[]
}
