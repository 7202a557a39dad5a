import { expect, test } from 'vitest'
import { createOwnWrites } from './own-writes.ts'
import { isAtLeastVersion } from './resource-version.ts'

test('versions compare as numbers of any size, and what is no number only equals itself', () => {
  expect(isAtLeastVersion('10', '9')).toBe(true)
  expect(isAtLeastVersion('9', '10')).toBe(false)
  expect(isAtLeastVersion('100000000000000000001', '100000000000000000000')).toBe(true)
  expect(isAtLeastVersion('abc', 'abc')).toBe(true)
  expect(isAtLeastVersion('abd', 'abc')).toBe(false)
  expect(isAtLeastVersion('', '1')).toBe(false)
})

test('an older write never hides a newer one', () => {
  const writes = createOwnWrites()
  writes.note('ns', 'a', '10')
  writes.note('ns', 'a', '9')
  expect(writes.areIn('ns', 'a', ['9', undefined])).toBe(false)
  expect(writes.areIn('ns', 'a', [undefined, '10'])).toBe(true)
  expect(writes.areIn('ns', 'a', [])).toBe(true)
})

test('a whole list holds every write from before it began, though etcd was restored to an older version', () => {
  const writes = createOwnWrites()
  writes.note('ns', 'a', '10')
  writes.note('other', 'a', '10')
  writes.listing('ns')
  writes.note('ns', 'b', '11')
  writes.listed('ns')
  expect(writes.areIn('ns', 'a', ['3'])).toBe(true)
  expect(writes.areIn('ns', 'b', ['3'])).toBe(false)
  expect(writes.areIn('other', 'a', ['3'])).toBe(false)
})
