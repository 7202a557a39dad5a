import { storageChanges, type StorageEvent, storageNoteOf, type StorageStatus } from '@slotkeeper/events'
import { expect, test } from 'vitest'
import {
  type AgentReport,
  type AgentRun,
  formatReport,
  MOST_HELD,
  nextStorage,
  parseReport,
  readability,
} from '../src/index.ts'

const NOW = Date.UTC(2026, 10, 22, 10)
const storage = { namespace: 'shop', name: 'archive', uid: 'storage-1', generation: 1, hasFinalizer: true }
const manifest = 'shop/orders-1/5c1f9a52/manifest'
const newest = [{ manifest, cluster: 'shop/orders', endedAt: '2026-11-21T10:00:41Z', keys: 7 }]
const wrong = { unreadable: 1, unreadableReason: 'KeyWrong', unreadableMessage: `${manifest}: only its namesake` }
const plain = { unreadable: 1, unreadableReason: 'NotEncrypted', unreadableMessage: `${manifest}: not encrypted` }

const reportOf = (held: object | null): AgentReport => {
  const facts = { ok: true, missingPermissions: [], faults: [], keepsFirst: true, swept: 0 }
  return { result: 'Done', done: { task: 'CheckStorage', ...facts, held } as never }
}

/** A storage that is checked once for each of these, and what was told. */
function play(...found: readonly (object | null)[]) {
  let status: StorageStatus | null = null
  const events: StorageEvent[] = []
  for (const held of found) {
    const attempt: number = (status?.checks ?? 0) + 1
    const run: AgentRun = {
      job: `archive-storage1-check-1-${attempt}`,
      uid: `job-${attempt}`,
      step: 'check',
      part: 1,
      attempt,
      state: 'ended',
      report: reportOf(held === null ? null : { backups: 1, newest, ...held }),
      isStopping: false,
      isGone: true,
    }
    const next = nextStorage({ storage, status, runs: [run], backups: [], trouble: null, now: NOW })
    events.push(...storageChanges(status, next, 's3://backups/'))
    status = next
  }
  const told = events.filter(({ type }) => type.startsWith('Backups'))
  return { status: status ?? { state: '' }, told }
}

test('a key that is another one is told with the remedy and one backup, and the storage stays usable', () => {
  const { status, told } = play({ unreadable: 0 }, wrong)
  expect(status).toMatchObject({ state: 'Usable', held: { unreadable: 1 } })
  expect(readability(status)).toMatchObject([
    { type: 'BackupsReadable', status: 'False', reason: 'KeyWrong', message: expect.stringMatching(/put it back/) },
  ])
  expect(told).toMatchObject([{ type: 'BackupsUnreadable', data: { reason: 'KeyWrong', unreadable: 1 } }])
  expect(told[0]?.data.message).toMatch(/^Put each key back .*1 of the newest .*5c1f9a52.*only its namesake/)
  expect(storageNoteOf(told[0] ?? { type: '', data: {} })).toMatchObject({
    type: 'Warning',
    reason: 'BackupsUnreadable',
  })
})

test('it is told once, again where the reason is another one, and when it is over', () => {
  const types = play(wrong, { ...wrong, unreadable: 2 }, plain, { unreadable: 0 }, { unreadable: 0 }).told
  expect(types.map(({ type }) => type)).toEqual(['BackupsUnreadable', 'BackupsUnreadable', 'BackupsReadable'])
  expect(readability(play(plain).status)).toMatchObject([{ status: 'False', reason: 'NotEncrypted' }])
  expect(readability(play(wrong, { unreadable: 0 }).status)).toMatchObject([{ status: 'True', reason: 'Readable' }])
  expect(play(wrong, { unreadable: 0 }).status.held).not.toHaveProperty('unreadableMessage')
})

test('what could not be found out leaves what is known, and says nothing by itself', () => {
  expect(play(wrong, {}).status.held).toMatchObject(wrong)
  expect(play(wrong, null).status.held).toMatchObject(wrong)
  expect(play(wrong, {}, null, wrong).told).toHaveLength(1)
  expect(readability(play({}).status)).toEqual([])
})

test('last words keep it, however many backups there are', () => {
  const many = Array.from({ length: MOST_HELD }, (_one, index) => ({
    manifest: `shop/${'n'.repeat(200)}/${index}/manifest`,
    cluster: `shop/${'o'.repeat(40)}`,
    endedAt: '2026-11-21T10:00:41Z',
    keys: index,
  }))
  const report = reportOf({ backups: 99, newest: many, ...wrong, unreadable: MOST_HELD })
  expect(parseReport(formatReport(report))).toMatchObject({ done: { held: { ...wrong, unreadable: MOST_HELD } } })
})
