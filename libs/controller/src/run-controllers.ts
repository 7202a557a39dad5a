import { createBackoff } from './backoff.ts'
import type {
  Clock,
  Command,
  Committed,
  Controller,
  EventBody,
  EventStore,
  Key,
  Lease,
  Message,
  Metadata,
  Obj,
} from './contract.ts'
import type { Objects, OutboxEntry, Remembered, Spills, Timers } from './contract.ts'
import { createFailures } from './failures.ts'
import { createQueue, nameOf } from './queue.ts'
import { createRelay, type RunningRelay } from './relay.ts'
import type { OutboxBounds } from './outbox.ts'
import type { Trouble } from './publish-life.ts'
import { runPass } from './run-pass.ts'
import type { PassReport } from './run-pass.ts'
import { createStandstill } from './standstill.ts'
import { systemTime } from './system-time.ts'
import { type Limits, withDeadline } from './with-deadline.ts'

const passBackoff = { baseMs: 200, maxMs: 60_000 } as const
const relayBackoff = { baseMs: 100, maxMs: 30_000 } as const
const trimAfterMs = 5_000
const relayGraceMs = 2_000
const listMs = 30_000
const listAgainMs = { failed: 5_000, listed: 600_000 } as const

/** A controller with everything it reaches out to. */
export type ControllerSetup<Spec, S extends Remembered, Observed, C extends Command, E extends EventBody> = {
  readonly controller: Controller<Spec, S, Observed, C, E>
  readonly objects: Objects<Obj<Spec, S>>
  readonly store: EventStore
  readonly toMessage: (object: Committed, entry: OutboxEntry) => Message
  /** Where entries go that outboxes have no room for; without it a full outbox withholds what needs room. */
  readonly spills?: Spills
  /** Told of each event that the store acknowledged. */
  readonly acknowledged?: (entry: OutboxEntry) => void
  readonly bounds?: OutboxBounds
  /** Time for a whole `observe`; 2 s when absent. */
  readonly observeMs?: number
}

/** What all controllers of a process share. `signal` aborts when the lease is lost or the process stops. */
export type RunOptions = {
  readonly lease: Lease
  readonly signal: AbortSignal
  /** Called after every pass, for logs and metrics. */
  readonly report: (plural: string, report: PassReport) => void
  /** Keys worked on at once, per controller; 8 when absent. */
  readonly concurrency?: number
  readonly clock?: Clock
  readonly timers?: Timers
  readonly jitter?: () => number
}

/** A controller that runs until the signal aborts. */
export type RunningController<O> = {
  /** Looks at the key as soon as possible. */
  wake(key: Key): void
  /** Why an object's events wait for the store, or null; material for a condition. */
  trouble(object: O): Trouble | null
  size(): { readonly due: number; readonly working: number; readonly unpublished: number }
  /** Resolves after the signal aborted and the passes under way have ended. */
  readonly stopped: Promise<void>
}

/** Runs one controller: its wake-ups fill a queue, the queue runs passes, and the passes feed a relay. */
export function runController<Spec, S extends Remembered, Observed, C extends Command, E extends EventBody>(
  setup: ControllerSetup<Spec, S, Observed, C, E>,
  options: RunOptions,
): RunningController<Obj<Spec, S>> {
  const shared = withDefaults(options)
  const { clock, timers, jitter, signal, lease } = shared
  const trims = new Set<string>()
  const relayStop = new AbortController()
  const failures = createFailures()
  const standstill = createStandstill()
  const spills = setup.spills === undefined ? {} : { spills: setup.spills }
  const backoff = createBackoff({ ...passBackoff, jitter })

  const relay = createRelay({
    store: setup.store,
    toMessage: setup.toMessage,
    get: setup.objects.get,
    trim: ({ metadata }) => {
      trims.add(nameOf(metadata))
      queue.add({ namespace: metadata.namespace, name: metadata.name })
    },
    trimAfterMs,
    clock,
    timers,
    backoff: createBackoff({ ...relayBackoff, jitter }),
    signal: relayStop.signal,
    ...spills,
    ...(setup.acknowledged === undefined ? {} : { acknowledged: setup.acknowledged }),
  })
  const ports = { objects: setup.objects, lease, relay, clock, ...spills }
  const limits = {
    ...(setup.observeMs === undefined ? {} : { observeMs: setup.observeMs }),
    ...(setup.bounds === undefined ? {} : { bounds: setup.bounds }),
  }

  const work = async (key: Key): Promise<number | null> => {
    const trim = trims.delete(nameOf(key))
    const trimDue = (metadata: Metadata): boolean => trim || metadata.deletionTimestamp !== undefined
    const pass = { controller: setup.controller, ports, timers, failures, backoff, standstill, trimDue }
    const report = await runPass({ ...pass, ...limits }, key, signal)
    if (report.result === 'Failed' && trim) trims.add(nameOf(key))
    if (report.result === 'Gone') relay.forget(key)
    shared.report(setup.controller.kind.plural, report)
    return report.lookAgainInMs
  }
  const queue = createQueue({ clock, timers, concurrency: shared.concurrency, work })

  setup.controller.wakes(queue.add, signal)
  if (setup.spills !== undefined) adoptSpills(setup.spills, relay, { clock, timers, signal })
  const stopped = whenAborted(signal).then(async () => {
    await queue.drain()
    // What is still unpublished waits in statuses; the grace is for the last events of deleted objects.
    await Promise.race([relay.settled(), new Promise<void>((resolve) => timers.after(relayGraceMs, resolve))])
    relayStop.abort()
  })
  return {
    wake: queue.add,
    trouble: relay.trouble,
    size: () => ({ ...queue.size(), unpublished: relay.waiting() }),
    stopped,
  }
}

/** Takes over the spills of earlier processes, and now and then what one that was deposed has written since. */
function adoptSpills(spills: Spills, relay: RunningRelay, limits: Limits): void {
  const again = async (): Promise<void> => {
    if (limits.signal.aborted) return
    try {
      relay.adopt(await withDeadline(limits, listMs, (io) => spills.list(null, io)))
      limits.timers.after(listAgainMs.listed, again)
    } catch {
      limits.timers.after(listAgainMs.failed, again)
    }
  }
  void again()
}

function withDefaults(options: RunOptions): Required<RunOptions> {
  const clock = options.clock ?? systemTime.clock
  const timers = options.timers ?? systemTime.timers
  return { concurrency: 8, jitter: Math.random, ...options, clock, timers }
}

function whenAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}
