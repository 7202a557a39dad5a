import fc from 'fast-check'
import { expect, test } from 'vitest'
import { checksumText, Crc64 } from './crc64.ts'

const of = (...parts: readonly Uint8Array[]): string => {
  const crc = new Crc64()
  for (const part of parts) crc.update(part)
  return checksumText(crc.digest())
}

test('it is the CRC64 of Redis', () => {
  expect(of(Buffer.from('123456789'))).toBe('e9c6d914c4b8d9ca')
  expect(of(Buffer.from('This is a test of the emergency broadcast system.'))).toBe(
    checksumText(Buffer.from(plainCrc64('This is a test of the emergency broadcast system.'))),
  )
  expect(of()).toBe('0000000000000000')
})

test('it is what one gets bit by bit, however the bytes are cut and wherever they lie', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(100), fc.nat(7), (data, cut, shift) => {
      const shifted = new Uint8Array(data.length + shift + 3)
      shifted.set(data, shift)
      const whole = checksumText(new Crc64().update(shifted, shift, shift + data.length).digest())
      expect(whole).toBe(checksumText(Buffer.from(plainCrc64(data))))
      expect(of(data.subarray(0, cut), data.subarray(cut))).toBe(whole)
    }),
  )
})

/** The definition, in BigInt. */
function plainCrc64(data: Uint8Array | string): Uint8Array {
  let crc = 0n
  for (const byte of Buffer.from(data)) {
    crc ^= BigInt(byte)
    for (let bit = 0; bit < 8; bit += 1) crc = (crc & 1n) === 1n ? (crc >> 1n) ^ 0x95ac9329ac4bc9b5n : crc >> 1n
  }
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(crc)
  return bytes
}
