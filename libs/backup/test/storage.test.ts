import type { StorageStatus } from '@slotkeeper/events'
import { expect, test } from 'vitest'
import { type AgentReport, type AgentRun, nextStorage, planStorage, type StorageCase } from '../src/index.ts'

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

test('a pod that can not start is told while it waits', () => {
  const run = checked(null, { waitsFor: 'persistentvolumeclaim "archive" not found' })
  expect(nextStorage(caseOf({ runs: [run] }))).toMatchObject({ state: 'Unusable', reason: 'AgentNotRunning' })
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
