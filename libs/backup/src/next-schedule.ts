import { defined, type RedisBackupScheduleSpec } from '@slotkeeper/api'
import type { ScheduleStatus } from '@slotkeeper/events'
import { scheduleTimes } from './schedule-times.ts'

/** A backup that a schedule made. */
export type ScheduledBackup = {
  readonly name: string
  readonly uid: string
  readonly state: string
  /** When it ended, RFC 3339; absent while it has not. */
  readonly endedAt?: string
  readonly isDeleting: boolean
}

/** Everything that a decision about a schedule depends on. */
export type ScheduleCase = {
  readonly schedule: {
    readonly namespace: string
    readonly name: string
    readonly uid: string
    /** Unix ms. */
    readonly createdAt: number
    readonly isDeleting: boolean
    readonly hasFinalizer: boolean
  }
  readonly spec: RedisBackupScheduleSpec
  readonly status: ScheduleStatus | null
  /** Those that are there, whatever became of them. */
  readonly backups: readonly ScheduledBackup[]
  /** Why a backup could not be created, in words; null when there was nothing. */
  readonly trouble: string | null
  readonly now: number
}

/** What may be done for a schedule. */
export type ScheduleCommand =
  | { readonly type: 'EnsureFinalizer' }
  | { readonly type: 'RemoveFinalizer' }
  | { readonly type: 'CreateBackup'; readonly name: string }
  | {
      readonly type: 'DeleteBackup'
      readonly name: string
      readonly uid: string
      /** `Failed`: there are newer ones that failed; `Replaced`: it has not ended, and the next one is due. */
      readonly why: 'Failed' | 'Replaced'
    }

/** The states of a schedule, with a sentence for people. */
export const SCHEDULE_STATES = {
  Active: 'Backups are made at their times.',
  Suspended: 'No backup is begun until spec.suspend is false.',
  Invalid: 'The schedule cannot be read: the condition says what is wrong.',
  Deleting: 'The schedule is being deleted; its backups stay.',
} as const

/** PURE: what the schedule is by now. */
export function nextSchedule(given: ScheduleCase): ScheduleStatus {
  const { schedule, spec, status, now } = given
  const { reason: _reason, message: _message, ...before } = status ?? { state: 'Active' }
  if (schedule.isDeleting) {
    const { pending: _pending, ...rest } = before
    return { ...rest, state: 'Deleting', ...(before.state === 'Deleting' ? { deleted: true } : {}) }
  }
  const kept = { ...withoutCreated(before, given), ...facts(given) }
  const since = before.lastScheduleTime === undefined ? schedule.createdAt : Date.parse(before.lastScheduleTime)
  const times = scheduleTimes(spec.schedule, spec.timeZone, since, now)
  if ('problem' in times) return { ...kept, state: 'Invalid', reason: 'ScheduleInvalid', message: times.problem }
  const nextScheduleTime = times.next === null ? undefined : new Date(times.next).toISOString()
  const so: ScheduleStatus = { ...kept, ...defined({ nextScheduleTime }), state: spec.suspend ? 'Suspended' : 'Active' }
  if (status === null && spec.immediate && !spec.suspend)
    return { ...so, pending: pendingAt(given, schedule.createdAt) }
  if (spec.suspend || times.due === null || so.pending !== undefined) return so
  return begun(given, so, times.due, times.count)
}

/** A time has come: a backup is begun, is waited for, or was missed. */
function begun(given: ScheduleCase, so: ScheduleStatus, due: number, count: number): ScheduleStatus {
  const { spec, now } = given
  const lastScheduleTime = new Date(due).toISOString()
  const missed = (more: number): Pick<ScheduleStatus, 'missed'> =>
    more === 0 ? defined({ missed: so.missed }) : { missed: (so.missed ?? 0) + more }
  const isLate = now - due > (spec.startingDeadlineSeconds ?? Infinity) * 1_000
  if (isLate) return { ...so, lastScheduleTime, ...missed(count) }
  const [running] = so.active ?? []
  if (spec.concurrencyPolicy === 'Forbid' && running !== undefined)
    return { ...so, reason: 'Waiting', message: `${running} has not ended yet` }
  // Of several that were missed only the last is made up for, as CronJob does.
  return { ...so, lastScheduleTime, ...missed(count - 1), pending: pendingAt(given, due) }
}

function pendingAt({ schedule }: ScheduleCase, at: number): NonNullable<ScheduleStatus['pending']> {
  const scheduledAt = new Date(at).toISOString()
  return { name: `${schedule.name}-${scheduledAt.slice(0, 16).replaceAll(/\D/g, '')}`, scheduledAt }
}

function withoutCreated(before: ScheduleStatus, { backups }: ScheduleCase): ScheduleStatus {
  const { pending, ...rest } = before
  if (pending === undefined) return rest
  return backups.some((one) => one.name === pending.name) ? { ...rest, lastBackup: pending.name } : before
}

function facts({ backups }: ScheduleCase): Pick<ScheduleStatus, 'active' | 'lastSuccessfulTime'> {
  const active = backups.filter(isActive).map((one) => one.name)
  const ends = backups.flatMap((one) => (one.state === 'Completed' ? (one.endedAt ?? []) : []))
  return { active, ...defined({ lastSuccessfulTime: ends.toSorted().at(-1) }) }
}

const isActive = ({ endedAt, isDeleting }: ScheduledBackup): boolean => endedAt === undefined && !isDeleting

/** The commands for what the status is by now, in order. */
export function planSchedule(given: ScheduleCase, status: ScheduleStatus): readonly ScheduleCommand[] {
  const { schedule, spec, backups } = given
  if (status.state === 'Deleting') return []
  const commands: ScheduleCommand[] = schedule.hasFinalizer ? [] : [{ type: 'EnsureFinalizer' }]
  const { pending } = status
  if (pending !== undefined) {
    const others = spec.concurrencyPolicy === 'Replace' ? backups.filter(isActive) : []
    for (const { name, uid } of others) commands.push({ type: 'DeleteBackup', name, uid, why: 'Replaced' })
    commands.push({ type: 'CreateBackup', name: pending.name })
  }
  const failed = backups
    .filter((one) => one.state === 'Failed' && !one.isDeleting)
    .toSorted((a, b) => ((a.endedAt ?? '') > (b.endedAt ?? '') ? -1 : 1))
  for (const { name, uid } of failed.slice(spec.failedHistoryLimit))
    commands.push({ type: 'DeleteBackup', name, uid, why: 'Failed' })
  return commands
}
