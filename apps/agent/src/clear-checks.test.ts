import { randomUUID } from 'node:crypto'
import { type ObjectFacts, StorageError } from '@slotkeeper/object-storage'
import { expect, test } from 'vitest'
import { clearChecks } from './clear-checks.ts'

const NOW = Date.parse('2026-11-22T10:00:00Z')
const limits = () => ({ signal: AbortSignal.timeout(10_000), deadlineMs: 10_000 })

/** Objects that were stored so many minutes ago. */
function storeOf(objects: Readonly<Record<string, number>>) {
  const deleted: string[] = []
  return {
    deleted,
    async *list(prefix: string): AsyncGenerator<ObjectFacts> {
      for (const [key, minutes] of Object.entries(objects))
        if (key.startsWith(prefix)) yield { key, bytes: 1024, modified: new Date(NOW - minutes * 60_000), etag: 'e' }
    },
    delete: async (keys: Iterable<string> | AsyncIterable<string>): Promise<void> => {
      for await (const key of keys) deleted.push(key)
    },
  }
}

const [old, fresh] = [`slotkeeper-check/${randomUUID()}`, `slotkeeper-check/${randomUUID()}`]

test('what a killed check has left goes after an hour, and nothing else', async () => {
  const store = storeOf({
    [old]: 61,
    [fresh]: 59,
    'slotkeeper-check/notes': 9_000,
    [`slotkeeper-check/nightly/${randomUUID()}/manifest`]: 9_000,
    [`photos/${randomUUID()}`]: 9_000,
  })
  expect(await clearChecks(store, limits(), NOW)).toEqual({ deleted: 1 })
  expect(store.deleted).toEqual([old])
})

test.each(['no end', 'an end that is not reached'])('what was found of a list with %s is deleted', async (kind) => {
  const slow = new StorageError('Deadline', 'not done')
  const given: number[] = []
  const store = storeOf({ [old]: 61, [fresh]: 59 })
  const list = async function* (prefix: string, { deadlineMs }: { readonly deadlineMs: number }) {
    given.push(deadlineMs)
    yield* store.list(prefix)
    if (kind !== 'no end') throw slow
    for (let left = 20_000; left > 0; left -= 1) {
      const key = `slotkeeper-check/${randomUUID()}`
      yield { key, bytes: 1024, modified: new Date(NOW - 7_200_000), etag: 'e' }
    }
  }
  const cleared = await clearChecks({ ...store, list }, limits(), NOW)
  expect(cleared).toEqual(kind === 'no end' ? { deleted: 10_000 } : { deleted: 1, error: slow })
  expect(store.deleted).toContain(old)
  expect(store.deleted).not.toContain(fresh)
  // And there is time left for that.
  expect(given).toEqual([5_000])
})

test('what is locked stays, and is told; what nobody expects, and the end of the task, is no such thing', async () => {
  const locked = new StorageError('Refused', 'it is locked')
  const refusing = (error: Error) => ({ ...storeOf({ [old]: 61 }), delete: () => Promise.reject(error) })
  expect(await clearChecks(refusing(locked), limits(), NOW)).toEqual({ deleted: 0, error: locked })
  await expect(clearChecks(refusing(new TypeError('no')), limits(), NOW)).rejects.toThrow('no')
  const over = { signal: AbortSignal.abort(new Error('called off')), deadlineMs: 1 }
  await expect(clearChecks(refusing(locked), over, NOW)).rejects.toThrow('called off')
})
