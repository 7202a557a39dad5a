import { describe, expect, test } from 'vitest'
import { createBackoff } from './backoff.ts'
import type { Controller, Decision, EventBody, Io, Lifecycle, Obj, Outcome, Overtaken, Spills } from './contract.ts'
import { createFailures } from './failures.ts'
import { outboxBounds } from './outbox.ts'
import { runPass } from './run-pass.ts'
import type { PassReport } from './run-pass.ts'
import { createStandstill, type Standstill } from './standstill.ts'

type Status = {
  readonly state: string
  readonly note?: string | undefined
  readonly operation?: { readonly id: string; readonly type: string; readonly target: string; readonly since: string }
}
type Act = { readonly type: string; readonly opId?: string }
type Thing = Obj<null, Status>

const key = { namespace: 'shop', name: 'orders' }
const ours: Lifecycle = { life: 100, seq: 3, published: 3, epoch: 7, holder: 'me' }
const operation = { id: '100:3', type: 'TakeOver', target: 'orders-0-1', since: '2026-11-21T10:00:00.000Z' }
const entries = (count: number) =>
  Array.from({ length: count }, (_, index) => ({
    seq: ours.published + index + 1,
    time: '2026-11-21T10:00:00.000Z',
    epoch: 7,
    generation: 1,
    type: 'Seen',
    data: {},
  }))

const aThing = (status: Thing['status'] = { state: 'Healthy', lifecycle: ours, outbox: [] }): Thing => ({
  metadata: { ...key, uid: 'u', resourceVersion: '1', generation: 1 },
  spec: null,
  status,
})

type Case = {
  readonly object?: Thing | null
  readonly decision?: Partial<Decision<Status, Act, EventBody>>
  readonly outcomes?: Readonly<Record<string, Outcome>>
  readonly conflicts?: number
  readonly held?: boolean
  readonly trimDue?: boolean
  readonly published?: number
  readonly overtaken?: Overtaken
  readonly jumpDuringObserve?: boolean
  readonly observe?: (io: Io) => Promise<number>
  /** Absent: there is nowhere to spill to. */
  readonly spill?: () => Promise<void>
  readonly ends?: 'WhenSpilled' | 'Anyway'
  readonly now?: number
  readonly standstill?: Standstill
  readonly stopDuringSlow?: boolean
  /** How long the command `Slow` takes. */
  readonly slowMs?: number
  /** Until when the lease is held, by the clock of the pass. */
  readonly leaseUntil?: number
}

async function pass(given: Case, failures = createFailures()) {
  const log: string[] = []
  const commits: (Thing['status'] & object)[] = []
  const stop = new AbortController()
  let [now, conflicts] = [given.now ?? 5_000, given.conflicts ?? 0]
  const controller: Controller<null, Status, number, Act, EventBody> = {
    kind: { group: 'g', version: 'v1', plural: 'things' },
    wakes: () => undefined,
    observe: async (_object, io) => {
      if (given.jumpDuringObserve === true) now += 2_000
      return given.observe === undefined ? 1 : given.observe(io)
    },
    decide: () => ({
      findings: [],
      status: { state: 'Healthy' },
      events: [],
      commands: [],
      lookAgainInMs: 60_000,
      ...given.decision,
    }),
    allows: (state, command) => !(state === 'Healthy' && command.type === 'Forbidden'),
    act: async (command, io) => {
      if (command.type === 'Slow') {
        const before = io.mayAct()
        now += given.slowMs ?? 0
        if (given.stopDuringSlow === true) stop.abort()
        return before && io.mayAct() ? { result: 'accepted' } : { result: 'later', inMs: 50 }
      }
      log.push(command.type)
      return given.outcomes?.[command.type] ?? { result: 'accepted' }
    },
    ends: () => given.ends ?? 'No',
  }
  const spills: Spills | undefined = given.spill && {
    write: async ({ entries }) => {
      await given.spill?.()
      log.push(`spill ${entries.map((entry) => entry.seq).join()}`)
    },
    list: async () => [],
    remove: async () => undefined,
  }
  const report: PassReport = await runPass(
    {
      controller,
      ports: {
        objects: {
          get: async () => (given.object === undefined ? aThing() : given.object),
          commit: async (before, status) => {
            conflicts -= 1
            if (conflicts >= 0) throw Object.assign(new Error('409'), { reason: 'Conflict' })
            log.push('commit')
            commits.push(status as Thing['status'] & object)
            return { ...before, status: status as Thing['status'] }
          },
        },
        lease: {
          epoch: 7,
          holder: 'me',
          held: (marginMs) => marginMs === 3_000 && (given.held ?? now + marginMs < (given.leaseUntil ?? Infinity)),
        },
        relay: {
          offer: () => void log.push('offer'),
          spilled: () => void log.push('spilled'),
          published: () => given.published ?? 0,
          overtaken: () => given.overtaken ?? null,
        },
        clock: { now: () => now },
        ...(spills === undefined ? {} : { spills }),
      },
      timers: {
        after: (_ms, run) => {
          const timer = setTimeout(run, 5)
          return () => clearTimeout(timer)
        },
      },
      failures,
      backoff: createBackoff({ baseMs: 200, maxMs: 60_000, jitter: () => 1 }),
      standstill: given.standstill ?? createStandstill(),
      trimDue: () => given.trimDue ?? false,
    },
    key,
    stop.signal,
  )
  return { report, log, commits, failures: failures.of(key) }
}

describe('what is written', () => {
  test('a status that was restored to an older one begins a new life in a write of its own, with what is not yet told', async () => {
    const [told, untold] = [entries(1), entries(2).slice(1)].map((some) => some[0])
    if (told === undefined || untold === undefined) throw new Error('no entries')
    const later = { ...untold, time: '2026-11-21T10:00:09.000Z' }
    const object = aThing({ state: 'Healthy', lifecycle: { ...ours, seq: 5 }, outbox: [told, later] })
    const overtaken = { life: 100, told: { seq: 9, time: '2026-11-21T10:00:05.000Z' } }
    const { commits, log } = await pass({ object, overtaken, now: 50 })
    expect(commits).toEqual([
      {
        state: 'Healthy',
        lifecycle: { life: 101, seq: 1, published: 0, epoch: 7, holder: 'me' },
        outbox: [{ ...later, seq: 1 }],
      },
    ])
    expect(log).toContain('offer')
  })

  test('nothing changed: no write, no relay, no command', async () => {
    const { log, report } = await pass({})
    expect(log).toEqual([])
    expect(report).toMatchObject({ result: 'Done', committed: false, lookAgainInMs: 60_000 })
  })

  test('order of keys and undefined fields are no change', async () => {
    const { log } = await pass({ decision: { status: { note: undefined, state: 'Healthy' } } })
    expect(log).toEqual([])
  })

  test('state and events go into one write, then to the relay, then come the commands', async () => {
    const { log, commits } = await pass({
      decision: {
        status: { state: 'Healing' },
        events: [{ type: 'StateChanged', data: { from: 'Healthy', to: 'Healing' } }],
        commands: [{ type: 'FailOver' }, { type: 'MeetNode' }],
      },
    })
    expect(log).toEqual(['commit', 'offer', 'FailOver', 'MeetNode'])
    expect(commits[0]).toMatchObject({ state: 'Healing', lifecycle: { life: 100, seq: 4 }, outbox: [{ seq: 4 }] })
  })

  test('a conflict starts over, and gives up after five rounds', async () => {
    const decision = { status: { state: 'Healing' } }
    expect((await pass({ decision, conflicts: 4 })).report).toMatchObject({
      result: 'Done',
      rounds: 5,
      committed: true,
    })
    expect((await pass({ decision, conflicts: 5 })).report).toMatchObject({ result: 'Failed', rounds: 5 })
  })

  test('a trimming write happens only when it is due and the store has something of the outbox', async () => {
    const object = aThing({ state: 'Healthy', lifecycle: { ...ours, seq: 5 }, outbox: entries(2) })
    expect((await pass({ object, published: 5 })).log).toEqual(['offer'])
    expect((await pass({ object, published: 3, trimDue: true })).log).toEqual(['offer'])
    const trimmed = await pass({ object, published: 5, trimDue: true })
    expect(trimmed.log).toEqual(['commit'])
    expect(trimmed.commits[0]).toMatchObject({ outbox: [], lifecycle: { published: 5, seq: 5 } })
  })

  test('an erased status gets a new life, drawn from the clock', async () => {
    const { commits } = await pass({ object: aThing(null), decision: { events: [{ type: 'Adopted', data: {} }] } })
    expect(commits[0]?.lifecycle).toEqual({ life: 5_000, seq: 1, published: 0, epoch: 7, holder: 'me' })
  })
})

describe('whose object it is', () => {
  const under = (epoch: number, holder: string) =>
    aThing({ state: 'Healthy', lifecycle: { ...ours, epoch, holder }, outbox: [] })
  const decision = { commands: [{ type: 'MeetNode' }], status: { state: 'Healing' } }

  test.each([
    ['a higher epoch', under(8, 'other')],
    ['our epoch under another name', under(7, 'other')],
  ])('%s is left alone', async (_what, object) => {
    const { log, report } = await pass({ object, decision })
    expect(log).toEqual([])
    expect(report.result).toBe('Foreign')
  })

  test('a lower epoch is claimed by a write before the first command, and not without a command', async () => {
    const claim = await pass({ object: under(6, 'before'), decision: { commands: [{ type: 'MeetNode' }] } })
    expect(claim.log).toEqual(['commit', 'MeetNode'])
    expect(claim.commits[0]?.lifecycle).toEqual(ours)
    expect((await pass({ object: under(6, 'before') })).log).toEqual([])
  })
})

describe('what is not let out', () => {
  test('a command that its state does not allow stops everything, the write included', async () => {
    const { log, report, failures } = await pass({
      decision: { events: [{ type: 'Seen', data: {} }], commands: [{ type: 'MeetNode' }, { type: 'Forbidden' }] },
    })
    expect(log).toEqual([])
    expect(report.result).toBe('Failed')
    expect(failures).toMatchObject([{ reason: 'InvariantBroken', count: 1 }])
  })

  test.each([
    ['without an operation', undefined],
    ['of another operation', { ...operation, id: '100:2' }],
  ])('an opId %s stops everything', async (_what, other) => {
    const status = other === undefined ? { state: 'Healing' } : { state: 'Healing', operation: other }
    const { log, failures } = await pass({ decision: { status, commands: [{ type: 'TakeOver', opId: '100:3' }] } })
    expect(log).toEqual([])
    expect(failures[0]?.reason).toBe('InvariantBroken')
  })

  test('an opId equal to the committed operation goes out, after the commit', async () => {
    const decision = { status: { state: 'Healing', operation }, commands: [{ type: 'TakeOver', opId: '100:3' }] }
    expect((await pass({ decision })).log).toEqual(['commit', 'TakeOver'])
  })

  test('a lease that ends within 3 s and a jump of the event loop leave the commands for later', async () => {
    const decision = { commands: [{ type: 'MeetNode' }] }
    expect((await pass({ decision, held: false })).report).toMatchObject({ result: 'LeaseEnding', commands: [] })
    const jumped = await pass({ decision, jumpDuringObserve: true })
    expect(jumped.report).toMatchObject({ result: 'LoopJumped', commands: [] })
  })

  test('what is under way hears that the lease is ending, or that the process stood still', async () => {
    const decision = { commands: [{ type: 'Slow' }, { type: 'MeetNode' }] }
    const ends = { now: 5_000, leaseUntil: 9_000 }
    expect((await pass({ decision, ...ends, slowMs: 900 })).report).toMatchObject({ result: 'Done' })
    const late = await pass({ decision, ...ends, slowMs: 1_100 })
    expect(late.report).toMatchObject({ result: 'LeaseEnding', commands: ['Slow'] })
    expect(late.log).toEqual([])
    expect((await pass({ decision, slowMs: 2_000 })).report).toMatchObject({ result: 'LoopJumped', commands: ['Slow'] })
    expect((await pass({ decision, stopDuringSlow: true })).report.result).toBe('Later')
  })

  test('a full outbox holds back state, events and new intents, but no healing', async () => {
    const outbox = entries(outboxBounds.entries)
    const object = aThing({ state: 'Healthy', operation, lifecycle: { ...ours, seq: 35 }, outbox })
    const { log, report, commits } = await pass({
      object,
      decision: {
        status: { state: 'Healing', operation: { ...operation, id: '100:36' } },
        events: [{ type: 'OperationStarted', data: {} }],
        commands: [{ type: 'FailOver' }, { type: 'TakeOver', opId: '100:36' }],
      },
    })
    expect(log).toEqual(['offer', 'FailOver'])
    expect(commits).toEqual([])
    expect(report.result).toBe('Withheld')
  })
})

describe('a full outbox, and somewhere to spill to', () => {
  const events = [{ type: 'StateChanged', data: {} }]
  const full = aThing({ state: 'Healthy', lifecycle: { ...ours, seq: 35 }, outbox: entries(32) })
  const decision = { status: { state: 'Healing' as const }, events, commands: [{ type: 'FailOver' }] }

  test('what waits is spilled before the commit that takes it out', async () => {
    const { log, commits, report } = await pass({ object: full, decision, spill: async () => undefined })
    expect(log.map((line) => line.slice(0, 12))).toEqual(['spill 4,5,6,', 'spilled', 'commit', 'offer', 'FailOver'])
    expect(commits[0]?.outbox.map((entry) => entry.seq)).toEqual([36])
    expect(commits[0]?.lifecycle).toMatchObject({ seq: 36, published: 3 })
    expect(report.result).toBe('Done')
  })

  test('a spill that fails withholds the commit, and no healing', async () => {
    const refused = async (): Promise<void> => Promise.reject(new Error('no room'))
    const { log, report } = await pass({ object: full, decision, spill: refused })
    expect(log).toEqual(['offer', 'FailOver'])
    expect(report.result).toBe('Withheld')
  })

  test('an object is let go when what waits is spilled, or when there is no more time', async () => {
    const object = aThing({ state: 'Healthy', lifecycle: { ...ours, seq: 5 }, outbox: entries(2) })
    const commands = [{ type: 'Release' }]
    const refused = async (): Promise<void> => Promise.reject(new Error('no room'))
    const run = (spill: () => Promise<void>, ends: 'WhenSpilled' | 'Anyway') =>
      pass({ object, decision: { commands }, spill, ends })
    expect((await run(async () => undefined, 'WhenSpilled')).log).toEqual(['offer', 'spill 4,5', 'spilled', 'Release'])
    expect((await run(refused, 'WhenSpilled')).log).toEqual(['offer'])
    expect((await run(refused, 'Anyway')).log).toEqual(['offer', 'Release'])
  })
})

describe('how it ends', () => {
  const commands = [{ type: 'A' }, { type: 'B' }]

  test('the first command that is not accepted is the last', async () => {
    const later = await pass({ decision: { commands }, outcomes: { A: { result: 'later', inMs: 10 } } })
    expect(later.log).toEqual(['A'])
    expect(later.report).toMatchObject({ result: 'Later', lookAgainInMs: 50 })
    const failed = await pass({
      decision: { commands },
      outcomes: { B: { result: 'failed', reason: 'NoAuth', message: 'no' } },
    })
    expect(failed.report).toMatchObject({ result: 'CommandFailed', commands: ['A', 'B'], lookAgainInMs: 200 })
    expect(failed.failures).toEqual([
      { command: { type: 'B' }, reason: 'NoAuth', message: 'no', count: 1, since: 5_000 },
    ])
  })

  test('failures are counted until a pass succeeds', async () => {
    const failures = createFailures()
    const outcomes = { A: { result: 'failed', reason: 'NoAuth', message: 'no' } } as const
    await pass({ decision: { commands }, outcomes }, failures)
    expect((await pass({ decision: { commands }, outcomes }, failures)).failures[0]?.count).toBe(2)
    expect((await pass({ decision: { commands } }, failures)).failures).toEqual([])
  })

  test('an object that is gone is forgotten; an observation without end is ended', async () => {
    expect((await pass({ object: null })).report).toMatchObject({ result: 'Gone', lookAgainInMs: null })
    const observe = (io: Io) =>
      new Promise<number>((_resolve, reject) => io.signal.addEventListener('abort', () => reject(io.signal.reason)))
    expect((await pass({ observe })).report).toMatchObject({ result: 'Failed' })
  })
})

describe('what lasts', () => {
  const trouble = { type: 'PrimaryDown', about: 'shard 0', message: 'silent' }
  const decision = { findings: [trouble], lookAgainInMs: 250 }

  async function lookFor(ms: number, given: Partial<Case> = {}) {
    const standstill = createStandstill()
    const looks: number[] = []
    for (let now = 0; now < ms; now += looks.at(-1) ?? 1) {
      const { report } = await pass({ decision, now, standstill, ...given })
      looks.push(report.lookAgainInMs ?? 60_000)
    }
    return { looks, standstill }
  }

  test('is looked at less and less often, at least each 5 s', async () => {
    const { looks } = await lookFor(3_600_000)
    expect(looks.slice(0, 20)).toEqual(looks.slice(0, 20).map(() => 250))
    expect(looks.toSorted((a, b) => a - b)).toEqual(looks)
    expect(looks.at(-1)).toBe(5_000)
    expect(looks.length).toBeLessThan(900)
  })

  test('also when each look sends a command that does not help, or is answered with "later"', async () => {
    const commands = [{ type: 'MeetNode' }]
    expect((await lookFor(600_000, { decision: { ...decision, commands } })).looks.at(-1)).toBe(5_000)
    const outcomes = { MeetNode: { result: 'later', inMs: 50 } } as const
    expect((await lookFor(600_000, { decision: { ...decision, commands }, outcomes })).looks.at(-1)).toBe(5_000)
  })

  test('anything new is looked at as often as the decision asks', async () => {
    const { standstill } = await lookFor(600_000)
    const [other, now] = [{ ...trouble, about: 'shard 1' }, 700_000]
    const next = async (given: Case) => (await pass({ now, standstill, ...given })).report.lookAgainInMs
    expect(await next({ decision })).toBe(5_000)
    expect(await next({ decision: { ...decision, findings: [{ ...trouble, message: 'refused' }] } })).toBe(5_000)
    expect(await next({ decision: { ...decision, findings: [trouble, other] } })).toBe(250)
    expect(await next({ decision: { ...decision, status: { state: 'Healing' } } })).toBe(250)
    expect((await lookFor(600_000, { decision: { lookAgainInMs: 60_000 } })).looks.at(-1)).toBe(60_000)
  })
})
