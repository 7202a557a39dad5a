/**
 * How many bytes an encoded length has, by its first byte: 1, 2, 5 or 9; 0 for a byte that no length begins with
 * (`rdbLoadLenByRef` in `src/rdb.c`).
 */
export function lengthSize(first: number): number {
  if (first < 0x40 || first >= 0xc0) return 1
  if (first < 0x80) return 2
  if (first === 0x80) return 5
  return first === 0x81 ? 9 : 0
}

/**
 * A length, all of whose bytes are there. Those of 64 bits lose precision above 2^53, which no count or size reaches. A
 * string that is not stored as it is has an encoding in its place, which is given as `-1 - encoding`.
 */
export function decodeLength(bytes: Buffer, at: number): number {
  const first = bytes[at] as number
  if (first < 0x40) return first
  if (first < 0x80) return ((first & 0x3f) << 8) | (bytes[at + 1] as number)
  if (first === 0x80) return bytes.readUInt32BE(at + 1)
  if (first === 0x81) return bytes.readUInt32BE(at + 1) * 2 ** 32 + bytes.readUInt32BE(at + 5)
  return -1 - (first & 0x3f)
}

/** Encodings of strings, as `decodeLength` gives them: `RDB_ENC_INT8` to `RDB_ENC_LZF` of `src/rdb.h`. */
export const ENCODED = { int8: -1, int16: -2, int32: -3, lzf: -4 } as const
