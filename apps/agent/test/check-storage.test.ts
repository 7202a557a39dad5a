import { randomUUID } from 'node:crypto'
import { utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { startFaultyStorage } from '@slotkeeper/testing'
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { doneBy, doneHere } from './agent-process.ts'
import { drawBackup, limits, namesIn, PATIENCE_MS, Stage } from './stage.ts'

vi.setConfig({ testTimeout: PATIENCE_MS, hookTimeout: PATIENCE_MS })

let stage: Stage
beforeAll(async () => {
  stage = await Stage.make()
})
afterAll(() => stage.close())

async function* bytes(): AsyncGenerator<Uint8Array> {
  yield Buffer.alloc(1024)
}

test('a check takes away what one that was killed has left, an hour after that, and nothing else', async () => {
  const { storage, store } = await stage.directory()
  if (storage.type !== 'directory') throw new Error('it is no directory')
  const [old, fresh] = [`slotkeeper-check/${randomUUID()}`, `slotkeeper-check/${randomUUID()}`]
  const [notes, photo] = ['slotkeeper-check/notes', 'photos/cat.jpg']
  for (const key of [old, fresh, notes, photo]) await store.put(key, bytes(), limits())
  const then = new Date(Date.now() - 61 * 60_000)
  for (const key of [old, notes, photo]) await utimes(join(storage.path, key), then, then)
  const plan = stage.plan(storage, { type: 'CheckStorage', sweepAfterMs: 86_400_000, known: [] })
  expect(await doneBy('CheckStorage', plan)).toMatchObject({ ok: true, faults: [], missingPermissions: [], swept: 0 })
  expect(await namesIn(store)).toEqual([photo, fresh, notes].toSorted())
})

test.each([
  ['what its backups are opened with', '.rdb', 0, { backups: 1 }],
  ['what it holds', '/manifest', 0, null],
  // The check itself reads there, lists, and asks for uploads.
  ['what killed checks have left', 'slotkeeper-check', 3, { backups: 1, unreadable: 0 }],
  ['what killed agents have left', 'uploads', 1, { backups: 1 }],
])('a storage that is slow to tell %s is usable all the same', async (_what, part, passing, held) => {
  const proxy = await startFaultyStorage(stage.s3)
  onTestFinished(() => proxy.stop())
  const { storage, store } = await stage.bucket(proxy.endpoint)
  const { namespace, name, uid } = drawBackup()
  for (const object of ['shard-0-0a.rdb', 'manifest'])
    await store.put(`${namespace}/${name}/${uid}/${object}`, bytes(), limits())
  let seen = 0
  proxy.fault = ({ method, path }) => {
    if (method === 'GET' && path.includes(part)) seen += 1
    else return undefined
    return seen > passing ? { kind: 'silence' } : undefined
  }
  const plan = stage.plan(
    storage,
    { type: 'CheckStorage', sweepAfterMs: 86_400_000, known: [] },
    { deadlineMs: 14_000 },
  )
  const done = await doneHere('CheckStorage', plan)
  expect(seen).toBeGreaterThan(passing)
  expect(done).toMatchObject({ ok: true, faults: [], missingPermissions: [] })
  if (held === null) expect(done.held).toBeNull()
  else expect(done.held).toMatchObject(held)
})
