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
  expect(slot(key)).toBe(plainCrc16(key) % 16_384)
})

/** The definition, bit by bit. */
function plainCrc16(text: string): number {
  let crc = 0
  for (const byte of Buffer.from(text)) {
    crc ^= byte << 8
    for (let bit = 0; bit < 8; bit += 1) crc = ((crc << 1) ^ ((crc & 0x8000) === 0 ? 0 : 0x1021)) & 0xffff
  }
  return crc
}
