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
  change: { readonly metadata?: object; readonly restores?: readonly object[]; readonly mayAct?: boolean } = {},
) {
  const metadata = { namespace: 'shop', name: 'one', uid: 'a', resourceVersion: '7', ...change.metadata }
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
const WITH_ALL = { patch: { spec: { deletionPolicy: 'Delete' } }, precondition: { uid: 'a', resourceVersion: '7' } }
const FAILED = { state: 'Failed', endedAt: '2026-11-01T10:00:00Z' }

describe('a schedule deletes a backup', () => {
  test.each([
    ['that failed, with all that is stored of it', 'Failed', FAILED, [WITH_ALL, GOES]],
    ['that failed after it was sealed, as it says itself', 'Failed', { ...FAILED, manifest: 'm' }, [GOES]],
    ['that is replaced, with all that is stored of it', 'Replaced', { state: 'Streaming' }, [WITH_ALL, GOES]],
    ['that is replaced and sealed, as it says itself', 'Replaced', { state: 'Verifying', manifest: 'm' }, [GOES]],
    ['not, where what failed is no longer failed', 'Failed', { state: 'Adopting' }, []],
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
    expect((await removed('Failed', { ...FAILED, manifest: 'm' }, { restores: ended })).calls).toEqual([GOES])
    expect((await removed('Failed', FAILED, { restores })).calls).toEqual([WITH_ALL, GOES])
  })

  test('not where the lease ends', async () => {
    expect(await removed('Failed', FAILED, { mayAct: false })).toMatchObject({
      outcome: { result: 'later' },
      calls: [],
    })
  })
})
