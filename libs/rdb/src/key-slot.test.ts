import { expect, test } from 'vitest'
import { keySlot } from './key-slot.ts'

const slot = (key: string | Buffer): number => keySlot(Buffer.from(key))

test.each([
  ['123456789', 0x31c3],
  ['foo', 12_182],
  ['', 0],
])('the slot of %j', (key, expected) => {
  expect(slot(key)).toBe(expected)
})

test.each([
  ['a tag', '{user1000}.following', 'user1000'],
  ['a tag in the middle', 'foo{bar}zap', 'bar'],
  ['the first of two tags', 'foo{bar}{zap}', 'bar'],
  ['a brace within a tag', 'foo{{bar}}zap', '{bar'],
])('%s decides', (_what, key, tag) => {
  expect(slot(key)).toBe(slot(tag))
})

test.each([
  ['nothing between the braces', 'foo{}{bar}'],
  ['no closing brace', 'foo{bar'],
  ['a closing brace before the opening one', 'foo}bar{'],
])('%s: the whole key decides', (_what, key) => {
  const shifted = Buffer.from(`}x{${key}}`)
  expect(keySlot(shifted, 3, shifted.length - 1)).toBe(slot(key))
  expect(slot(key)).not.toBe(slot('bar'))
})
