import { expect, test } from 'vitest'
import { type AgentPlan, agentPlan, formatPlan } from './agent-plan.ts'

const reference = { namespace: 'shop', name: 'nightly', uid: 'u-1' }
const plan: AgentPlan = {
  storage: { type: 'directory', path: '/backups' },
  encryption: null,
  deadlineMs: 60_000,
  progressPort: 8080,
  mounts: [],
  task: {
    type: 'SealBackup',
    backup: reference,
    cluster: reference,
    consistency: 'shard',
    beganAt: '2026-11-21T10:00:00Z',
    engine: { engine: 'valkey', version: '9.1.2' },
    spec: { config: { '$(HOSTNAME)': 'a $$ b $(PATH) \\$' } },
    records: [{ shard: 0, record: 'shop/nightly/u-1/shard-0-0a.json' }],
  },
}

test('a plan holds nothing that Kubernetes expands, and is read as it was written', () => {
  const text = formatPlan(plan)
  expect(text).not.toContain('$')
  expect(agentPlan.parse(JSON.parse(text))).toEqual(plan)
})

test('a plan of an older controller, which said less, is read as one with nothing there', () => {
  const { mounts: _mounts, ...older } = plan
  expect(agentPlan.parse(older)).toEqual(plan)
  const task = { type: 'CheckStorage', sweepAfterMs: 1 }
  expect(agentPlan.parse({ ...older, task })).toMatchObject({ mounts: [], task: { ...task, known: [] } })
})

test.each([
  ['a key of encryption that leads elsewhere', { encryption: { keys: '/keys', current: '../other' } }],
  ['a file of Kubernetes for a key', { encryption: { keys: '/keys', current: '..data' } }],
  ['a folder that is none', { storage: { type: 'directory', path: 'backups' } }],
  ['a value beside the names of a Secret', { mounts: [{ path: '/keys', namespace: 'shop', secret: 'a', data: {} }] }],
  ['no time at all', { deadlineMs: 0 }],
  ['a version that is none', { task: { ...plan.task, engine: { engine: 'valkey', version: 'valkey-9.1' } } }],
])('refused: %s', (_what, change) => {
  expect(agentPlan.safeParse({ ...plan, ...change }).success).toBe(false)
})
