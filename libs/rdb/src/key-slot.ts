/** The number of hash slots of a cluster (Redis Cluster specification). */
export const SLOT_COUNT = 16384

const OPEN = 0x7b
const CLOSE = 0x7d

/** CRC16 (XMODEM), byte by byte: `src/crc16.c` of Redis and Valkey. */
const TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8
  for (let bit = 0; bit < 8; bit += 1) crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ 0x1021
  return crc & 0xffff
})

/**
 * The hash slot of a key: CRC16 of it, or of what stands between its first `{` and the next `}` when that is not empty
 * (`keyHashSlot` in `src/cluster.c`).
 *
 * @param bytes where the key stands, from `start` to before `end`
 */
export function keySlot(bytes: Uint8Array, start = 0, end = bytes.length): number {
  let from = start
  let to = end
  const open = find(bytes, OPEN, start, end)
  if (open < end) {
    const close = find(bytes, CLOSE, open + 1, end)
    if (close < end && close > open + 1) {
      from = open + 1
      to = close
    }
  }
  let crc = 0
  for (let at = from; at < to; at += 1)
    crc = ((crc << 8) & 0xffff) ^ (TABLE[(crc >>> 8) ^ (bytes[at] as number)] as number)
  return crc & (SLOT_COUNT - 1)
}

function find(bytes: Uint8Array, byte: number, start: number, end: number): number {
  let at = start
  while (at < end && bytes[at] !== byte) at += 1
  return at
}
