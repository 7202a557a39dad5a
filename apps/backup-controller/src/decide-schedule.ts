import { failuresInWords } from '@slotkeeper/agents'
import { FINALIZER, type RedisBackupSpec } from '@slotkeeper/api'
import {
  nextSchedule,
  planSchedule,
  SCHEDULE_STATES,
  type ScheduleCase,
  type ScheduleCommand,
  type ScheduledBackup,
} from '@slotkeeper/backup'
import type { Decision, Input } from '@slotkeeper/controller'
import { type EventTrouble, release, statusToWrite } from '@slotkeeper/controller-host'
import { scheduleChanges, type ScheduleEvent, type ScheduleStatus } from '@slotkeeper/events'
import type { Owner } from './app-command.ts'
import type { ScheduleObject } from './schedule-object.ts'

/** What is seen of a schedule: the backups that it made. */
export type ObservedSchedule = readonly ScheduledBackup[]

/** A command with everything that `actOnSchedule` needs to carry it out. */
export type ScheduleAppCommand = ScheduleCommand & {
  readonly of: Owner
  /** For CreateBackup. */
  readonly template?: RedisBackupSpec
  readonly anyway?: boolean
}

const DELETION_PATIENCE_MS = 30_000
const LOOK_MS = { least: 500, most: 60_000 } as const

/** PURE: the time and the backups that are there -> next status -> events -> commands. */
export function decideSchedule(
  { object, observed, failures, now }: Input<ScheduleObject, ObservedSchedule>,
  eventTrouble: EventTrouble | null,
): Decision<ScheduleStatus, ScheduleAppCommand, ScheduleEvent> {
  const {
    namespace,
    name,
    uid,
    generation,
    creationTimestamp = '',
    deletionTimestamp,
    finalizers = [],
  } = object.metadata
  const of = { kind: 'schedule', namespace, name, uid } as const
  const given: ScheduleCase = {
    schedule: {
      namespace,
      name,
      uid,
      createdAt: Date.parse(creationTimestamp),
      isDeleting: deletionTimestamp !== undefined,
      hasFinalizer: finalizers.includes(FINALIZER),
    },
    spec: object.spec,
    status: object.status,
    backups: observed,
    trouble: failuresInWords(failures),
    now,
  }
  const next = nextSchedule(given)
  const state = next.state as keyof typeof SCHEDULE_STATES
  const message = given.trouble ?? next.message ?? SCHEDULE_STATES[state]
  const status = statusToWrite(next, {
    message,
    generation,
    now,
    trouble: eventTrouble,
    isIdle: state === 'Suspended',
    isReady: state === 'Active' && given.trouble === null,
    isStalled: state === 'Invalid' || given.trouble !== null,
  })
  const commands = planSchedule(given, status).map((command): ScheduleAppCommand =>
    command.type === 'CreateBackup' ? { ...command, of, template: object.spec.template } : { ...command, of },
  )
  const dueInMs = next.nextScheduleTime === undefined ? LOOK_MS.most : Date.parse(next.nextScheduleTime) - now
  const soonest = next.pending === undefined ? dueInMs : LOOK_MS.least
  return {
    findings: state === 'Active' ? [] : [{ type: state, about: name, message }],
    status,
    events: scheduleChanges(object.status, status, object.spec),
    commands: [...commands, ...release(object, of, now, DELETION_PATIENCE_MS)],
    lookAgainInMs: Math.min(LOOK_MS.most, Math.max(LOOK_MS.least, soonest)),
  }
}
