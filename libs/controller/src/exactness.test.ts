import fc from 'fast-check'
import { expect, test } from 'vitest'
import { brokenLaws, idsOf, lostOrMoved } from '../test/exactness-laws.ts'
import type { Fault } from '../test/in-memory-world.ts'
import { play, roomy, type Step } from '../test/play.ts'

/*
 * The stream is exact: it holds every committed event once, in the order of the commits, whatever happens to the
 * processes and their I/O. Each run drives the real queue, passes and relay through a random schedule: which I/O goes
 * next, which fault befalls it, when the number in the world changes, when another writer starts. All short schedules
 * are in exhaustive.test.ts.
 */
const faults: readonly Fault[] = ['crashBefore', 'crashAfter', 'answerLost', 'requestLost', 'stale']
const someIo = (fault: fc.Arbitrary<Fault>): fc.Arbitrary<Step> =>
  fc.record({ type: fc.constant('io' as const), which: fc.nat(3), fault })
const wellBehaved = someIo(fc.constant('none'))
const event = (...types: Exclude<Step['type'], 'io' | 'restore'>[]): fc.Arbitrary<Step> =>
  fc.constantFrom(...types).map((type) => ({ type }))
const restored: fc.Arbitrary<Step> = fc.nat(4).map((back) => ({ type: 'restore', back }))
const restoredCold: fc.Arbitrary<Step> = fc.nat(4).map((back) => ({ type: 'restore', back, cold: true }))

/** Schedules with these faults, in which the rare may happen as well. */
const schedules = (some: readonly Fault[], rare: fc.Arbitrary<Step>): fc.Arbitrary<Step[]> =>
  fc.array(
    fc.oneof(
      { weight: 12, arbitrary: wellBehaved },
      { weight: 2, arbitrary: someIo(fc.constantFrom(...some)) },
      { weight: 4, arbitrary: event('count') },
      { weight: 1, arbitrary: rare },
    ),
    { minLength: 10, maxLength: 120, size: 'max' },
  )
const commonplace = ['start', 'wait', 'storeAway', 'storeBack', 'tooLarge', 'notTooLarge'] as const
const faultySteps = schedules(faults, event(...commonplace))
// The look for a newer life must be a fresh read, so where lives change there is every fault but the stale one.
const fresh = faults.filter((fault) => fault !== 'stale')
const stepsWithNewLives = schedules(fresh, event(...commonplace, 'erase', 'recreate'))
const stepsThatTakeAway = fc.oneof(
  schedules(fresh, event(...commonplace, 'erase', 'recreate', 'expire')),
  schedules(fresh, fc.oneof(event(...commonplace, 'erase', 'recreate'), restored)),
)

test('every committed event is in the stream once and in order, and the outbox is empty at rest', async () => {
  let faultsMet = 0
  let spills = 0
  await fc.assert(
    fc.asyncProperty(faultySteps, async (steps) => {
      const world = await play({ steps })
      faultsMet += steps.filter((step) => step.type === 'io' && step.fault !== 'none').length
      spills += world.mostSpilled
      expect(lostOrMoved(world)).toEqual([])
    }),
    { numRuns: 1000 },
  )
  expect(faultsMet).toBeGreaterThan(1500)
  expect(spills).toBeGreaterThan(300)
}, 180_000)

const go = (which: number, fault: Fault = 'none'): Step => ({ type: 'io', which, fault })

/** A deposed process spills a life when the next one has already begun to speak. */
const spilledTooLate: Step[] = [
  go(0),
  go(0),
  go(0),
  go(0, 'crashAfter'),
  go(3),
  { type: 'recreate' },
  go(0),
  { type: 'start' },
  go(1),
  { type: 'count' },
  go(1),
  go(3),
  go(0),
  { type: 'count' },
  go(0),
  go(1),
  go(1),
  { type: 'count' },
  go(1),
  go(0, 'answerLost'),
  go(0),
  go(0),
]

test('an erased status or a re-created object repeats nothing and keeps the order', async () => {
  let lives = 0
  await fc.assert(
    fc.asyncProperty(stepsWithNewLives, async (steps) => {
      const world = await play({ steps })
      const ids = idsOf(world)
      expect(brokenLaws(world)).toEqual([])
      // What a crash and an erasure together took away is gone; what is there was committed, in this order.
      expect(world.committed.filter((id) => ids.includes(id))).toEqual(ids)
      lives += new Set(ids.map((id) => id.replace(/:\d+$/, ''))).size
    }),
    { numRuns: 1000, examples: [[spilledTooLate]] },
  )
  expect(lives).toBeGreaterThan(1200)
}, 180_000)

test('a status restored to an older one, and a history that the store forgot, repeat nothing and lose nothing new', async () => {
  let restores = 0
  await fc.assert(
    fc.asyncProperty(stepsThatTakeAway, async (steps) => {
      const world = await play({ steps, bounds: roomy })
      expect(brokenLaws(world)).toEqual([])
      restores += steps.filter(({ type }) => type === 'restore' || type === 'expire').length
    }),
    { numRuns: 1000 },
  )
  expect(restores).toBeGreaterThan(800)
}, 180_000)

test('what is spilled after a status was restored is told, though the history goes on elsewhere under its numbers', async () => {
  let spills = 0
  await fc.assert(
    fc.asyncProperty(
      schedules(fresh, fc.oneof(event('wait', 'storeAway', 'storeBack'), restoredCold)),
      async (steps) => {
        const world = await play({ steps })
        expect(brokenLaws(world)).toEqual([])
        spills += world.mostSpilled
      },
    ),
    { numRuns: 1000 },
  )
  expect(spills).toBeGreaterThan(300)
}, 180_000)

test.each([
  'publishBeforeCommit',
  'commitWithoutPrecondition',
  'trimBeforeAcknowledgement',
  'storeIgnoresExpectation',
  'forgetSpill',
  'noEpoch',
] as const)(
  'the test can fail: %s is found',
  async (bug) => {
    const property = fc.asyncProperty(
      faultySteps,
      async (steps) => lostOrMoved(await play({ steps, bug })).length === 0,
    )
    const { failed } = await fc.check(property, { numRuns: 1500, endOnFailure: true })
    expect(failed).toBe(true)
  },
  180_000,
)

test('the test can fail: numbers without a life are found', async () => {
  const property = fc.asyncProperty(
    stepsWithNewLives,
    async (steps) => brokenLaws(await play({ steps, bug: 'noLife' })).length === 0,
  )
  const { failed } = await fc.check(property, { numRuns: 1500, endOnFailure: true })
  expect(failed).toBe(true)
}, 180_000)
