import { expect, test } from 'vitest'
import { World, key } from '../test/in-memory-world.ts'
import type { EventBody, Outcome } from './contract.ts'
import { runController } from './run-controllers.ts'
import type { PassResult } from './run-pass.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Lets everything happen that is due until then. */
async function rest(world: World, untilMs: number): Promise<void> {
  for (;;) {
    await turn()
    if (world.pending.length > 0) world.pending.shift()?.go('none')
    else if (world.timers.some(({ at }) => at <= untilMs)) world.ring()
    else break
  }
  world.now = untilMs
}

test('one event costs two writes, the second to trim within a minute, and rest costs none', async () => {
  const world = new World()
  world.startProcess()
  await rest(world, world.now + 60_000)
  expect(world.versions).toHaveLength(2)
  expect(world.object?.status).toMatchObject({ outbox: [], lifecycle: { seq: 1, published: 1 } })
  expect(world.acted).toEqual(['Note'])
  await rest(world, world.now + 600_000)
  expect(world.versions).toHaveLength(2)
  expect(world.reports.length).toBeGreaterThan(20)
  expect(world.reports.every((report) => report.result === 'Done')).toBe(true)
  // Nothing wakes the process but the next look, and the look for spills each ten minutes.
  expect(world.timers).toHaveLength(2)
})

test('a deposed process that still believes in its lease leaves a claimed object alone', async () => {
  const world = new World()
  world.startProcess()
  await rest(world, world.now + 10_000)
  world.truth += 1
  world.startProcess()
  await rest(world, world.now + 120_000)
  expect(world.object?.status?.lifecycle).toMatchObject({ epoch: 2, holder: 'p2' })
  const foreign = world.reports.find((report) => report.result === 'Foreign')
  expect(foreign?.unwritten).toEqual({
    uid: 'uid-1',
    reason: 'ForeignController',
    message: 'p2 looks after it under epoch 2; p1, under epoch 1, leaves it alone',
  })
})

test('a status that is refused for its size is said so and tried again now and then; commands go on, no event is lost', async () => {
  const world = new World()
  world.startProcess()
  await rest(world, world.now + 60_000)
  world.tooLarge = true
  world.truth += 3
  const [looks, acts] = [world.reports.length, world.acted.length]
  await rest(world, world.now + 600_000)
  const since = world.reports.slice(looks)
  expect(since.filter(({ result }) => result === 'TooLarge').length).toBeGreaterThan(5)
  expect(since.length).toBeLessThan(70)
  expect(since.at(-1)?.unwritten).toMatchObject({ uid: 'uid-1', reason: 'StatusTooLarge' })
  expect(world.acted.length).toBeGreaterThan(acts)
  expect(world.object?.status?.count).toBe(1)
  world.tooLarge = false
  await rest(world, world.now + 60_000)
  expect(world.object?.status).toMatchObject({ count: 4, outbox: [], lifecycle: { seq: 4 } })
  expect(world.stream.map(({ data }) => [data.from, data.to])).toEqual([0, 1, 2, 3].map((from) => [from, from + 1]))
})

test('what a deposed process spills late is found without a restart, and does not stay', async () => {
  const world = new World()
  world.startProcess()
  await rest(world, world.now + 60_000)
  const { uid } = world.object?.metadata ?? { uid: '' }
  world.recreate()
  await rest(world, world.now + 60_000)
  const told = world.stream.map(({ id }) => id)
  const entry = { seq: 2, time: '', epoch: 1, generation: 1, type: 'Counted', data: { from: 1, to: 2 } }
  world.spilled.push({ key, uid, life: Number(told[0]?.split(':')[1]), entries: [entry] })
  await rest(world, world.now + 600_000)
  expect(world.spilled).toEqual([])
  expect(told).toHaveLength(2)
  expect(world.stream.map(({ id }) => id)).toEqual(told)
})

test('stopping waits for the command under way, and sends no other', async () => {
  const stop = new AbortController()
  const acted: string[] = []
  const results: PassResult[] = []
  let finish: (outcome: Outcome) => void = () => undefined
  const running = runController<null, { state: string }, null, { type: string }, EventBody>(
    {
      controller: {
        kind: { group: 'g', version: 'v1', plural: 'things' },
        wakes: (wake) => wake(key),
        observe: async () => null,
        decide: () => ({
          findings: [],
          status: { state: 'Healthy' },
          events: [],
          commands: [{ type: 'First' }, { type: 'Second' }],
          lookAgainInMs: 50,
        }),
        allows: () => true,
        act: (command) => {
          acted.push(command.type)
          return new Promise((resolve) => (finish = resolve))
        },
      },
      objects: {
        get: async () => ({
          metadata: { ...key, uid: 'u', resourceVersion: '1', generation: 1 },
          spec: null,
          status: {
            state: 'Healthy',
            lifecycle: { life: 1, seq: 0, published: 0, epoch: 1, holder: 'me' },
            outbox: [],
          },
        }),
        commit: async (before) => before,
      },
      store: { append: async () => ({ ok: true, sequence: 1, duplicate: false }), lastOf: async () => null },
      toMessage: () => ({ subject: 's', aggregate: 'a', body: '{}', msgId: 'u:1:1' }),
    },
    {
      lease: { epoch: 1, holder: 'me', held: () => true },
      signal: stop.signal,
      report: (_plural, report) => void results.push(report.result),
    },
  )
  while (acted.length === 0) await turn()
  let stopped = false
  void running.stopped.then(() => (stopped = true))
  stop.abort()
  await turn()
  expect(stopped).toBe(false)
  finish({ result: 'accepted' })
  await running.stopped
  expect(acted).toEqual(['First'])
  expect(results).toEqual(['Aborted'])
  running.wake(key)
  await turn()
  expect(running.size()).toEqual({ due: 0, working: 0, unpublished: 0 })
})
