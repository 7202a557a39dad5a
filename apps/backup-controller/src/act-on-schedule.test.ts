import type { KubeObject, Objects } from '@slotkeeper/k8s'
import { describe, expect, test } from 'vitest'
import { actOnSchedule } from './act-on-schedule.ts'

const of = { kind: 'schedule', namespace: 'shop', name: 'nightly', uid: 's' } as const
const RESTORE = {
  metadata: { name: 'reader', creationTimestamp: new Date().toISOString() },
  spec: { source: { backup: { name: 'one' } }, deadlineSeconds: 3_600 },
}

/** What is called for a backup that is to be deleted, and what comes of it. */
async function removed(
  why: 'Failed' | 'Replaced',
  status: object,
  change: {
    readonly metadata?: object
    readonly restores?: readonly object[]
    readonly mayAct?: boolean
  } = {},
) {
  const metadata = { namespace: 'shop', name: 'one', uid: 'a', generation: 3, ...change.metadata }
  const there = { apiVersion: '', kind: '', metadata, spec: { storageName: 'archive' }, status } as KubeObject
  const calls: unknown[] = []
  const objects: Partial<Objects> = {
    get: () => Promise.resolve(there),
    list: ({ kind }) =>
      Promise.resolve({ items: (kind === 'RedisRestore' ? (change.restores ?? []) : []) as [], resourceVersion: '' }),
    patch: (_resource, _key, patch, precondition) => {
      calls.push({ patch, precondition })
      return Promise.resolve(there)
    },
    delete: (_resource, _key, options) => {
      calls.push({ delete: options })
      return Promise.resolve(true)
    },
  }
  const command = { type: 'DeleteBackup', of, name: 'one', uid: 'a', why } as const
  const io = { signal: new AbortController().signal, mayAct: () => change.mayAct !== false }
  const outcome = await actOnSchedule(objects as Objects, command, io as never)
  return { outcome, calls }
}

const GOES = { delete: { uid: 'a' } }
const marked = (why: string) => ({
  patch: { metadata: { annotations: { 'slotkeeper.dev/discarded': `3: ${why}` } } },
  precondition: { uid: 'a' },
})
const FAILED_GOES = [marked('Failed'), GOES]
const REPLACED_GOES = [marked('Replaced'), GOES]
const STORED = { shards: [{ shard: 0, attempt: 1, slots: '0-16383', record: 'r' }] }
const STREAMED = { shards: [{ shard: 0, attempt: 1, slots: '0-16383', bytes: 7 }] }
const FAILED = { state: 'Failed', endedAt: '2026-11-01T10:00:00Z' }

describe('a schedule deletes a backup', () => {
  test.each([
    ['that failed', 'Failed', FAILED, FAILED_GOES],
    ['that failed while it was stored', 'Failed', { ...FAILED, ...STREAMED }, FAILED_GOES],
    ['that failed when it may have been sealed', 'Failed', { ...FAILED, ...STORED }, FAILED_GOES],
    ['that failed after it was sealed', 'Failed', { ...FAILED, manifest: 'm' }, FAILED_GOES],
    ['that is replaced', 'Replaced', { state: 'Streaming' }, REPLACED_GOES],
    ['that is replaced and sealed', 'Replaced', { state: 'Verifying', manifest: 'm' }, REPLACED_GOES],
    ['not, where what failed is no longer failed', 'Failed', { state: 'Adopting' }, []],
    ['not, where nobody knows whether what is replaced is whole', 'Replaced', { state: 'Adopting' }, []],
    ['not, where the status of what is replaced was lost', 'Replaced', {}, []],
    ['not, where what is replaced has ended', 'Replaced', { ...FAILED, state: 'Completed', manifest: 'm' }, []],
  ] as const)('%s', async (_what, why, status, expected) => {
    expect(await removed(why, status)).toEqual({ outcome: { result: 'accepted' }, calls: expected })
  })

  test.each([
    ['another one has its name', { uid: 'b' }],
    ['somebody deletes it, whose word holds', { deletionTimestamp: '2026-11-01T11:00:00Z' }],
  ])('not, where %s', async (_what, metadata) => {
    expect((await removed('Failed', FAILED, { metadata })).calls).toEqual([])
  })

  test('not while a restore reads what is whole', async () => {
    const restores = [RESTORE]
    const { outcome, calls } = await removed('Failed', { ...FAILED, manifest: 'm' }, { restores })
    expect(outcome).toMatchObject({ result: 'failed', reason: 'BackupInUse' })
    expect(calls).toEqual([])
    const ended = [{ ...RESTORE, status: { state: 'Completed' } }]
    expect((await removed('Failed', { ...FAILED, manifest: 'm' }, { restores: ended })).calls).toEqual(FAILED_GOES)
    expect((await removed('Failed', FAILED, { restores })).calls).toEqual(FAILED_GOES)
  })

  test('not while a restore reads by its name what was never told to be whole', async () => {
    const source = { stored: { storageName: 'archive', manifest: 'shop/one/a/manifest' } }
    const restores = [{ ...RESTORE, spec: { ...RESTORE.spec, source } }]
    const { outcome, calls } = await removed('Failed', { ...FAILED, ...STORED }, { restores })
    expect(outcome).toMatchObject({ result: 'failed', reason: 'BackupInUse' })
    expect(calls).toEqual([])
  })

  test('not where the lease ends', async () => {
    expect(await removed('Failed', FAILED, { mayAct: false })).toMatchObject({
      outcome: { result: 'later' },
      calls: [],
    })
  })
})
