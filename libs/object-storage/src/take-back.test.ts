import { expect, test } from 'vitest'
import { StorageError } from './storage-error.ts'
import { takeBack } from './take-back.ts'

const attempts = async (errors: readonly Error[]): Promise<number> => {
  let count = 0
  await takeBack(Promise.reject(new Error('a part that failed')), () => {
    const error = errors[count]
    count += 1
    return error === undefined ? Promise.resolve() : Promise.reject(error)
  })
  return count
}

test('what may pass is tried again, so that a server that stalls for a moment leaves nothing', async () => {
  expect(await attempts([new StorageError('Slow', 'nothing moved'), new StorageError('Unreachable', 'cut')])).toBe(3)
})

test('what lasts is left to the sweep at once', async () => {
  expect(await attempts([new StorageError('Forbidden', 'may not')])).toBe(1)
  expect(await attempts([new Error('a fault of ours')])).toBe(1)
})
