/** Eight tables for eight bytes at a time, each CRC in two halves of 32 bits: BigInt is a hundred times slower. */
const LOW = new Int32Array(8 * 256)
const HIGH = new Int32Array(8 * 256)

/** The polynomial of Jones, reflected (`src/crc64.c` of Redis and Valkey), in two halves. */
const POLYNOMIAL_LOW = 0xac4bc9b5 | 0
const POLYNOMIAL_HIGH = 0x95ac9329 | 0

for (let byte = 0; byte < 256; byte += 1) {
  let low = byte
  let high = 0
  for (let bit = 0; bit < 8; bit += 1) {
    const odd = (low & 1) === 1
    low = (low >>> 1) | (high << 31)
    high >>>= 1
    if (odd) {
      low ^= POLYNOMIAL_LOW
      high ^= POLYNOMIAL_HIGH
    }
  }
  LOW[byte] = low
  HIGH[byte] = high
}
for (let index = 256; index < LOW.length; index += 1) {
  const low = LOW[index - 256] as number
  const high = HIGH[index - 256] as number
  LOW[index] = ((low >>> 8) | (high << 24)) ^ (LOW[low & 255] as number)
  HIGH[index] = (high >>> 8) ^ (HIGH[low & 255] as number)
}

/**
 * The CRC64 at the end of an RDB file: Jones, reflected, begun at 0, not inverted. Of `123456789` it is
 * `e9c6d914c4b8d9ca`. Incremental: how the bytes are cut does not matter.
 */
export class Crc64 {
  #low = 0
  #high = 0

  /** Takes the bytes from `start` to before `end`. */
  update(bytes: Uint8Array, start = 0, end = bytes.length): this {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    let low = this.#low
    let high = this.#high
    let at = start
    for (const last = end - 8; at <= last; at += 8) {
      low ^= view.getInt32(at, true)
      high ^= view.getInt32(at + 4, true)
      const a = 1792 + (low & 255)
      const b = 1536 + ((low >>> 8) & 255)
      const c = 1280 + ((low >>> 16) & 255)
      const d = 1024 + (low >>> 24)
      const e = 768 + (high & 255)
      const f = 512 + ((high >>> 8) & 255)
      const g = 256 + ((high >>> 16) & 255)
      const h = high >>> 24
      low =
        (LOW[a] as number) ^
        (LOW[b] as number) ^
        (LOW[c] as number) ^
        (LOW[d] as number) ^
        ((LOW[e] as number) ^ (LOW[f] as number) ^ (LOW[g] as number) ^ (LOW[h] as number))
      high =
        (HIGH[a] as number) ^
        (HIGH[b] as number) ^
        (HIGH[c] as number) ^
        (HIGH[d] as number) ^
        ((HIGH[e] as number) ^ (HIGH[f] as number) ^ (HIGH[g] as number) ^ (HIGH[h] as number))
    }
    for (; at < end; at += 1) {
      const index = (low ^ view.getUint8(at)) & 255
      low = ((low >>> 8) | (high << 24)) ^ (LOW[index] as number)
      high = (high >>> 8) ^ (HIGH[index] as number)
    }
    this.#low = low
    this.#high = high
    return this
  }

  /** Its eight bytes as they stand in a file, the lowest first. */
  digest(): Buffer {
    const bytes = Buffer.alloc(8)
    bytes.writeInt32LE(this.#low, 0)
    bytes.writeInt32LE(this.#high, 4)
    return bytes
  }
}

/** Eight bytes of a checksum as people write it: 16 hex digits, the highest first. */
export function checksumText(bytes: Uint8Array): string {
  return Buffer.from(bytes).reverse().toString('hex')
}
