import { expect, test } from 'vitest'
import { brokenLaws, lostOrMoved } from '../test/exactness-laws.ts'
import type { World } from '../test/in-memory-world.ts'
import { play, roomy, type Run, type Step } from '../test/play.ts'

/*
 * Every schedule that departs from the quiet one in at most two places, each I/O of a story being such a place: so what
 * is proven here does not hang on what a random schedule happens to draw.
 */
const quiet: Step = { type: 'io', which: 0, fault: 'none' }
const other: Step = { type: 'io', which: 1, fault: 'none' }
const faulty = (['crashAfter', 'answerLost', 'requestLost'] as const).map((fault): Step => ({
  type: 'io',
  which: 0,
  fault,
}))
const crashBefore: Step = { type: 'io', which: 0, fault: 'crashBefore' }
const stale: Step = { type: 'io', which: 0, fault: 'stale' }
const one = (...types: Exclude<Step['type'], 'io' | 'restore'>[]): Step[] => types.map((type) => ({ type }))

/** Turns from the first look to the second commit and what becomes of it. */
const usual = 11

/** The quiet story, in which the number changes once, with each of the departures in each place, one or two at a time. */
function* schedules(departures: readonly Step[], story: number): Generator<readonly Step[]> {
  const plain = Array.from({ length: story }, (_, at): Step => (at === 5 ? { type: 'count' } : quiet))
  yield plain
  for (let first = 0; first < story; first += 1)
    for (const one of departures) {
      const once = plain.toSpliced(first, 0, one)
      yield once
      for (let second = first + 1; second <= story; second += 1)
        for (const two of departures) yield once.toSpliced(second, 0, two)
    }
}

/** How many schedules there are, and the first that breaks a law. */
async function search(
  departures: readonly Step[],
  laws: (world: World) => readonly string[],
  { story = usual, ...planted }: Omit<Run, 'steps'> & { readonly story?: number } = {},
): Promise<{ readonly played: number; readonly broken: readonly string[]; readonly steps: readonly Step[] }> {
  let played = 0
  for (const steps of schedules(departures, story)) {
    played += 1
    const broken = laws(await play({ steps, ...planted }))
    if (broken.length > 0) return { played, broken, steps }
  }
  return { played, broken: [], steps: [] }
}

test.each([
  ['faults, two writers, a changed world', [...faulty, crashBefore, stale, other, ...one('start')], lostOrMoved, {}],
  [
    'an erased status, a re-created object, a history that is forgotten',
    [...faulty, ...one('start', 'erase', 'recreate', 'expire')],
    brokenLaws,
    {},
  ],
  [
    'a status restored or refused, a history that is away',
    [...faulty, { type: 'restore', back: 0 }, { type: 'restore', back: 1 }, ...one('tooLarge', 'storeAway')],
    brokenLaws,
    { bounds: roomy },
  ],
] as const)(
  'each short schedule keeps the history exact: %s',
  async (_name, departures, laws, given) => {
    const { played, broken, steps } = await search(departures, laws, given)
    expect({ broken, steps }).toEqual({ broken: [], steps: [] })
    expect(played).toBeGreaterThan(3_000)
  },
  180_000,
)

test.each([
  ['publishBeforeCommit', lostOrMoved],
  ['commitWithoutPrecondition', lostOrMoved],
  ['trimBeforeAcknowledgement', lostOrMoved],
  ['noEpoch', lostOrMoved],
  ['noLife', brokenLaws],
] as const)(
  'the search can fail: %s is found',
  async (bug, laws) => {
    const departures = [
      ...faulty,
      stale,
      other,
      ...one('start', 'count', ...(bug === 'noLife' ? ['erase' as const] : [])),
    ]
    // Two writers must meet again.
    const story = bug === 'noEpoch' ? 16 : usual
    expect((await search(departures, laws, { bug, story })).broken).not.toEqual([])
  },
  180_000,
)
