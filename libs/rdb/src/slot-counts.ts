import { SLOT_COUNT } from './key-slot.ts'

/**
 * How many keys each slot has, as a text of a few KiB: the counts one after the other, seven bits a byte, the lowest first;
 * after a 0 how many more slots have none; all of it in base64.
 */
export function packSlotCounts(counts: Uint32Array): string {
  const bytes: number[] = []
  for (let slot = 0; slot < SLOT_COUNT;) {
    const count = counts[slot++] ?? 0
    put(bytes, count)
    if (count > 0) continue
    const first = slot
    while (slot < SLOT_COUNT && counts[slot] === 0) slot += 1
    put(bytes, slot - first)
  }
  return Buffer.from(bytes).toString('base64')
}

/**
 * The counts of a text that `packSlotCounts` gave, by slot.
 *
 * @throws Error if it is no such text
 */
export function unpackSlotCounts(text: string): Uint32Array {
  const bytes = Buffer.from(text, 'base64')
  const counts = new Uint32Array(SLOT_COUNT)
  let at = 0
  const take = (): number => {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at++]
      if (byte === undefined) throw new Error('the counts of slots end too early')
      value += (byte & 127) * scale
      if (byte < 128) return value
    }
  }
  let slot = 0
  while (slot < SLOT_COUNT) {
    const count = take()
    counts[slot++] = count
    if (count === 0) slot += take()
  }
  if (slot !== SLOT_COUNT || at !== bytes.length) throw new Error('not the counts of all slots')
  return counts
}

function put(bytes: number[], value: number): void {
  let rest = value
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest & 127) | 128)
  bytes.push(rest)
}
