import { redisBackupScheduleSpec } from '@slotkeeper/api'
import { type ScheduleEvent, scheduleChanges, scheduleNoteOf, type ScheduleStatus } from '@slotkeeper/events'
import { describe, expect, test } from 'vitest'
import { nextSchedule, planSchedule, type ScheduleCase, type ScheduledBackup, scheduleTimes } from '../src/index.ts'

const at = (text: string): number => Date.parse(`2026-11-${text}:00Z`)

describe('times', () => {
  test.each<[string, string, string, string, object]>([
    ['0 3 * * *', 'UTC', '22T02:00', '22T02:59', { due: null, count: 0, next: at('22T03:00') }],
    ['0 3 * * *', 'UTC', '22T02:00', '22T03:00', { due: at('22T03:00'), count: 1, next: at('23T03:00') }],
    ['0 3 * * *', 'UTC', '22T03:00', '22T03:00', { due: null, count: 0, next: at('23T03:00') }],
    ['0 3 * * *', 'Europe/Zurich', '22T00:00', '22T02:00', { due: at('22T02:00'), count: 1, next: at('23T02:00') }],
    ['0 3 * * *', 'UTC', '18T04:00', '22T04:00', { due: at('22T03:00'), count: 4, next: at('23T03:00') }],
    ['@hourly', 'UTC', '22T00:30', '22T01:10', { due: at('22T01:00'), count: 1, next: at('22T02:00') }],
    ['* * * * *', 'UTC', '10T00:00', '22T00:00', { due: at('22T00:00'), count: 100, next: at('22T00:01') }],
  ])('%s in %s, dealt with until %s, at %s', (schedule, zone, since, now, times) => {
    expect(scheduleTimes(schedule, zone, at(since), at(now))).toEqual(times)
  })

  test.each([
    ['* * * *', 'UTC', /spec.schedule: it has five fields/],
    ['* * * * * *', 'UTC', /five fields/],
    ['61 3 * * *', 'UTC', /spec.schedule: .*minute/],
    ['@sometimes', 'UTC', /spec.schedule/],
    ['0 0 30 2 *', 'UTC', /never comes/],
    ['0 3 * * *', 'Mars/One', /spec.timeZone/],
  ])('%s in %s can not be read', (schedule, zone, problem) => {
    expect(scheduleTimes(schedule, zone, 0, at('22T03:00'))).toEqual({ problem: expect.stringMatching(problem) })
  })

  test('a change of clocks leaves no night out and takes none twice', () => {
    const nights = (from: string, to: string): unknown =>
      scheduleTimes('30 2 * * *', 'Europe/Zurich', Date.parse(from), Date.parse(to))
    expect(nights('2026-03-28T12:00:00Z', '2026-03-30T12:00:00Z')).toMatchObject({ count: 2 })
    expect(nights('2026-10-24T12:00:00Z', '2026-10-26T12:00:00Z')).toMatchObject({ count: 2 })
  })
})

const DEADLINE_MS = 4 * 3_600_000

/** A schedule, the backups that it made, and a clock. */
class ScheduleWorld {
  status: ScheduleStatus | null = null
  backups: ScheduledBackup[] = []
  trouble = false
  isDeleting = false
  private hasFinalizer = false
  readonly events: ScheduleEvent[] = []
  readonly created: string[] = []
  /** Those that were deleted, with why. */
  readonly deleted: string[] = []
  private readonly spec

  constructor(spec: object = {}) {
    const template = { cluster: { name: 'orders' }, storageName: 'archive' }
    this.spec = redisBackupScheduleSpec.parse({ schedule: '0 3 * * *', template, ...spec })
  }

  look(now: string, change: object = {}): ScheduleStatus {
    Object.assign(this.spec, change)
    const { hasFinalizer, isDeleting, spec, status, backups } = this
    const schedule = {
      namespace: 'shop',
      name: 'nightly',
      uid: 's',
      createdAt: at('20T12:00'),
      hasFinalizer,
      isDeleting,
    }
    const given: ScheduleCase = { schedule, spec, status, backups, trouble: null, now: at(now) }
    const next = nextSchedule(given)
    this.events.push(...scheduleChanges(status, next, spec))
    this.status = next
    for (const command of planSchedule(given, next)) {
      if (command.type === 'EnsureFinalizer') this.hasFinalizer = true
      if (command.type === 'CreateBackup' && !this.trouble && backups.every((one) => one.name !== command.name)) {
        this.created.push(command.name)
        const { name } = command
        const deadlineAt = at(now) + DEADLINE_MS
        this.backups = [...this.backups, { name, uid: name, state: 'Waiting', deadlineAt, isDeleting: false }]
      }
      if (command.type !== 'DeleteBackup') continue
      this.deleted.push(`${command.name}: ${command.why}`)
      this.backups = this.backups.filter((one) => one.uid !== command.uid)
    }
    return next
  }

  end(name: string, state: string, endedAt: string): void {
    const ended = { state, endedAt: new Date(at(endedAt)).toISOString() }
    this.backups = this.backups.map((one) => (one.name === name ? { ...one, ...ended } : one))
  }
}

const told = (world: ScheduleWorld): readonly string[] => world.events.map((one) => one.type)

describe('a schedule', () => {
  test.each([
    ['a minute that there is none of', { schedule: '99 3 * * *' }, 'spec.schedule', /minute.*Write it as 0 3/],
    ['a day that its month has not', { schedule: '0 0 30 2 *' }, 'spec.schedule', /never comes.*a day that its month/],
    ['a time zone that nobody knows', { timeZone: 'Europe/Nowhere' }, 'spec.timeZone', /IANA database/],
  ])('with %s is not accepted, which is told with the field and the remedy, once', (_what, spec, field, words) => {
    const world = new ScheduleWorld(spec)
    for (const now of ['20T12:00', '20T12:01', '21T03:00']) expect(world.look(now).state).toBe('Invalid')
    const message = expect.stringMatching(words) as string
    expect(world.events).toEqual([{ type: 'ScheduleInvalid', data: { field, message } }])
    expect(scheduleNoteOf(world.events[0] ?? { type: '', data: {} })).toMatchObject({
      type: 'Warning',
      reason: 'ScheduleInvalid',
    })
    world.look('21T04:00', { schedule: '0 5 * *' })
    expect(told(world)).toEqual(['ScheduleInvalid', 'ScheduleInvalid'])
    world.look('21T04:01', { schedule: '0 5 * * *', timeZone: 'UTC' })
    expect(told(world).slice(2)).toEqual(['Accepted', 'StateChanged'])
    expect(world.events[2]?.data).toMatchObject({ schedule: '0 5 * * *', timeZone: 'UTC' })
  })

  test('that becomes one that nobody can read says so, and goes without being accepted once more', () => {
    const world = new ScheduleWorld()
    world.look('20T12:00')
    world.look('20T12:01', { schedule: '99 3 * * *' })
    expect(told(world)).toEqual(['Accepted', 'StateChanged', 'ScheduleInvalid'])
    world.isDeleting = true
    world.look('20T12:02')
    expect(told(world).slice(3)).toEqual(['StateChanged'])
  })

  test('makes a backup when its time has come, once, and says so', () => {
    const world = new ScheduleWorld()
    world.look('20T12:00')
    world.look('21T02:59')
    expect(world.created).toEqual([])
    for (const now of ['21T03:00', '21T03:00', '21T03:01', '21T04:00']) world.look(now)
    expect(world.created).toEqual(['nightly-202611210300'])
    expect(world.status).toMatchObject({
      state: 'Active',
      lastBackup: 'nightly-202611210300',
      lastScheduleTime: '2026-11-21T03:00:00.000Z',
      nextScheduleTime: '2026-11-22T03:00:00.000Z',
      active: ['nightly-202611210300'],
    })
    expect(world.status).not.toHaveProperty('pending')
    expect(told(world)).toEqual(['Accepted', 'BackupCreated'])
  })

  test('what could not be created is created later, under its name', () => {
    const world = new ScheduleWorld()
    world.trouble = true
    world.look('21T03:00')
    world.look('21T03:10')
    expect(told(world)).toEqual(['Accepted'])
    world.trouble = false
    world.look('21T03:20')
    world.look('21T03:21')
    expect(world.created).toEqual(['nightly-202611210300'])
    expect(told(world)).toEqual(['Accepted', 'BackupCreated'])
  })

  test('of several times that were missed the last one is made up for', () => {
    const world = new ScheduleWorld()
    world.look('20T12:00')
    world.look('24T12:00')
    world.look('24T12:01')
    expect(world.created).toEqual(['nightly-202611240300'])
    expect(world.status?.missed).toBe(3)
    expect(told(world)).toEqual(['Accepted', 'RunsMissed', 'BackupCreated'])
  })

  test('what is later than startingDeadlineSeconds is missed', () => {
    const world = new ScheduleWorld({ startingDeadlineSeconds: 600 })
    world.look('20T12:00')
    world.look('21T03:11')
    expect(world.created).toEqual([])
    expect(world.status).toMatchObject({ missed: 1, lastScheduleTime: '2026-11-21T03:00:00.000Z' })
    world.look('22T03:05')
    expect(world.created).toEqual(['nightly-202611220300'])
  })

  test.each([
    ['Forbid', ['nightly-202611210300'], ['nightly-202611210300']],
    ['Allow', ['nightly-202611210300', 'nightly-202611220300'], ['nightly-202611210300', 'nightly-202611220300']],
    ['Replace', ['nightly-202611210300', 'nightly-202611220300'], ['nightly-202611220300']],
  ])('%s, while the one before runs', (concurrencyPolicy, created, there) => {
    const world = new ScheduleWorld({ concurrencyPolicy })
    for (const now of ['21T03:00', '21T03:01', '22T03:00', '22T03:01']) world.look(now)
    expect(world.created).toEqual(created)
    expect(world.backups.map((one) => one.name)).toEqual(there)
    expect(world.deleted).toEqual(concurrencyPolicy === 'Replace' ? ['nightly-202611210300: Replaced'] : [])
    if (concurrencyPolicy !== 'Forbid') return
    expect(world.status?.message).toBe('nightly-202611210300 has not ended yet')
    world.end('nightly-202611210300', 'Completed', '22T03:30')
    world.look('22T03:31')
    expect(world.created).toEqual(['nightly-202611210300', 'nightly-202611220300'])
    expect(world.status?.lastSuccessfulTime).toBe('2026-11-22T03:30:00.000Z')
  })

  test.each(['', 'Adopting'])('Replace takes no backup that may be completed: %s, its status lost', (state) => {
    const world = new ScheduleWorld({ concurrencyPolicy: 'Replace' })
    for (const now of ['21T03:00', '21T03:01']) world.look(now)
    const [lost] = world.backups
    world.backups = [{ ...lost, state } as ScheduledBackup]
    for (const now of ['22T03:00', '22T03:01']) world.look(now)
    expect(world.deleted).toEqual([])
    expect(world.backups.map((one) => one.name)).toEqual(['nightly-202611210300', 'nightly-202611220300'])
  })

  test('Forbid waits for one whose status was lost until its deadline: what became of it may never be known', () => {
    const world = new ScheduleWorld({ concurrencyPolicy: 'Forbid', schedule: '0 * * * *' })
    for (const now of ['21T03:00', '21T03:01']) world.look(now)
    const made = [...world.created]
    world.backups = world.backups.map((one) => ({ ...one, state: 'Adopting' }))
    expect(world.look('21T04:00')).toMatchObject({ active: made, reason: 'Waiting' })
    expect(world.look('21T06:59').active).toEqual(made)
    expect(world.look('21T07:00').active).toEqual([])
    expect(world.created).toEqual([...made, 'nightly-202611210700'])
  })

  test('whose own status is lost knows by its backups what was done: nothing counts as missed, none is made twice', () => {
    const world = new ScheduleWorld({ immediate: true })
    for (const now of ['20T12:00', '20T12:01']) world.look(now)
    world.end('nightly-202611201200', 'Completed', '20T12:05')
    for (const day of ['21', '22', '23']) {
      for (const minute of ['00', '01']) world.look(`${day}T03:${minute}`)
      world.end(`nightly-202611${day}0300`, 'Completed', `${day}T03:05`)
    }
    const created = [...world.created]
    world.status = null
    for (const now of ['23T12:00', '23T12:01']) expect(world.look(now)).not.toHaveProperty('missed')
    expect(world.created).toEqual(created)
    // One that was due meanwhile is made up for; where no backup tells of a time, what was is over.
    world.status = null
    for (const now of ['24T03:00', '24T03:01']) world.look(now)
    expect(world.created).toEqual([...created, 'nightly-202611240300'])
    Object.assign(world, { status: null, backups: [] })
    for (const now of ['25T12:00', '25T12:01', '25T12:02']) expect(world.look(now)).not.toHaveProperty('missed')
    expect(world.created).toHaveLength(created.length + 1)
    for (const now of ['26T03:00', '26T03:01']) world.look(now)
    expect(world.created.at(-1)).toBe('nightly-202611260300')
  })

  test('immediate makes one at once, and only then', () => {
    const world = new ScheduleWorld({ immediate: true })
    for (const now of ['20T12:00', '20T12:01', '20T13:00']) world.look(now)
    expect(world.created).toEqual(['nightly-202611201200'])
  })

  test('suspended it begins none; afterwards it goes on', () => {
    const world = new ScheduleWorld({ suspend: true, immediate: true })
    world.look('20T12:00')
    world.look('21T03:00')
    expect(world.status?.state).toBe('Suspended')
    expect(world.created).toEqual([])
    world.look('21T12:00', { suspend: false })
    expect(world.created).toEqual(['nightly-202611210300'])
  })

  test('one that can not be read says what is wrong, and goes on when it can', () => {
    const world = new ScheduleWorld({ timeZone: 'Mars/One' })
    world.look('20T12:00')
    expect(world.status).toMatchObject({ state: 'Invalid', message: expect.stringContaining('spec.timeZone') })
    world.look('20T12:01', { timeZone: 'UTC' })
    expect(world.status).not.toHaveProperty('message')
    expect(told(world)).toEqual(['ScheduleInvalid', 'Accepted', 'StateChanged'])
  })

  test('failed ones beyond the limit go, the newest stay', () => {
    const world = new ScheduleWorld({ failedHistoryLimit: 1 })
    for (const day of ['21', '22', '23']) {
      world.look(`${day}T03:00`)
      world.look(`${day}T03:01`)
      world.end(`nightly-202611${day}0300`, day === '22' ? 'Completed' : 'Failed', `${day}T03:05`)
    }
    world.look('23T03:06')
    expect(world.backups.map((one) => one.name)).toEqual(['nightly-202611220300', 'nightly-202611230300'])
    expect(world.deleted).toEqual(['nightly-202611210300: Failed'])
  })

  test('deleted, it makes none and leaves its backups', () => {
    const world = new ScheduleWorld()
    world.look('21T03:00')
    world.isDeleting = true
    world.look('22T03:00')
    world.look('22T03:01')
    expect(world.created).toHaveLength(1)
    expect(world.backups).toHaveLength(1)
    expect(told(world).slice(-2)).toEqual(['StateChanged', 'Deleted'])
  })
})
