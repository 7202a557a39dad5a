import fc from 'fast-check'
import { expect, test } from 'vitest'
import { World } from '../test/in-memory-world.ts'
import type { Fault, PlantedBug } from '../test/in-memory-world.ts'

/*
 * The stream is exact: it holds every committed event once, in the order of the commits, whatever happens to the
 * processes and their I/O. Each run drives the real queue, passes and relay through a random schedule: which I/O goes
 * next, which fault befalls it, when the number in the world changes, when another writer starts.
 */
type Step =
  | { readonly type: 'io'; readonly which: number; readonly fault: Fault }
  | { readonly type: 'count' | 'start' | 'wait' | 'erase' | 'recreate' | 'storeAway' | 'storeBack' }

type Run = { readonly steps: readonly Step[]; readonly bug?: PlantedBug }

const faults: readonly Fault[] = ['crashBefore', 'crashAfter', 'answerLost', 'requestLost', 'stale']
const someIo = (fault: fc.Arbitrary<Fault>): fc.Arbitrary<Step> =>
  fc.record({ type: fc.constant('io' as const), which: fc.nat(3), fault })
const wellBehaved = someIo(fc.constant('none'))
const event = (...types: Exclude<Step['type'], 'io'>[]): fc.Arbitrary<Step> =>
  fc.constantFrom(...types).map((type) => ({ type }))

const faultySteps = fc.array(
  fc.oneof(
    { weight: 12, arbitrary: wellBehaved },
    { weight: 2, arbitrary: someIo(fc.constantFrom(...faults)) },
    { weight: 4, arbitrary: event('count') },
    { weight: 1, arbitrary: event('start', 'wait', 'storeAway', 'storeBack') },
  ),
  { minLength: 10, maxLength: 120, size: 'max' },
)
// The look for a newer life must be a fresh read, so these runs have every fault but the stale one.
const stepsWithNewLives = fc.array(
  fc.oneof(
    { weight: 12, arbitrary: wellBehaved },
    { weight: 2, arbitrary: someIo(fc.constantFrom(...faults.filter((fault) => fault !== 'stale'))) },
    { weight: 4, arbitrary: event('count') },
    { weight: 1, arbitrary: event('start', 'wait', 'erase', 'recreate', 'storeAway', 'storeBack') },
  ),
  { minLength: 10, maxLength: 120, size: 'max' },
)

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

async function play({ steps, bug = 'none' }: Run): Promise<World> {
  const world = new World(bug)
  world.startProcess()
  for (const step of steps) {
    await turn()
    perform(world, step)
  }
  // Then everything heals: one process without faults, until nothing is left to do.
  world.processes.forEach((process) => world.crash(process))
  world.storeAway = false
  world.startProcess()
  const rest = world.now + 90_000
  while (world.now < rest) {
    await turn()
    if (world.pending.length === 0) world.ring()
    else world.pending.shift()?.go('none')
  }
  world.processes.forEach((process) => world.crash(process))
  return world
}

function perform(world: World, step: Step): void {
  switch (step.type) {
    case 'io': {
      const [io] = world.pending.splice(step.which % Math.max(1, world.pending.length), 1)
      if (io === undefined) world.ring()
      else io.go(step.fault)
      if (world.processes.every((process) => !process.alive)) world.startProcess()
      return
    }
    case 'count':
      world.truth += 1
      world.ring()
      return
    case 'start':
      world.startProcess()
      return
    case 'wait':
      world.ring()
      return
    case 'storeAway':
    case 'storeBack':
      world.storeAway = step.type === 'storeAway'
      return
    case 'erase':
      world.eraseStatus()
      return
    case 'recreate':
      world.recreate()
  }
}

const idsOf = (world: World): string[] => world.stream.map((stored) => stored.id)

test('every committed event is in the stream once and in order, and the outbox is empty at rest', async () => {
  let faultsMet = 0
  let spills = 0
  await fc.assert(
    fc.asyncProperty(faultySteps, async (steps) => {
      const world = await play({ steps })
      faultsMet += steps.filter((step) => step.type === 'io' && step.fault !== 'none').length
      expect(idsOf(world)).toEqual(world.committed)
      expect(world.object?.status?.count).toBe(world.truth)
      expect(world.object?.status?.outbox).toEqual([])
      expect(world.spilled).toEqual([])
      spills += world.mostSpilled
      expect(world.object?.status?.lifecycle.seq).toBe(world.stream.length)
      // Folding the events gives the status: each begins where the one before ended.
      const chain = world.stream.map((stored) => stored.data)
      chain.forEach((data, index) => expect(data.from).toBe(chain[index - 1]?.to ?? 0))
      expect(chain.at(-1)?.to).toBe(world.truth)
    }),
    { numRuns: 1000 },
  )
  expect(faultsMet).toBeGreaterThan(1500)
  expect(spills).toBeGreaterThan(300)
})

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
      expect(new Set(ids).size).toBe(ids.length)
      // What a crash and an erasure together took away is gone; what is there was committed, in this order.
      expect(world.committed.filter((id) => ids.includes(id))).toEqual(ids)
      const life = world.object?.status?.lifecycle
      const own = ids.filter((id) => id.startsWith(`${world.object?.metadata.uid}:${life?.life}:`))
      expect(own.map((id) => Number(id.split(':')[2]))).toEqual(Array.from({ length: life?.seq ?? 0 }, (_, i) => i + 1))
      expect(world.spilled).toEqual([])
      lives += new Set(ids.map((id) => id.replace(/:\d+$/, ''))).size
    }),
    { numRuns: 1000, examples: [[spilledTooLate]] },
  )
  expect(lives).toBeGreaterThan(1200)
})

test.each(['publishBeforeCommit', 'storeIgnoresExpectation', 'forgetOutboxOnCommit', 'forgetSpill'] as const)(
  'the test can fail: %s is found',
  async (bug) => {
    const details = await fc.check(
      fc.asyncProperty(faultySteps, async (steps) => {
        const world = await play({ steps, bug })
        return JSON.stringify(idsOf(world)) === JSON.stringify(world.committed)
      }),
      { numRuns: 1500, endOnFailure: true },
    )
    expect(details.failed).toBe(true)
  },
)
