import type { StorageStatus } from '@slotkeeper/events'
import { describe, expect, test } from 'vitest'
import {
  type AgentReport,
  type AgentRun,
  nextCheckAt,
  nextStorage,
  planStorage,
  type StorageCase,
  storageSentence,
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
    pauses.push((nextCheckAt(status) - given.now) / 60_000)
    given = { ...given, status, now: nextCheckAt(status) }
  }
  const refused = done({ ok: false, faults: ['it does not answer'] })
  for (const report of [refused, refused, refused, refused, refused, refused, done({}), refused]) pass(report)
  expect(pauses).toEqual([1, 2, 4, 8, 10, 10, 360, 1])
})

describe('when it is tried again', () => {
  const refused = done({ ok: false, faults: ['it does not answer'] })
  const failed = (attempt: number, change: Partial<StorageCase> = {}): StorageStatus =>
    nextStorage(caseOf({ runs: [checked(refused, { attempt, part: change.storage?.generation ?? 1 })], ...change }))
  const thrice = (): StorageStatus => failed(3, { status: failed(2, { status: failed(1) }) })
  const ordered = (given: StorageCase): readonly unknown[] =>
    planStorage(given, nextStorage(given)).flatMap((one) => (one.type === 'RunAgent' ? [one.job] : []))

  test('is said until it is time', () => {
    const status = thrice()
    expect(status).toMatchObject({ failedChecks: 3, nextCheckAt: new Date(NOW + 240_000).toISOString() })
    expect(nextStorage(caseOf({ status, now: NOW + 239_000 })).nextCheckAt).toBe(status.nextCheckAt)
    const due = caseOf({ status, now: NOW + 240_000 })
    expect(nextStorage(due)).not.toHaveProperty('nextCheckAt')
    expect(ordered(due)).toEqual(['archive-storage1-check-1-4'])
    const deleted = { ...storage, deletionAt: NOW }
    expect(nextStorage(caseOf({ status, storage: deleted }))).not.toHaveProperty('nextCheckAt')
  })

  test('another spec is tried at once, and its pauses begin anew', () => {
    const change = { storage: { ...storage, generation: 2 }, status: thrice() }
    expect(nextStorage(caseOf(change))).not.toHaveProperty('nextCheckAt')
    expect(ordered(caseOf(change))).toEqual(['archive-storage1-check-2-4'])
    const again = failed(4, change)
    expect(again).toMatchObject({ failedChecks: 1, nextCheckAt: new Date(NOW + 60_000).toISOString() })
  })

  test('a person has it tried at once, once for each word, and not by a check that was begun before', () => {
    const status = thrice()
    const asking = { storage: { ...storage, asked: 'now' }, status, now: NOW + 1_000 }
    expect(ordered(caseOf(asking))).toEqual(['archive-storage1-check-1-4'])
    const asked = nextStorage(caseOf(asking))
    const after = failed(4, { ...asking, status: asked })
    expect(after).toMatchObject({ failedChecks: 1, nextCheckAt: new Date(NOW + 61_000).toISOString() })
    expect(ordered(caseOf({ ...asking, status: after }))).toEqual([])
    const amid = failed(5, { ...asking, storage: { ...storage, asked: 'again' }, status: after })
    expect(ordered(caseOf({ ...asking, storage: { ...storage, asked: 'again' }, status: amid }))).toEqual([
      'archive-storage1-check-1-6',
    ])
  })
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

describe('what it holds is looked at soon after a backup came or went', () => {
  const backups = [{ endedAt: '2026-11-22T10:00:00Z', bytes: 10 }]
  const hours = 3_600_000
  const minutes = 60_000
  const first = nextStorage(caseOf({ runs: [checked(done({}))] }))

  test('once, and not for what stays', () => {
    const status = nextStorage(caseOf({ status: first, backups, now: NOW + hours }))
    expect(nextCheckAt(status)).toBe(NOW + hours + 2.5 * minutes)
    const due = nextStorage(caseOf({ status, backups, now: NOW + hours + 3 * minutes }))
    const runs = [checked(done({}), { attempt: 2 })]
    const again = nextStorage(caseOf({ status: due, backups, runs, now: NOW + hours + 4 * minutes }))
    expect(nextCheckAt(again)).toBe(NOW + 7 * hours + 4 * minutes)
    const gone = nextStorage(caseOf({ status: again, now: NOW + 2 * hours }))
    expect(nextCheckAt(gone)).toBe(NOW + 2 * hours + 2.5 * minutes)
  })

  test('also where one took the place of another', () => {
    const status = nextStorage(caseOf({ backups, runs: [checked(done({}))] }))
    const other = [{ endedAt: '2026-11-22T11:00:00Z', bytes: 10 }]
    expect(nextCheckAt(nextStorage(caseOf({ status, backups: other, now: NOW + hours })))).toBe(NOW + hours + 150_000)
    expect(nextCheckAt(nextStorage(caseOf({ status, backups, now: NOW + hours })))).toBe(NOW + 6 * hours)
  })

  test('no more often than every five minutes', () => {
    const status = nextStorage(caseOf({ status: first, backups, now: NOW + 1_000 }))
    expect(nextCheckAt(status)).toBe(NOW + 5 * minutes)
  })

  test('also where a check was under way', () => {
    const due = nextStorage(caseOf({ status: first, now: NOW + 6 * hours }))
    const running = checked(null, { attempt: 2 })
    const amid = nextStorage(caseOf({ status: due, backups, runs: [running], now: NOW + 6 * hours + 1_000 }))
    const runs = [checked(done({}), { attempt: 2 })]
    const status = nextStorage(caseOf({ status: amid, backups, runs, now: NOW + 6 * hours + 2_000 }))
    expect(nextCheckAt(status)).toBe(NOW + 6 * hours + 2_000 + 5 * minutes)
  })

  test('one that does not serve is not tried more often for it', () => {
    const refused = checked(done({ ok: false, faults: ['it does not answer'] }))
    const status = nextStorage(caseOf({ runs: [refused] }))
    expect(nextCheckAt(nextStorage(caseOf({ status, backups, now: NOW + 1_000 })))).toBe(NOW + minutes)
  })
})

test.each([
  ['Usable', true, 'Backups can be kept there.'],
  ['Usable', false, 'Backups can be kept there, unencrypted.'],
  ['Checking', false, 'A small object is being written, read, listed and deleted there.'],
] as const)('%s, encrypted %s: %s', (state, isEncrypted, sentence) => {
  expect(storageSentence(state, isEncrypted)).toBe(sentence)
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
