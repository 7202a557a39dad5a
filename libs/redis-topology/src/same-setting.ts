const UNITS: Readonly<Record<string, number>> = {
  b: 1,
  k: 1e3,
  kb: 2 ** 10,
  m: 1e6,
  mb: 2 ** 20,
  g: 1e9,
  gb: 2 ** 30,
}
/** What the flag A of notify-keyspace-events stands for. */
const ALL_EVENTS = 'g$lshzxetd'

/**
 * Whether a value of redis.conf is the one that CONFIG GET prints, which is in a form of its own: bytes without units,
 * words in lower case, flags in another order, and the classes of a limit that were not named beside the one that was.
 *
 * @param name the directive
 * @param wanted its value as it would stand in redis.conf
 * @param printed what the server prints
 */
export function sameSetting(name: string, wanted: string, printed: string): boolean {
  if (wanted === printed) return true
  if (name === 'notify-keyspace-events') return eventFlags(wanted) === eventFlags(printed)
  if (name === 'client-output-buffer-limit') return includesLimits(words(wanted), words(printed))
  return sameWords(words(wanted), words(printed))
}

const words = (text: string): readonly string[] => text.split(/\s+/).filter((word) => word !== '' && word !== '""')

function sameWords(wanted: readonly string[], printed: readonly string[]): boolean {
  return wanted.length === printed.length && wanted.every((word, index) => sameWord(word, printed[index] ?? ''))
}

function sameWord(wanted: string, printed: string): boolean {
  if (wanted === printed) return true
  // Names of choices are printed in lower case; what is printed otherwise may be somebody's text.
  if (/^[a-z-]+$/.test(printed)) return wanted.toLowerCase() === printed
  return /^[0-9.]+$/.test(printed) && amount(wanted) === Number(printed)
}

/** A number, or a number of bytes with its unit; NaN for anything else. */
function amount(word: string): number {
  const [, digits = '', unit = ''] = /^([0-9]+(?:\.[0-9]+)?)([a-z]*)$/i.exec(word) ?? []
  const factor = unit === '' ? 1 : UNITS[unit.toLowerCase()]
  return digits === '' || factor === undefined ? Number.NaN : Number(digits) * factor
}

function eventFlags(text: string): string {
  return [...new Set(text.replace('""', '').replace('A', ALL_EVENTS))].toSorted().join('')
}

/** Whether every limit that is wanted (class, two sizes, seconds) is among those that are printed. */
function includesLimits(wanted: readonly string[], printed: readonly string[]): boolean {
  const limits = (all: readonly string[]): readonly (readonly string[])[] =>
    Array.from({ length: Math.ceil(all.length / 4) }, (_, index) => all.slice(4 * index, 4 * index + 4))
  const classOf = (word = ''): string => (word.toLowerCase() === 'slave' ? 'replica' : word.toLowerCase())
  return limits(wanted).every(([kind, ...sizes]) =>
    limits(printed).some(([other, ...theirs]) => classOf(kind) === classOf(other) && sameWords(sizes, theirs)),
  )
}
