import type { RdbContent } from './rdb-tally.ts'
import { packSlotCounts, unpackSlotCounts } from './slot-counts.ts'

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

/**
 * The content of several files taken as one, such as the parts of a split file. Functions are in every part and count once.
 *
 * @throws Error if there is none, or if they are of different formats
 */
export function sumOfContents(parts: readonly RdbContent[]): RdbContent {
  const [first] = parts
  if (first === undefined) throw new Error('there is no content to add up')
  if (parts.some((part) => part.format !== first.format || part.version !== first.version))
    throw new Error('files of different formats do not add up')
  const total = (of: (part: RdbContent) => number): number => parts.reduce((sum, part) => sum + of(part), 0)
  const most = (of: (part: RdbContent) => number): number => Math.max(...parts.map(of))
  const slots = new Uint32Array(unpackSlotCounts(first.slots).length)
  for (const part of parts)
    unpackSlotCounts(part.slots).forEach((count, slot) => (slots[slot] = (slots[slot] ?? 0) + count))
  const names = Array.from(new Set(parts.flatMap((part) => Object.keys(part.types)))).toSorted()
  return {
    format: first.format,
    version: first.version,
    keys: total((part) => part.keys),
    expiring: total((part) => part.expiring),
    recordBytes: total((part) => part.recordBytes),
    functions: most((part) => part.functions),
    functionBytes: most((part) => part.functionBytes),
    types: Object.fromEntries(names.map((name) => [name, total((part) => part.types[name] ?? 0)])),
    modules: Array.from(new Set(parts.flatMap((part) => part.modules))).toSorted(),
    slots: packSlotCounts(slots),
  }
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
