import { kept, PATIENCE_MS, type Place } from '@slotkeeper/testing'
import { asRedisError, RedisError } from '../src/index.ts'

/** A command that need not be text. */
export type Words = readonly (string | Buffer)[]

/** Sends commands over the kept connection, of which none may be refused. */
export async function send(place: Place, commands: readonly Words[]): Promise<readonly unknown[]> {
  const answers = await kept(place.server).binary(commands, PATIENCE_MS)
  for (const answer of answers) if (answer instanceof RedisError) throw asRedisError(answer)
  return answers
}

/** The slot of a tag: CRC16 (XMODEM) of what is in its braces. */
function slotOf(tag: string): number {
  let crc = 0
  for (const byte of Buffer.from(tag.slice(1, -1))) {
    crc ^= byte << 8
    for (let bit = 0; bit < 8; bit += 1) crc = ((crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ 0x1021) & 0xffff
  }
  return crc % 16_384
}

/** One tag `{...}` for each of these slots. */
export function tagsFor(slots: readonly number[]): ReadonlyMap<number, string> {
  const found = new Map<number, string>()
  for (let number = 0; found.size < slots.length; number += 1) {
    const tag = `{t${number}}`
    const slot = slotOf(tag)
    if (slots.includes(slot) && !found.has(slot)) found.set(slot, tag)
  }
  return found
}

/** The tag of one slot. */
export const tagFor = (slot: number): string => tagsFor([slot]).get(slot) ?? ''

/** Keys of every kind in a slot: text and bytes, with and without an end. */
export function keysIn(tag: string, count: number): readonly Words[] {
  return Array.from({ length: count }, (_, index): readonly Words[] => {
    const key = Buffer.concat([Buffer.from(`${tag}${index}`), Buffer.from([0, 0xff, 0xfe, 10, index % 256])])
    const value = Buffer.from([index % 256, 0xff, 0, 13, 10, 0x80])
    switch (index % 6) {
      case 0:
        return [['HSET', key, 'a', value, 'b', `${index}`]]
      case 1:
        return [['RPUSH', key, value, 'x', `${index}`]]
      case 2:
        return [['ZADD', key, '1.5', 'x', `${index}`, value]]
      case 3:
        return [['SET', key, value, 'PX', String(3_600_000 + index)]]
      case 4:
        return [['SADD', key, ...Array.from({ length: 300 }, (_unused, member) => `${tag}${member}`)]]
      default:
        return [['SET', key, value]]
    }
  }).flat()
}

/** A key as it was put there. */
export type Kept = { readonly key: Buffer; readonly slot: number; readonly value: string; readonly expiresAt: number }

/** What a server answers for keys of slots that it owns: value and end of each. */
export async function readAll(
  place: Place,
  keys: readonly Buffer[],
): Promise<readonly Pick<Kept, 'value' | 'expiresAt'>[]> {
  if (keys.length === 0) return []
  const types = (
    await send(
      place,
      keys.map((key) => ['TYPE', key]),
    )
  ).map(String)
  const values = await send(
    place,
    keys.map((key, index) => [...(READS[types[index] ?? ''] ?? ['GET']), key, ...(RANGES[types[index] ?? ''] ?? [])]),
  )
  const ends = await send(
    place,
    keys.map((key) => ['PEXPIRETIME', key]),
  )
  return values.map((value, index) => {
    const words = (Array.isArray(value) ? value.flat() : [value]).map((one) =>
      Buffer.isBuffer(one) ? one.toString('hex') : String(one),
    )
    const inOrder = types[index] === 'set' ? words.toSorted() : words
    return { value: inOrder.join(' '), expiresAt: Number(ends[index]) }
  })
}

const READS: Readonly<Record<string, Words>> = {
  set: ['SMEMBERS'],
  hash: ['HGETALL'],
  list: ['LRANGE'],
  zset: ['ZRANGE'],
}
const RANGES: Readonly<Record<string, Words>> = { list: ['0', '-1'], zset: ['0', '-1', 'WITHSCORES'] }
