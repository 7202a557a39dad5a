import { z } from 'zod'

const message = z.string().describe('The event as a sentence.')
const scheduledAt = z.string().describe('The time by the schedule, RFC 3339.')

/** The data of every event of a RedisBackupSchedule, version 1. Fields are only ever added. */
export const scheduleEventData = {
  Accepted: z.object({ schedule: z.string(), timeZone: z.string(), message }),
  ScheduleInvalid: z.object({ field: z.string().describe('The field of the spec that cannot be read.'), message }),
  BackupCreated: z.object({ backup: z.string().describe('Name of the RedisBackup.'), scheduledAt, message }),
  RunsMissed: z.object({
    count: z.int().min(1).describe('Times of the schedule at which nothing was begun, since the last event.'),
    message,
  }),
  StateChanged: z.object({ from: z.string(), to: z.string(), reason: z.string().optional(), message }),
  Deleted: z.object({ message }),
} as const

/** When each event of a RedisBackupSchedule is told. */
export const scheduleEventSentences: Readonly<Record<ScheduleEventType, string>> = {
  Accepted: 'A RedisBackupSchedule that can be read was seen for the first time, or after it could not be read.',
  ScheduleInvalid: 'No time of it is to be found: the message says which field is wrong, and how it is written.',
  BackupCreated: 'It is time, or it was asked for at once: a RedisBackup is there.',
  RunsMissed: 'Times of the schedule went by without a backup that was begun.',
  StateChanged: 'It was suspended, goes on, or cannot be read.',
  Deleted: 'The last event of a schedule. The backups that it made stay.',
}

/** The name of an event of a RedisBackupSchedule. */
export type ScheduleEventType = keyof typeof scheduleEventData

/** An event as the controller commits it. */
export type ScheduleEvent = {
  [T in ScheduleEventType]: { readonly type: T; readonly data: Readonly<z.infer<(typeof scheduleEventData)[T]>> }
}[ScheduleEventType]

/** Data of each event as it may look. */
export const scheduleEventExamples: { readonly [T in ScheduleEventType]: Extract<ScheduleEvent, { type: T }>['data'] } =
  {
    Accepted: { schedule: '0 3 * * *', timeZone: 'Europe/Zurich', message: 'Backups are wanted at 0 3 * * *' },
    ScheduleInvalid: {
      field: 'spec.timeZone',
      message:
        'spec.timeZone: Invalid time zone specified: Europe/Nowhere. Give a name of the IANA database, as Europe/Zurich',
    },
    BackupCreated: {
      backup: 'nightly-202611220200',
      scheduledAt: '2026-11-22T02:00:00.000Z',
      message: 'nightly-202611220200 was created, for 2026-11-22T02:00:00.000Z',
    },
    RunsMissed: { count: 2, message: '2 times went by without a backup' },
    StateChanged: {
      from: 'Active',
      to: 'Invalid',
      reason: 'ScheduleInvalid',
      message: 'Active became Invalid: spec.schedule: five fields are wanted',
    },
    Deleted: { message: 'Deleted; the backups stay' },
  }
