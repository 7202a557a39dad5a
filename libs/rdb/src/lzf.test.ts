import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decompressLzf } from './lzf.ts'

const undo = (packed: readonly number[], size: number): string | undefined =>
  decompressLzf(Uint8Array.from(packed), 0, packed.length, size)?.toString('latin1')

const [a, b, c] = [97, 98, 99]

test.each<[string, readonly number[], string]>([
  ['nothing', [], ''],
  ['bytes as they are', [2, a, b, c], 'abc'],
  ['a repetition', [2, a, b, c, 0x40, 2], 'abcabca'],
  ['one that overlaps itself', [0, a, 0xa0, 0], 'aaaaaaaa'],
  ['a long one, then others', [0, a, 0xe0, 3, 0, 1, b, c], `${'a'.repeat(13)}bc`],
])('%s', (_what, packed, plain) => {
  const size = plain.length
  expect(undo(packed, size)).toBe(plain)
  expect(undo(packed, size + 1)).toBeUndefined()
  if (size > 0) expect(undo(packed, size - 1)).toBeUndefined()
})

test.each<[string, readonly number[], number]>([
  ['fewer bytes than are announced', [5, a, b], 6],
  ['a repetition of what was before the beginning', [0, a, 0x20, 1], 4],
  ['a repetition without its distance', [0, a, 0x20], 4],
  ['a long repetition without its size', [0, a, 0xe0], 12],
  ['more than its bytes can give', [0, a, 0xff, 255, 0], 2 ** 50],
])('%s is refused', (_what, packed, size) => {
  expect(undo(packed, size)).toBeUndefined()
})

test('whatever comes, it is refused or has the size that was said', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), fc.nat(300), (packed, size) => {
      const plain = decompressLzf(packed, 0, packed.length, size)
      expect(plain === null || plain.length === size).toBe(true)
    }),
  )
})
