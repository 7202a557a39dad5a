import { randomBytes, randomInt } from 'node:crypto'
import { keySlot } from '@slotkeeper/rdb'
import { type Batch, CommandBatches } from './command-batches.ts'
import { CommandPipe } from './command-pipe.ts'

/** Keys of one kind, and how large their values are. */
export type SampleData = { readonly keys: number; readonly valueBytes: number }

/** Where the keys of some slots go. */
export type SampleTarget = { readonly host: string; readonly port: number; readonly holds: (slot: number) => boolean }

const TEXT_PART = 0.6
const PHRASES = phrases(64)
const POOL_BYTES = 1024 * 1024
/** Keys between two waits: what is held in memory. */
const AT_ONCE = 10_000
const SET = Buffer.from('SET')

/** The key of that number. */
export const sampleKey = (index: number): string => `key:${String(index).padStart(8, '0')}`

/** What it is, for the page. */
export const shapeOf = ({ keys, valueBytes }: SampleData): string =>
  `${keys.toLocaleString('en-US')} keys of ${valueBytes.toLocaleString('en-US')} bytes`

/** Stores the keys, each where its slot is: 60 % of a value are phrases out of 64, the rest is random. */
export async function storeSample(
  { keys, valueBytes }: SampleData,
  targets: readonly SampleTarget[],
  signal: AbortSignal,
): Promise<void> {
  const pipes = await Promise.all(targets.map((target) => CommandPipe.open(target, signal)))
  const pending = targets.map((): Batch[] => [])
  const batches = pending.map((list) => new CommandBatches((batch) => list.push(batch)))
  const owners = Array.from({ length: 16_384 }, (_, slot) => targets.findIndex(({ holds }) => holds(slot)))
  const value = drawValues(valueBytes)
  try {
    for (let from = 0; from < keys; from += AT_ONCE) {
      for (let index = from; index < Math.min(keys, from + AT_ONCE); index += 1) {
        const key = Buffer.from(sampleKey(index))
        batches[owners[keySlot(key)] ?? -1]?.add(SET, key, value())
      }
      batches.forEach((one) => one.end())
      const sent = pipes.map(async (pipe, number) => {
        for (const batch of pending[number]?.splice(0) ?? []) await pipe.send(batch)
      })
      await Promise.all(sent)
    }
  } finally {
    pipes.forEach((pipe) => pipe.close())
  }
}

/** Gives a new value in the same memory each time. */
function drawValues(size: number): () => Buffer {
  const value = Buffer.alloc(size)
  const textBytes = Math.floor(size * TEXT_PART)
  let pool = randomBytes(POOL_BYTES)
  let at = 0
  return () => {
    if (at + 2 * size > pool.length) {
      pool = randomBytes(POOL_BYTES)
      at = 0
    }
    for (let end = 0; end < textBytes; at += 1)
      end += (PHRASES[(pool[at] ?? 0) % PHRASES.length] as Buffer).copy(value, end, 0, textBytes - end)
    at += pool.copy(value, textBytes, at, at + size - textBytes)
    return value
  }
}

function phrases(count: number): readonly Buffer[] {
  const letters = 'etaoinshrdlu '
  const letter = (): string => letters.charAt(randomInt(letters.length))
  return Array.from({ length: count }, () => Buffer.from(Array.from({ length: randomInt(12, 21) }, letter).join('')))
}
