import type { RdbContent } from './rdb-tally.ts'
import { unpackSlotCounts } from './slot-counts.ts'

const NAMED_SLOTS = 10

const NUMBERS = {
  version: 'RDB version',
  keys: 'keys',
  expiring: 'keys that end',
  recordBytes: 'bytes of keys and values',
  functions: 'libraries of functions',
  functionBytes: 'bytes of functions',
} as const

/**
 * What is different between two contents, in sentences; none if they are equal.
 *
 * @param expected for example what the manifest of a backup says
 * @param found for example what is in the file
 */
export function contentDifference(expected: RdbContent, found: RdbContent): readonly string[] {
  const numbers = Object.entries(NUMBERS).flatMap(([name, words]) =>
    differing(words, expected[name as keyof typeof NUMBERS], found[name as keyof typeof NUMBERS]),
  )
  const typeNames = Array.from(new Set([...Object.keys(expected.types), ...Object.keys(found.types)])).toSorted()
  return [
    ...differing('format', expected.format, found.format),
    ...numbers,
    ...typeNames.flatMap((name) =>
      differing(`keys of type ${name}`, expected.types[name] ?? 0, found.types[name] ?? 0),
    ),
    ...differing('types of modules', expected.modules.join(', ') || 'none', found.modules.join(', ') || 'none'),
    ...slotDifference(expected.slots, found.slots),
  ]
}

function differing(what: string, expected: string | number, found: string | number): readonly string[] {
  return expected === found ? [] : [`${what}: ${expected} expected, ${found} found`]
}

function slotDifference(expected: string, found: string): readonly string[] {
  if (expected === found) return []
  const [before, after] = [unpackSlotCounts(expected), unpackSlotCounts(found)]
  const slots = Array.from(before.keys()).filter((slot) => before[slot] !== after[slot])
  const named = slots
    .slice(0, NAMED_SLOTS)
    .map((slot) => `keys in slot ${slot}: ${before[slot]} expected, ${after[slot]} found`)
  return slots.length > NAMED_SLOTS ? [...named, `and ${slots.length - NAMED_SLOTS} more slots`] : named
}
