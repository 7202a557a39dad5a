import { randomUUID } from 'node:crypto'
import { utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { doneBy } from './agent-process.ts'
import { limits, namesIn, PATIENCE_MS, Stage } from './stage.ts'

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
