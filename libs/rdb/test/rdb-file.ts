import { Crc64, type RdbEnd, type RdbListener, RdbParser, type RdbParserOptions } from '../src/index.ts'

/** Bytes, as the numbers and buffers they are put together of. */
export type Bytes = (number | string | Buffer)[]

/** These, one after the other; numbers are single bytes, strings are text. */
export const bytes = (...parts: Bytes): Buffer =>
  Buffer.concat(parts.map((part) => (typeof part === 'number' ? Buffer.from([part]) : Buffer.from(part))))

/** A length, in the shortest of its four forms. */
export function length(value: number | bigint): Buffer {
  const number = Number(value)
  if (number < 64) return Buffer.from([number])
  if (number < 16_384) return Buffer.from([0x40 | (number >> 8), number & 255])
  const large = Buffer.alloc(9)
  if (number > 0xffffffff) {
    large[0] = 0x81
    large.writeBigUInt64BE(BigInt(value), 1)
    return large
  }
  large[0] = 0x80
  large.writeUInt32BE(number, 1)
  return large.subarray(0, 5)
}

/** A string as it is. */
export const string = (value: string | Buffer): Buffer => bytes(length(Buffer.from(value).length), value)

/** A compressed string of one byte, repeated: one literal, then a reference to it. */
export function compressed(byte: string, count: number): Buffer {
  const packed = Buffer.from([0, byte.charCodeAt(0), 0xe0, count - 1 - 9, 0])
  return bytes(0xc3, length(packed.length), length(count), packed)
}

/** A number of 8 bytes, the lowest first. */
export function int64(value: number): Buffer {
  const buffer = Buffer.alloc(8)
  buffer.writeBigInt64LE(BigInt(value))
  return buffer
}

/** A file: the header, these sections and records, the end and its checksum. */
export function rdbFile(magic: string, ...parts: Bytes): Buffer {
  const all = bytes(magic, ...parts, 0xff)
  return bytes(all, new Crc64().update(all).digest())
}

/** A record without anything before its type. */
export const record = (type: number, key: string | Buffer, ...value: Bytes): Buffer =>
  bytes(type, string(key), ...value)

/** An aux field. */
export const aux = (name: string, value: string | Buffer): Buffer => bytes(0xfa, string(name), string(value))

/** What a listener was told: each part with the bytes that came with it, records as plain data. */
export type Told = { readonly what: unknown; bytes: string }

/** A listener that writes down what it is told. */
export function notebook(): { readonly told: Told[]; readonly listener: RdbListener; end(): RdbEnd | null } {
  const told: Told[] = []
  let ended: RdbEnd | null = null
  return {
    told,
    end: () => ended,
    listener: {
      header: (header) => void told.push({ what: { ...header }, bytes: '' }),
      section: (section, offset) => void told.push({ what: { ...section, offset }, bytes: '' }),
      record: ({ type, slot, db, expiresAtMs, idleSeconds, frequency, module, offset, valueOffset, key }) => {
        const what = { type: type.name, slot, db, expiresAtMs, idleSeconds, frequency, module, offset, valueOffset }
        told.push({ what: { ...what, key: key.toString('latin1') }, bytes: '' })
      },
      bytes: (source, start, end) => {
        const last = told.at(-1)
        if (last !== undefined) last.bytes += source.toString('latin1', start, end)
      },
      end: (end) => {
        ended = end
      },
    },
  }
}

/** What is told of a file that comes in pieces of these sizes, in turn. */
export function read(
  file: Buffer,
  sizes: readonly number[] = [file.length || 1],
  options: RdbParserOptions = {},
): { readonly told: readonly Told[]; readonly end: RdbEnd | null } {
  const { told, listener, end } = notebook()
  const parser = new RdbParser(listener, options)
  for (let at = 0, turn = 0; at < file.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? 1
    // A copy each, wiped afterwards: nobody may hold on to it.
    const chunk = Buffer.from(file.subarray(at, at + size))
    parser.push(chunk)
    chunk.fill(0xee)
    at += size
  }
  parser.finish()
  return { told, end: end() }
}
