import type { Backoff } from './backoff.ts'
import type {
  Command,
  Controller,
  Decision,
  EventBody,
  Key,
  Lease,
  Metadata,
  Obj,
  OutboxEntry,
  Ports,
  Remembered,
} from './contract.ts'
import type { StatusOf, Timers } from './contract.ts'
import { InvariantError, isConflict, messageOf, reasonOf } from './errors.ts'
import type { Failures } from './failures.ts'
import { foreignClaim, type Unwritten } from './foreign-claim.ts'
import { type LoopWatch, watchLoop } from './loop-watch.ts'
import { nextLife } from './next-life.ts'
import { inSpills, lifecycleOf, nextRuntimeStatus, type OutboxBounds, sameStatus, waitingIn } from './outbox.ts'
import type { Standstill } from './standstill.ts'
import { type Limits, withDeadline } from './with-deadline.ts'

/** How long each part of a pass may take, and how often it may start over. */
export const passLimits = { getMs: 10_000, observeMs: 2_000, commitMs: 10_000, actMs: 10_000, rounds: 5 } as const

const leaseMarginMs = 3_000
const lookAgainAtForeignMs = 30_000
const withheldLookAgainMs = 1_000
const refusedLookAgainMs = 10_000
const lookAgainMs = { least: 50, most: 60_000 } as const

/** What a pass runs on: the controller, its ports, and what this process remembers between passes. */
export type PassSetup<Spec, S extends Remembered, Observed, C extends Command, E extends EventBody> = {
  readonly controller: Controller<Spec, S, Observed, C, E>
  readonly ports: Ports<Obj<Spec, S>>
  readonly timers: Timers
  readonly failures: Failures
  readonly backoff: Backoff
  readonly standstill: Standstill
  /** Whether the outbox should be trimmed by a write of its own. */
  readonly trimDue: (metadata: Metadata) => boolean
  readonly observeMs?: number
  readonly bounds?: OutboxBounds
}

/**
 * How a pass ended. `Foreign`: another holder claimed the object. `Withheld`: the outbox is full, so the
 * decision was not committed. `TooLarge`: the API server refused the status for its size, so that it was not committed
 * either; what needs no new intent was done all the same. `LeaseEnding` and `LoopJumped`: commands were left for a later pass. `Aborted`: the process stops.
 */
export type PassResult =
  | 'Done'
  | 'Gone'
  | 'Foreign'
  | 'Withheld'
  | 'TooLarge'
  | 'LeaseEnding'
  | 'LoopJumped'
  | 'Later'
  | 'CommandFailed'
  | 'Failed'
  | 'Aborted'

/** What a pass did, for logs, metrics and the queue. `lookAgainInMs` is null when only a wake-up should look again. */
export type PassReport = {
  readonly key: Key
  readonly result: PassResult
  readonly rounds: number
  readonly committed: boolean
  readonly commands: readonly string[]
  readonly lookAgainInMs: number | null
  readonly durationMs: number
  readonly error?: unknown
  /** What a person should hear of, and the status cannot say: it belongs to another, or was refused. */
  readonly unwritten?: Unwritten
}

type Ending = {
  readonly result: PassResult
  readonly lookAgainInMs: number | null
  readonly committed: boolean
  readonly commands: readonly string[]
  readonly error?: unknown
  readonly unwritten?: Unwritten
}

/** Looks at one object once: get, observe, decide, commit, relay, act. Never rejects. */
export async function runPass<Spec, S extends Remembered, Observed, C extends Command, E extends EventBody>(
  setup: PassSetup<Spec, S, Observed, C, E>,
  key: Key,
  signal: AbortSignal,
): Promise<PassReport> {
  const startedAt = setup.ports.clock.now()
  const took = (): number => setup.ports.clock.now() - startedAt
  for (let rounds = 1; ; rounds += 1) {
    const loop = watchLoop(setup.ports.clock, setup.timers)
    try {
      return { key, rounds, ...(await oneRound(setup, key, loop, signal)), durationMs: took() }
    } catch (error) {
      // The only place that catches: everything below throws what it cannot put into a value.
      if (!signal.aborted && isConflict(error) && rounds < passLimits.rounds) continue
      const nothing = { key, rounds, committed: false, commands: [], durationMs: took(), error }
      if (signal.aborted) return { ...nothing, result: 'Aborted', lookAgainInMs: null }
      const setback = { command: { type: 'RunPass' }, reason: reasonOf(error), message: messageOf(error) }
      setup.failures.add(key, setback, setup.ports.clock.now())
      return { ...nothing, result: 'Failed', lookAgainInMs: setup.backoff.next(key) }
    } finally {
      loop.stop()
    }
  }
}

async function oneRound<Spec, S extends Remembered, Observed, C extends Command, E extends EventBody>(
  setup: PassSetup<Spec, S, Observed, C, E>,
  key: Key,
  loop: LoopWatch,
  signal: AbortSignal,
): Promise<Ending> {
  const { controller, ports, timers, failures } = setup
  const limits = { clock: ports.clock, timers, signal }

  const read = await withDeadline(limits, passLimits.getMs, (io) => ports.objects.get(key, io))
  if (read === null) {
    failures.clear(key)
    setup.backoff.reset(key)
    setup.standstill.forget(key)
    return ending('Gone', null)
  }
  const unwritten = foreignClaim(read, ports.lease)
  if (unwritten !== null) return { ...ending('Foreign', lookAgainAtForeignMs), unwritten }
  const object = await inLatestLife(setup, read, limits)

  const observeMs = setup.observeMs ?? passLimits.observeMs
  const observed = await withDeadline(limits, observeMs, (io) => controller.observe(object, io))
  // One moment for the decision and its write: a life drawn now may already be part of an operation's id.
  const now = ports.clock.now()
  const decision = controller.decide({ object, observed, now, failures: failures.of(key) })
  assertCommands(controller, decision)

  const made = { object, decision, now }
  const first = planCommit(setup, made)
  const spilled = first.withheld && (await spill(setup, object, limits))
  const planned = spilled ? planCommit(setup, { ...made, spilled }) : first
  signal.throwIfAborted()
  const { current, refused } = await commit(setup, object, planned.status, limits)
  const status = refused === undefined ? planned.status : 'same'
  const { withheld } = planned
  const commands = refused === undefined ? planned.commands : harmlessIn(object, planned.commands)
  if (waitingIn(current.status, 0).length > 0) ports.relay.offer(current)

  const leastMs = setup.standstill.look(key, outlineOf(decision), status !== 'same', now)
  const acted = await actInOrder(setup, {
    key,
    current,
    commands,
    lookAgainInMs: Math.max(leastMs, decision.lookAgainInMs),
    leastMs,
    loop,
    signal,
  })
  const wantedMs = withheld ? withheldLookAgainMs : decision.lookAgainInMs
  const lookAgainInMs = acted.lookAgainInMs ?? within(Math.max(leastMs, wantedMs))
  const end = { ...acted, lookAgainInMs, committed: status !== 'same' }
  if (refused !== undefined) {
    const unwritten = { uid: object.metadata.uid, reason: 'StatusTooLarge', message: messageOf(refused) }
    return {
      ...end,
      result: 'TooLarge',
      lookAgainInMs: Math.max(lookAgainInMs, refusedLookAgainMs),
      error: refused,
      unwritten,
    }
  }
  return { ...end, result: withheld && acted.result === 'Done' ? 'Withheld' : acted.result }
}

/**
 * Writes the status. One that is refused for its size stays as it was: nothing is lost, since the next pass finds the
 * same difference again. A claim that is not written yet lets nothing out.
 */
async function commit<Spec, S extends Remembered, Observed, C extends Command, E extends EventBody>(
  { ports }: PassSetup<Spec, S, Observed, C, E>,
  object: Obj<Spec, S>,
  status: StatusOf<S> | 'same',
  limits: Limits,
): Promise<{ readonly current: Obj<Spec, S>; readonly refused?: unknown }> {
  if (status === 'same') return { current: object }
  try {
    return {
      current: await withDeadline(limits, passLimits.commitMs, (io) => ports.objects.commit(object, status, io)),
    }
  } catch (error) {
    if (reasonOf(error) !== 'TooLarge' || lifecycleOf(object.status)?.epoch !== ports.lease.epoch) throw error
    return { current: object, refused: error }
  }
}

/** Those that need no intent which is not committed yet. */
function harmlessIn<S extends Remembered, C extends Command>(
  { status }: { readonly status: StatusOf<S> | null },
  commands: readonly C[],
): readonly C[] {
  return commands.filter(({ opId }) => opId === undefined || opId === status?.operation?.id)
}

/** The object, after a write of its own where its status was restored to an older one and must begin a new life. */
async function inLatestLife<Spec, S extends Remembered, Observed, C extends Command, E extends EventBody>(
  { ports }: PassSetup<Spec, S, Observed, C, E>,
  object: Obj<Spec, S>,
  limits: Limits,
): Promise<Obj<Spec, S>> {
  const { status } = object
  const past = ports.relay.overtaken(object)
  if (status === null || past === null) return object
  const { epoch, holder } = ports.lease
  const spilled = await spilledOf(ports, object, limits)
  const reborn = { ...status, ...nextLife(status, past, { now: ports.clock.now(), epoch, holder }, spilled) }
  return withDeadline(limits, passLimits.commitMs, (io) => ports.objects.commit(object, reborn, io))
}

/** What lies in spills of the object's life, in order. */
async function spilledOf<Spec, S extends Remembered>(
  { spills }: Ports<Obj<Spec, S>>,
  { metadata, status }: Obj<Spec, S>,
  limits: Limits,
): Promise<readonly OutboxEntry[]> {
  if (spills === undefined) return []
  const { namespace, name, uid } = metadata
  const all = await withDeadline(limits, passLimits.getMs, (io) => spills.list({ namespace, name }, io))
  const own = all.filter((one) => one.uid === uid && one.life === lifecycleOf(status)?.life)
  return own.flatMap(({ entries }) => entries).toSorted((a, b) => a.seq - b.seq)
}

function assertCommands<Spec, S extends Remembered, Observed, C extends Command, E extends EventBody>(
  controller: Controller<Spec, S, Observed, C, E>,
  decision: Decision<S, C, E>,
): void {
  const { state, operation } = decision.status
  for (const command of decision.commands) {
    if (!controller.allows(state, command)) throw new InvariantError(`${command.type} is not allowed in state ${state}`)
    if (command.opId === undefined || command.opId === operation?.id) continue
    throw new InvariantError(`${command.type} wants operation ${command.opId}, committed is ${operation?.id ?? 'none'}`)
  }
}

/** What a decision comes to, as far as two looks at the same trouble agree. */
function outlineOf<S extends Remembered, C extends Command, E extends EventBody>({
  findings,
  status,
  commands,
}: Decision<S, C, E>): object {
  return {
    state: status.state,
    findings: findings.map(({ type, about }) => ({ type, about })),
    commands: commands.map(({ type }) => type),
  }
}

type Plan<S extends Remembered, C extends Command> = {
  readonly status: StatusOf<S> | 'same'
  readonly commands: readonly C[]
  readonly withheld: boolean
}

/**
 * The one status write of this round, and the commands that may follow it. When the outbox has no room, state and
 * events wait together; healing does not: commands go out whose intent, if they need one, was committed before.
 */
function planCommit<Spec, S extends Remembered, Observed, C extends Command, E extends EventBody>(
  setup: PassSetup<Spec, S, Observed, C, E>,
  made: {
    readonly object: Obj<Spec, S>
    readonly decision: Decision<S, C, E>
    readonly now: number
    readonly spilled?: boolean
  },
): Plan<S, C> {
  const { object, decision, now } = made
  const { lease, relay } = setup.ports
  const { commands, events } = decision
  const claims = commands.length > 0 && lifecycleOf(object.status)?.epoch !== lease.epoch
  const changes = events.length > 0 || !sameStatus(object.status, decision.status)
  const published = relay.published(object)
  const trims = setup.trimDue(object.metadata) && (object.status?.outbox ?? []).some((entry) => entry.seq <= published)
  if (!claims && !changes && !trims) return { status: 'same', commands, withheld: false }

  const { epoch, holder } = lease
  const { generation } = object.metadata
  const writing = { now, epoch, holder, generation, published, spilled: made.spilled === true, ...boundsOf(setup) }
  const next = nextRuntimeStatus(object.status, events, writing)
  if (!next.full) return { status: { ...decision.status, ...next.status }, commands, withheld: false }

  const harmless = harmlessIn(object, commands)
  const claim = nextRuntimeStatus(object.status, [], writing)
  const claimed = claims && object.status !== null && !claim.full ? { ...object.status, ...claim.status } : 'same'
  return { status: claimed, commands: harmless, withheld: true }
}

function boundsOf({ bounds }: { readonly bounds?: OutboxBounds }): { readonly bounds?: OutboxBounds } {
  return bounds === undefined ? {} : { bounds }
}

/** Writes what waits in the outbox into spills; true when nothing waits any more that is nowhere else. */
async function spill<Spec, S extends Remembered, Observed, C extends Command, E extends EventBody>(
  { ports, failures, bounds }: PassSetup<Spec, S, Observed, C, E>,
  object: Obj<Spec, S>,
  limits: Limits,
): Promise<boolean> {
  const entries = waitingIn(object.status, ports.relay.published(object))
  const { namespace, name, uid } = object.metadata
  const life = lifecycleOf(object.status)?.life
  if (life === undefined || entries.length === 0) return true
  const { spills } = ports
  if (spills === undefined) return false
  try {
    // A crash between two leaves them beside the entries in the status: the relay goes by the numbers.
    for (const piece of inSpills(entries, bounds)) {
      const one = { key: { namespace, name }, uid, life, entries: piece }
      await withDeadline(limits, passLimits.commitMs, (io) => spills.write(one, io))
    }
    ports.relay.spilled(object)
    return true
  } catch (error) {
    if (limits.signal.aborted) throw error
    const setback = { command: { type: 'Spill' }, reason: reasonOf(error), message: messageOf(error) }
    failures.add({ namespace, name }, setback, ports.clock.now())
    return false
  }
}

/** Why nothing may be done any more in this pass, or null. */
function hindrance(lease: Lease, loop: LoopWatch): Pick<Ending, 'result' | 'lookAgainInMs'> | null {
  if (loop.jumped()) return { result: 'LoopJumped', lookAgainInMs: lookAgainMs.least }
  return lease.held(leaseMarginMs) ? null : { result: 'LeaseEnding', lookAgainInMs: 1_000 }
}

async function actInOrder<Spec, S extends Remembered, Observed, C extends Command, E extends EventBody>(
  setup: PassSetup<Spec, S, Observed, C, E>,
  work: {
    readonly key: Key
    readonly current: Obj<Spec, S>
    readonly commands: readonly C[]
    /** What the decision asked for, or what a standstill makes of it. */
    readonly lookAgainInMs: number
    readonly leastMs: number
    readonly loop: LoopWatch
    readonly signal: AbortSignal
  },
): Promise<Omit<Ending, 'committed'>> {
  const { ports, timers } = setup
  const commands: string[] = []
  for (const command of work.commands) {
    work.signal.throwIfAborted()
    const before = hindrance(ports.lease, work.loop)
    if (before !== null) return { ...before, commands }
    commands.push(command.type)
    const limits = { clock: ports.clock, timers, signal: work.signal }
    // With the object its outbox goes: what waits in it must be elsewhere by then.
    const end = setup.controller.ends?.(command) ?? 'No'
    if (end !== 'No' && !(await spill(setup, work.current, limits)) && end === 'WhenSpilled')
      return { result: 'CommandFailed', lookAgainInMs: setup.backoff.next(work.key), commands }
    const mayAct = (): boolean => !work.signal.aborted && hindrance(ports.lease, work.loop) === null
    const outcome = await withDeadline(limits, passLimits.actMs, (io) =>
      setup.controller.act(command, { ...io, mayAct }),
    )
    if (outcome.result === 'later') {
      const looked = { result: 'Later', lookAgainInMs: within(Math.max(work.leastMs, outcome.inMs)) } as const
      return { ...(hindrance(ports.lease, work.loop) ?? looked), commands }
    }
    if (outcome.result === 'failed') {
      const { reason, message } = outcome
      setup.failures.add(work.key, { command, reason, message }, ports.clock.now())
      // What went wrong must not slow down what else is to be done: a silent primary is still looked at.
      const lookAgainInMs = Math.min(setup.backoff.next(work.key), Math.max(1_000, work.lookAgainInMs))
      return { result: 'CommandFailed', lookAgainInMs, commands, error: new Error(`${reason}: ${message}`) }
    }
  }
  setup.failures.clear(work.key)
  setup.backoff.reset(work.key)
  return { result: 'Done', lookAgainInMs: null, commands }
}

function ending(result: PassResult, lookAgainInMs: number | null): Ending {
  return { result, lookAgainInMs, committed: false, commands: [] }
}

function within(ms: number): number {
  return Math.min(lookAgainMs.most, Math.max(lookAgainMs.least, ms))
}
