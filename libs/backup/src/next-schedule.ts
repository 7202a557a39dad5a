import { defined, type RedisBackupScheduleSpec } from '@slotkeeper/api'
import type { ScheduleStatus } from '@slotkeeper/events'
import type { BackupState } from './backup-lifecycle.ts'
import { scheduleTimes } from './schedule-times.ts'

/** A backup that a schedule made. */
export type ScheduledBackup = {
  readonly name: string
  readonly uid: string
  readonly state: string
  /** When it ended, RFC 3339; absent while it has not. */
  readonly endedAt?: string
  /** When it must have ended, Unix ms. */
  readonly deadlineAt: number
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
  // It was looked after before: what its times were is told by what it made, and nothing is begun at once a second time.
  const isLost = status === null && schedule.hasFinalizer
  const known = isLost ? { ...before, lastScheduleTime: lastTimeOf(given) } : before
  const kept = { ...withoutCreated(known, given), ...facts(given) }
  const times = scheduleTimes(spec.schedule, spec.timeZone, handledUntil(given, known), now)
  if ('problem' in times) return { ...kept, state: 'Invalid', reason: 'ScheduleInvalid', message: times.problem }
  const nextScheduleTime = times.next === null ? undefined : new Date(times.next).toISOString()
  const so: ScheduleStatus = { ...kept, ...defined({ nextScheduleTime }), state: spec.suspend ? 'Suspended' : 'Active' }
  if (status === null && !isLost && spec.immediate && !spec.suspend)
    return { ...so, pending: pendingAt(given, schedule.createdAt) }
  if (spec.suspend || times.due === null || so.pending !== undefined) return so
  return begun(given, so, times.due, times.count)
}

/** The time that everything before was done about, Unix ms. */
const handledUntil = ({ schedule }: ScheduleCase, { lastScheduleTime: last }: ScheduleStatus): number =>
  last === undefined ? schedule.createdAt : Date.parse(last)

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

/** The time of the newest backup that it made, by its name, RFC 3339; now where there is none. */
function lastTimeOf({ schedule, backups, now }: ScheduleCase): string {
  const times = backups.flatMap(({ name }) => {
    const digits = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)$/.exec(name.slice(schedule.name.length + 1))
    if (digits === null) return []
    const [, year, month, day, hour, minute] = digits
    const at = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:00Z`)
    return Number.isNaN(at) ? [] : at
  })
  return new Date(times.length === 0 ? now : Math.min(now, Math.max(...times))).toISOString()
}

function withoutCreated(before: ScheduleStatus, { backups }: ScheduleCase): ScheduleStatus {
  const { pending, ...rest } = before
  if (pending === undefined) return rest
  return backups.some((one) => one.name === pending.name) ? { ...rest, lastBackup: pending.name } : before
}

function facts({ backups, now }: ScheduleCase): Pick<ScheduleStatus, 'active' | 'lastSuccessfulTime'> {
  const active = backups.filter((one) => isActive(one, now)).map((one) => one.name)
  const ends = backups.flatMap((one) => (one.state === 'Completed' ? (one.endedAt ?? []) : []))
  return { active, ...defined({ lastSuccessfulTime: ends.toSorted().at(-1) }) }
}

/** One whose status was lost may be under way until its deadline; after that nobody waits for what may never be known. */
const isActive = ({ endedAt, isDeleting, state, deadlineAt }: ScheduledBackup, now: number): boolean =>
  endedAt === undefined && !isDeleting && (state !== 'Adopting' || now < deadlineAt)

const REPLACEABLE: readonly string[] = [
  'Waiting',
  'Finding',
  'Streaming',
  'Sealing',
  'Verifying',
] satisfies BackupState[]

/** Whether a backup in that state is known to be under way: what may be completed is never replaced. */
export const isReplaceable = (state: string | undefined): boolean => state !== undefined && REPLACEABLE.includes(state)

/** The commands for what the status is by now, in order. */
export function planSchedule(given: ScheduleCase, status: ScheduleStatus): readonly ScheduleCommand[] {
  const { schedule, spec, backups, now } = given
  if (status.state === 'Deleting') return []
  const commands: ScheduleCommand[] = schedule.hasFinalizer ? [] : [{ type: 'EnsureFinalizer' }]
  const { pending } = status
  if (pending !== undefined) {
    const others =
      spec.concurrencyPolicy === 'Replace'
        ? backups.filter((one) => isActive(one, now) && isReplaceable(one.state))
        : []
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
