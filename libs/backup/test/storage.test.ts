import type { StorageStatus } from '@slotkeeper/events'
import { describe, expect, test } from 'vitest'
import {
  type AgentReport,
  type AgentRun,
  nextCheckAt,
  nextStorage,
  planStorage,
  type StorageCase,
} from '../src/index.ts'

const NOW = Date.UTC(2026, 10, 22, 10)
const storage = { namespace: 'shop', name: 'archive', uid: 'storage-1', generation: 1, hasFinalizer: true }
const caseOf = (change: Partial<StorageCase> = {}): StorageCase => ({
  storage,
  status: null,
  runs: [],
  backups: [],
  trouble: null,
  now: NOW,
  ...change,
})

const checked = (report: AgentReport | null, change: Partial<AgentRun> = {}): AgentRun => ({
  job: 'archive-storage1-check-1-1',
  uid: 'job-1',
  step: 'check',
  part: 1,
  attempt: 1,
  state: report === null ? 'running' : 'ended',
  report,
  isStopping: false,
  isGone: report !== null,
  ...change,
})

const done = (change: object): AgentReport => {
  const facts = { ok: true, missingPermissions: [], faults: [], keepsFirst: true, swept: 0, held: null, ...change }
  return { result: 'Done', done: { task: 'CheckStorage', ...facts } }
}

test('a new storage is tried, and only once', () => {
  const given = caseOf()
  const status = nextStorage(given)
  expect(status.state).toBe('Checking')
  expect(planStorage(given, status)).toMatchObject([{ type: 'RunAgent', job: 'archive-storage1-check-1-1' }])
  const running = caseOf({ status, runs: [checked(null)] })
  expect(planStorage(running, nextStorage(running))).toEqual([])
})

test.each<[string, AgentRun, Partial<StorageStatus>]>([
  ['it serves', checked(done({})), { state: 'Usable', keepsFirst: true }],
  [
    'a permission is missing',
    checked(done({ ok: false, missingPermissions: ['s3:DeleteObject'] })),
    { state: 'Unusable', reason: 'PermissionMissing', message: expect.stringContaining('s3:DeleteObject') as string },
  ],
  [
    'what was written is not what is read',
    checked(done({ ok: false, faults: ['it was read back with other bytes'] })),
    { state: 'Unusable', reason: 'CheckFailed' },
  ],
  [
    'a Secret is missing',
    checked({ result: 'Failed', fault: 'SecretMissing', message: 'the Secret has no accessKeyId' }),
    { state: 'Unusable', reason: 'SecretMissing', message: 'the Secret has no accessKeyId' },
  ],
  ['its agent died', checked(null, { state: 'ended', isGone: true }), { state: 'Unusable', reason: 'Interrupted' }],
])('%s: the status says so, and when it is tried again', (_what, run, said) => {
  const given = caseOf({ runs: [run] })
  const status = nextStorage(given)
  expect(status).toMatchObject({ ...said, checks: 1, checkedGeneration: 1 })
  expect(planStorage(given, status)).toEqual([])
  const later = { ...given, status, now: NOW + 60_000 }
  const again = planStorage(later, nextStorage(later)).filter((one) => one.type === 'RunAgent')
  expect(again.map((one) => one.job)).toEqual(said.state === 'Usable' ? [] : ['archive-storage1-check-1-2'])
})

test('what the storage holds is in the status, and stays there when a later check could not list it', () => {
  const manifest = 'shop/orders-1/5c1f9a52/manifest'
  const held = { backups: 31, newest: [{ manifest, cluster: 'shop/orders', endedAt: '2026-11-21T10:00:41Z', keys: 7 }] }
  const status = nextStorage(caseOf({ runs: [checked(done({ held }))] }))
  expect(status.held).toEqual(held)
  const failed = checked(done({ ok: false, missingPermissions: ['s3:ListBucket'] }), { attempt: 2 })
  expect(nextStorage(caseOf({ status, runs: [failed] }))).toMatchObject({ state: 'Unusable', held })
})

test('one that goes on not serving is tried less and less often, and at once as often when it has served', () => {
  const pauses: number[] = []
  let given = caseOf()
  const pass = (report: AgentReport): void => {
    const attempt = (given.status?.checks ?? 0) + 1
    const status = nextStorage({ ...given, runs: [checked(report, { attempt })] })
    pauses.push((nextCheckAt(given, status) - given.now) / 60_000)
    given = { ...given, status, now: nextCheckAt(given, status) }
  }
  const refused = done({ ok: false, faults: ['it does not answer'] })
  for (const report of [refused, refused, refused, refused, refused, refused, done({}), refused]) pass(report)
  expect(pauses).toEqual([1, 2, 4, 8, 10, 10, 360, 1])
})

test('a check is told which manifests were read already, and reads only those anew that said nothing', () => {
  const endedAt = '2026-11-21T10:00:41Z'
  const read = { manifest: 'shop/orders-1/5c1f9a52/manifest', cluster: 'shop/orders', endedAt, keys: 7 }
  const held = { backups: 2, newest: [read, { manifest: 'shop/orders-0/5c1f9a51/manifest', endedAt }] }
  const refused = checked(done({ ok: false, missingPermissions: ['s3:DeleteObject'], held }))
  const status = nextStorage(caseOf({ runs: [refused] }))
  const task = (given: StorageCase) => planStorage(given, nextStorage(given))[0]
  expect(task(caseOf())).toMatchObject({ task: { type: 'CheckStorage', known: [] } })
  expect(task(caseOf({ status, now: NOW + 60_000 }))).toMatchObject({ task: { known: [read] } })
  // Another bucket may have another object of that name.
  const moved = caseOf({ status, storage: { ...storage, generation: 2 } })
  expect(task(moved)).toMatchObject({ task: { known: [] } })
})

describe('a check that does not run', () => {
  const waitsFor = '0/3 nodes are available: 3 Insufficient memory'
  const later = NOW + 7 * 3_600_000
  const served = nextStorage(caseOf({ runs: [checked(done({}))] }))
  const second = (change: Partial<AgentRun> = {}): AgentRun =>
    checked(null, { job: 'archive-storage1-check-1-2', attempt: 2, ...change })

  test('is told while it waits, and may still run', () => {
    const given = caseOf({ runs: [checked(null, { waitsFor })] })
    const status = nextStorage(given)
    expect(status).toMatchObject({ state: 'Unusable', reason: 'AgentNotRunning', message: waitsFor })
    expect(planStorage(given, status)).toEqual([])
    expect(nextStorage({ ...given, status, runs: [checked(done({}))] })).toMatchObject({ state: 'Usable', checks: 1 })
  })

  test('is no evidence against a storage that served, and is said of it', () => {
    const given = caseOf({ status: served, now: later, runs: [second({ waitsFor })] })
    const waiting = nextStorage(given)
    expect(waiting).toMatchObject({ state: 'Usable', reason: 'AgentNotRunning', checkedAt: served.checkedAt })
    expect(waiting.message).toMatch(/served when it was last tried.*the check that is due waits: 0\/3 nodes/)
    expect(planStorage(given, waiting)).toEqual([])
    const running = nextStorage({ ...given, status: waiting, runs: [second()] })
    expect(running.message).toBeUndefined()
    expect(running.reason).toBeUndefined()
    const over = { ...given, status: waiting, runs: [second({ state: 'ended', isGone: true })] }
    const kept = nextStorage(over)
    expect(kept).toMatchObject({ state: 'Usable', message: waiting.message, checks: 2, checkedAt: served.checkedAt })
    const stop = { type: 'StopAgent', job: 'archive-storage1-check-1-2' }
    expect(planStorage(over, kept)).toMatchObject([{ type: 'RunAgent', attempt: 3 }, stop])
  })

  test('nor is one that the API server does not let be made', () => {
    const status = nextStorage(caseOf({ status: served, now: later, trouble: 'exceeded quota' }))
    expect(status).toMatchObject({
      state: 'Usable',
      reason: 'NoAgent',
      message: expect.stringContaining('quota') as string,
    })
  })

  test('leaves a spec without proof that was never tried', () => {
    const changed = { ...storage, generation: 2 }
    const run = second({ part: 2, waitsFor })
    expect(nextStorage(caseOf({ storage: changed, status: served, runs: [run] }))).toMatchObject({ state: 'Unusable' })
  })

  test('but one that began and was killed is', () => {
    const run = second({ state: 'ended', isGone: true })
    const status = nextStorage(caseOf({ status: served, now: later, runs: [run] }))
    expect(status).toMatchObject({ state: 'Unusable', reason: 'Interrupted', checks: 2 })
  })
})

test('another spec is tried at once, and the old agent is stopped', () => {
  const status = nextStorage(caseOf({ runs: [checked(done({}))] }))
  const given = caseOf({ storage: { ...storage, generation: 2 }, status, runs: [checked(done({}))] })
  expect(planStorage(given, nextStorage(given))).toMatchObject([
    { type: 'RunAgent', job: 'archive-storage1-check-2-2' },
    { type: 'StopAgent', job: 'archive-storage1-check-1-1' },
  ])
})

test('what is in it is counted', () => {
  const backups = [
    { endedAt: '2026-11-20T10:00:00Z', bytes: 10 },
    { endedAt: '2026-11-19T10:00:00Z', bytes: 20 },
  ]
  expect(nextStorage(caseOf({ backups }))).toMatchObject({
    backups: 2,
    bytes: 30,
    recoveryWindow: { from: '2026-11-19T10:00:00Z', to: '2026-11-20T10:00:00Z' },
  })
})

test('it goes at once when it is deleted', () => {
  const first = caseOf({ storage: { ...storage, deletionAt: NOW }, runs: [checked(null)] })
  const status = nextStorage(first)
  expect(planStorage(first, status)).toMatchObject([{ type: 'StopAgent' }])
  expect(nextStorage({ ...first, status })).toMatchObject({ state: 'Deleting', deleted: true })
})
