import { boundedData } from './bounded-data.ts'
import type { ScheduleEvent } from './schedule-events.ts'
import type { ScheduleStatus } from './schedule-status.ts'

/** The events of a commit: exactly the difference of the status that was read and the one that is written. */
export function scheduleChanges(
  before: ScheduleStatus | null,
  after: ScheduleStatus,
  { schedule, timeZone }: { readonly schedule: string; readonly timeZone: string },
): readonly ScheduleEvent[] {
  const events: ScheduleEvent[] = []
  if (isReadable(after) && (before === null || before.state === 'Invalid'))
    events.push({ type: 'Accepted', data: { schedule, timeZone, message: `Backups are wanted at ${schedule}` } })
  const count = (after.missed ?? 0) - (before?.missed ?? 0)
  if (count > 0)
    events.push({ type: 'RunsMissed', data: { count, message: `${count} times went by without a backup` } })
  if (before !== null) events.push(...created(before, after), ...stateChanged(before, after))
  events.push(...invalid(before, after))
  if (after.deleted === true && before?.deleted !== true)
    events.push({ type: 'Deleted', data: { message: 'Deleted; the backups stay' } })
  return events.map((event) => ({ type: event.type, data: boundedData(event.data) }) as ScheduleEvent)
}

const isReadable = ({ state }: ScheduleStatus): boolean => state !== 'Invalid' && state !== 'Deleting'

/** Told again where something else is wrong by now. */
function invalid(before: ScheduleStatus | null, { state, message = '' }: ScheduleStatus): readonly ScheduleEvent[] {
  if (state !== 'Invalid' || (before?.state === 'Invalid' && before.message === message)) return []
  const [field = ''] = message.split(':')
  return [{ type: 'ScheduleInvalid', data: { field, message } }]
}

function created({ pending }: ScheduleStatus, after: ScheduleStatus): readonly ScheduleEvent[] {
  if (pending === undefined || after.pending?.name === pending.name || after.lastBackup !== pending.name) return []
  const { name: backup, scheduledAt } = pending
  const message = `${backup} was created, for ${scheduledAt}`
  return [{ type: 'BackupCreated', data: { backup, scheduledAt, message } }]
}

function stateChanged(before: ScheduleStatus, after: ScheduleStatus): readonly ScheduleEvent[] {
  if (before.state === after.state) return []
  const because = after.message === undefined ? '' : `: ${after.message}`
  const message = `${before.state} became ${after.state}${because}`
  const reason = after.reason === undefined ? {} : { reason: after.reason }
  return [{ type: 'StateChanged', data: { from: before.state, to: after.state, ...reason, message } }]
}
