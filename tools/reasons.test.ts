import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { BACKUP_CONDITIONS, SCHEDULE_CONDITIONS } from '@slotkeeper/api'
import { AGENT_FAULTS, BACKUP_STATES, SCHEDULE_STATES } from '@slotkeeper/backup'
import { describe, expect, test } from 'vitest'

/*
 * Whoever finds a word in status.reason looks for it in docs/backups.md: every reason that is written where backups, schedules and
 * restores are decided stands in a table of its chapter.
 */
const root = join(import.meta.dirname, '..')
const page = readFileSync(join(root, 'docs/backups.md'), 'utf8')

/** The words of the first cells of the tables between two headings. */
function listed(from: string, to: string): ReadonlySet<string> {
  const [, chapter = ''] = page.split(`\n## ${from}\n`)
  const rows = (chapter.split(`\n${to}`)[0] ?? '').matchAll(/^\| ([A-Z][A-Za-z, ]+) \|/gm)
  return new Set(Array.from(rows, ([, cell = '']) => cell.split(', ')).flat())
}

/** The reasons that stand in the sources of a folder, by file. */
function written(folder: string, isMeant: (file: string) => boolean): readonly string[] {
  const files = readdirSync(join(root, folder)).filter((file) => !file.endsWith('.test.ts') && isMeant(file))
  const reasons = files.flatMap((file) => {
    const text = readFileSync(join(root, folder, file), 'utf8')
    const literals = text.matchAll(/reason(?: =|:) (?:[^',\n]* )?'([A-Z][A-Za-z]+)'(?: : '([A-Z][A-Za-z]+)')?/g)
    return Array.from(literals, ([, one = '', other = one]) => [one, other]).flat()
  })
  return [...new Set(reasons)]
}

// A storage has tables of its own; what is being written of a schedule stands in the chapter of schedules.
const ELSEWHERE = ['next-storage.ts', 'readability.ts', 'next-schedule.ts']
const ofBackups = written('libs/backup/src', (file) => !ELSEWHERE.includes(file))
const ofSchedules = written('libs/backup/src', (file) => file === 'next-schedule.ts')
const ofRestores = written('libs/restore/src', () => true)
/** What only agents of restores fail with. */
const SEEDING: readonly string[] = ['NotCounted']

test('the reasons are found', () => {
  expect(ofBackups).toEqual(expect.arrayContaining(['SourceMissing', 'SourceReplaced', 'AgentNotRunning']))
  expect(ofSchedules).toEqual(expect.arrayContaining(['Waiting', 'ScheduleInvalid']))
  expect(ofRestores).toEqual(expect.arrayContaining(['ClusterMissing', 'ConfirmationMissing', 'Unexpected']))
})

describe('docs/backups.md has a row for each reason', () => {
  const faults = Object.keys(AGENT_FAULTS).filter((one) => !SEEDING.includes(one))
  const backups = listed('What happens', '## ')
  test.each([...new Set([...ofBackups, ...faults])])('of a backup: %s', (reason) => {
    expect(backups).toContain(reason)
  })

  const schedules = listed('Schedules', '## ')
  test.each(ofSchedules)('of a schedule: %s', (reason) => {
    expect(schedules).toContain(reason)
  })

  const restores = listed('Restoring', '## Retention')
  test.each(ofRestores)('of a restore: %s', (reason) => {
    expect(restores).toContain(reason)
  })
})

test('docs/conditions.md lists each state as a reason of Ready', () => {
  expect(BACKUP_CONDITIONS.Ready.reasons.toSorted()).toEqual(BACKUP_STATES.toSorted())
  expect(SCHEDULE_CONDITIONS.Ready.reasons.toSorted()).toEqual(Object.keys(SCHEDULE_STATES).toSorted())
})
