import { createBackoff } from './backoff.ts'
import { isKubeError, KubeError } from './errors.ts'
import { type LeaseRecord, type LeaseStore, leaseStore, microTime } from './lease-store.ts'
import type { Objects } from './objects.ts'
import type { ObjectKey } from './resource.ts'
import { type CallIo, pause } from './time-limit.ts'

/**
 * The times of an election, as parts of the Lease's duration D (15 s unless said otherwise). A renewal each D/2 costs 8
 * requests a minute and leaves half of D when nothing fails. What fails is repeated, after growing pauses, until 4/5 of
 * D are over; then the leadership ends, and what runs has the last fifth, 3 s, to stop in before anybody else can lead.
 */
const RENEW_AT = 1 / 2
const GIVE_UP_AT = 4 / 5
/** How long the first try of a renewal may take; each further one twice as long, for a server that is only slow. */
const FIRST_TRY = 1 / 15
/** Pauses between tries of a renewal: 0.2 s, twice as long each time, up to 1.5 s; up to 2 s if the server asks for it. */
const [SHORTEST_PAUSE, LONGEST_PAUSE, LONGEST_ASKED_PAUSE] = [1 / 75, 1 / 10, 2 / 15]
/** How often the others look. */
const LOOK_EACH = 1 / 5

/** How one process stands for election. */
export type LeaseOptions = {
  /** Over connections that nobody else makes wait. */
  readonly objects: Objects
  readonly key: ObjectKey
  /** Unique per process start: two processes of one name would both believe that they lead. */
  readonly holder: string
  readonly durationMs?: number
  /** After winning: 1 + the largest epoch there is, of the Lease's counter and of every status. */
  readonly nextEpoch: (counterInLease: number, signal: AbortSignal) => Promise<number>
  /**
   * Asked when there is no Lease: whether there is nothing that a leader could act on, so that it may be created at once.
   * Else somebody may still lead under a Lease that was deleted, and learns of it within its duration.
   */
  readonly isUnused?: (signal: AbortSignal) => Promise<boolean>
  readonly onProblem: (error: unknown) => void
  readonly random?: () => number
}

/** What to do while leading. `onStarted` may run for as long as it leads, and ends soon after its signal. */
export type LeaseWork = {
  readonly onStarted: (epoch: number, signal: AbortSignal) => void | Promise<void>
  readonly onStopped: () => void
}

/** How an election ended: by the signal, or because the Lease was lost (the process may run again, or exit). */
export type ElectionEnd = 'released' | 'lost'

/** Leader election on one Lease. */
export type Election = {
  /** Whether the Lease is ours for at least `marginMs` more; the age is the larger of monotonic and wall time. */
  held(marginMs: number): boolean
  /** Of the current or last leadership; 0 before the first. */
  readonly epoch: number
  /** Waits for the Lease, leads, and gives it back; one run at a time. */
  run(work: LeaseWork, signal: AbortSignal): Promise<ElectionEnd>
}

type Moment = { readonly monotonic: number; readonly wall: number }

/** A candidate. Nothing happens before `run`. */
export function createElection(options: LeaseOptions): Election {
  const durationMs = options.durationMs ?? 15_000
  const store = leaseStore(options.objects, options.key, options.holder, durationMs)
  const state: State = { renewed: undefined, leading: false, epoch: 0 }
  const context: Context = { options, store, durationMs, state }
  return {
    held: (marginMs) => state.leading && state.renewed !== undefined && age(state.renewed) + marginMs < durationMs,
    get epoch() {
      return state.epoch
    },
    async run(work, signal) {
      const lease = await campaign(context, signal)
      if (lease === undefined) return 'released'
      return lead(context, lease, work, signal)
    },
  }
}

/** `renewed` is when the last successful renewal was SENT: its effect is not older than that. */
type State = {
  renewed: Moment | undefined
  /** Only once the epoch is in the Lease, and until the leadership ends for whatever reason. */
  leading: boolean
  epoch: number
}

type Context = {
  readonly options: LeaseOptions
  readonly store: LeaseStore
  readonly durationMs: number
  readonly state: State
}

/** A Lease as it was when we last saw it change. */
type Seen = { readonly version: string; readonly at: number; readonly lastsMs: number }

/** Tries until the Lease is ours; undefined when the signal came first. */
async function campaign(context: Context, signal: AbortSignal): Promise<LeaseRecord | undefined> {
  const { options, store, durationMs, state } = context
  const random = options.random ?? Math.random
  let seen: Seen | undefined
  while (!signal.aborted) {
    const io = (): CallIo => ({ signal, deadline: Date.now() + durationMs / 3 })
    try {
      const found = await store.read(io())
      if (found !== null && seen?.version !== found.version) {
        seen = { version: found.version, at: performance.now(), lastsMs: found.durationMs }
      }
      // There may have been one, until just before we came.
      if (found === null && seen === undefined && !(await isUnused(options, signal)))
        seen = { version: '', at: performance.now(), lastsMs: durationMs }
      if (isFree(found, seen, options.holder)) {
        const sent = moment()
        const lease = found === null ? await store.create(io()) : await store.take(found, io())
        state.renewed = sent
        return lease
      }
    } catch (error) {
      if (signal.aborted) return undefined
      // Another candidate was faster.
      if (!isKubeError(error, 'Conflict', 'AlreadyExists')) options.onProblem(error)
    }
    const restMs = durationMs * LOOK_EACH * (0.75 + 0.5 * random())
    // The end of a Lease is not slept through.
    const leftMs = leftOf(seen) > 0 ? leftOf(seen) + 10 : restMs
    await pause(Math.min(restMs, leftMs), signal)
  }
  return undefined
}

/** No answer is no yes. */
async function isUnused(options: LeaseOptions, signal: AbortSignal): Promise<boolean> {
  try {
    return (await options.isUnused?.(signal)) ?? false
  } catch (error) {
    options.onProblem(error)
    return false
  }
}

function isFree(found: LeaseRecord | null, seen: Seen | undefined, holder: string): boolean {
  if (found !== null && (found.holder === '' || found.holder === holder)) return true
  // The leader of a Lease that was deleted learns of it by its next renewal: until it has run out it counts as held.
  return (found === null && seen === undefined) || leftOf(seen) < 0
}

/** Another's clock is not ours: what counts is how long WE have not seen its Lease change. */
function leftOf(seen: Seen | undefined): number {
  return seen === undefined ? 0 : seen.at + seen.lastsMs - performance.now()
}

/** Renews until the signal, or until the Lease is lost; `work` starts once the epoch is in the Lease. */
async function lead(context: Context, taken: LeaseRecord, work: LeaseWork, signal: AbortSignal): Promise<ElectionEnd> {
  const { options, durationMs, state } = context
  const leading = new AbortController()
  const stop = (): void => leading.abort()
  leading.signal.addEventListener('abort', () => (state.leading = false), { once: true })
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()
  let working: Promise<unknown> | undefined
  const epoch = drawEpoch(options, taken.epoch, leading.signal)
  const watchdog = watchAge(context, stop)
  const last = await renewUntilStopped(context, taken, epoch, leading, (drawn) => {
    state.epoch = drawn
    state.leading = true
    working = Promise.resolve(work.onStarted(drawn, leading.signal)).catch(options.onProblem)
  })
  watchdog.stop()
  signal.removeEventListener('abort', stop)
  const releasable = signal.aborted && last !== undefined && !isTooOld(context)
  const renewed = state.renewed
  state.renewed = undefined
  if (working !== undefined) {
    work.onStopped()
    const leftMs = renewed === undefined ? 0 : Math.max(0, durationMs - age(renewed))
    // Work that has not ended may still act: nobody else may begin before the Lease has run out, ourselves not at all.
    if (!(await endsWithin(working, leftMs))) {
      await Promise.race([working, whenAborted(signal)])
      return signal.aborted ? 'released' : 'lost'
    }
  }
  if (releasable) await release(context, last).catch(options.onProblem)
  return signal.aborted ? 'released' : 'lost'
}

async function endsWithin(work: Promise<unknown>, ms: number): Promise<boolean> {
  const ended = new AbortController()
  const inTime = await Promise.race([work.then(() => true), pause(ms, ended.signal).then(() => false)])
  ended.abort()
  return inTime
}

function whenAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}

/** Reads first: the last renewal may have been cut off after it was done. */
async function release({ options, store, durationMs }: Context, last: LeaseRecord): Promise<void> {
  const io = { signal: AbortSignal.timeout(durationMs / 5) }
  const now = await store.read(io)
  if (now !== null && now.holder === options.holder && now.uid === last.uid) await store.release(now, io)
}

/** The Lease as it is at the end; undefined when it is no more ours. Aborts `leading` when it is lost. */
async function renewUntilStopped(
  context: Context,
  taken: LeaseRecord,
  epoch: Promise<number | undefined>,
  leading: AbortController,
  start: (epoch: number) => void,
): Promise<LeaseRecord | undefined> {
  const { state } = context
  const renewal = createRenewal(context, leading.signal)
  let drawn: number | undefined
  let started = false
  let failed = false
  let lease: LeaseRecord = taken
  void epoch.then((value) => (drawn = value))
  while (!leading.signal.aborted) {
    // After a failure the pause lies behind us; before the start, the epoch wakes us up.
    const rest = failed ? undefined : pause(untilRenewal(context), leading.signal)
    await (drawn === undefined && rest !== undefined ? Promise.race([rest, epoch]) : started ? rest : undefined)
    if (leading.signal.aborted) break
    const sending = drawn ?? lease.epoch
    const end = await renewal.attempt(lease, sending)
    if (leading.signal.aborted) break
    if (end === 'gone') {
      leading.abort()
      return undefined
    }
    lease = end.lease
    failed = end.renewed === undefined
    if (end.renewed === undefined) continue
    // By the one before: who stood still for so long has missed what went on meanwhile.
    if (isTooOld(context)) {
      leading.abort()
      break
    }
    state.renewed = end.renewed
    if (drawn === sending && !started) {
      started = true
      start(drawn)
    }
  }
  return lease
}

/** What a try came to: the Lease as it is now, and since when it is renewed, if it is. */
type Attempt = 'gone' | { readonly lease: LeaseRecord; readonly renewed: Moment | undefined }

/** One renewal after the other; a failed one ends with the pause that it costs. */
function createRenewal(
  context: Context,
  signal: AbortSignal,
): { attempt(lease: LeaseRecord, epoch: number): Promise<Attempt> } {
  const { options, store, durationMs } = context
  const [minMs, maxMs] = [durationMs * SHORTEST_PAUSE, durationMs * LONGEST_PAUSE]
  const backoff = createBackoff({ minMs, maxMs, random: options.random ?? Math.random })
  let failures = 0
  const io = (): CallIo => ({
    signal,
    // A connection that has died in silence must leave time for a try on another one.
    deadline: Date.now() + durationMs * FIRST_TRY * 2 ** Math.min(failures, 5),
  })
  return {
    async attempt(lease, epoch) {
      const sent = moment()
      const at = microTime(sent.wall)
      try {
        const renewed = await store.renew(lease, epoch, at, io())
        failures = 0
        backoff.reset()
        return { lease: renewed, renewed: sent }
      } catch (error) {
        if (signal.aborted) return { lease, renewed: undefined }
        failures++
        options.onProblem(error)
        const now = await stillOurs(context, lease, error, io())
        if (now === undefined) return 'gone'
        // Only its answer was lost, or came too late.
        if (now.renewedAt === at && now.epoch === epoch) return { lease: now, renewed: sent }
        const asked = (isKubeError(error) ? error.retryAfterMs : undefined) ?? 0
        await pause(Math.min(Math.max(backoff.next(), asked), durationMs * LONGEST_ASKED_PAUSE), signal)
        return { lease: now, renewed: undefined }
      }
    },
  }
}

/** The Lease after a failed renewal; undefined when it is gone or another's. */
async function stillOurs(
  context: Context,
  lease: LeaseRecord,
  failure: unknown,
  io: CallIo,
): Promise<LeaseRecord | undefined> {
  const { options, store } = context
  const wasRefused = failure instanceof KubeError && failure.status !== 0
  if (wasRefused && !isKubeError(failure, 'Conflict', 'NotFound')) return lease
  const now = await store.read(io).catch(() => lease)
  // Whoever re-creates it now may lead already, so it is lost whatever its age says.
  return now !== null && now.holder === options.holder && now.uid === lease.uid ? now : undefined
}

/** Draws the epoch, again and again until it works; undefined when leadership ended first. */
async function drawEpoch(options: LeaseOptions, counter: number, signal: AbortSignal): Promise<number | undefined> {
  const backoff = createBackoff({ minMs: 500, maxMs: 10_000, random: options.random ?? Math.random })
  while (!signal.aborted) {
    try {
      const drawn = await options.nextEpoch(counter, signal)
      if (Number.isSafeInteger(drawn) && drawn > counter) return drawn
      options.onProblem(new Error(`epoch ${drawn} is not above ${counter}`))
    } catch (error) {
      if (!signal.aborted) options.onProblem(error)
    }
    await pause(backoff.next(), signal)
  }
  return undefined
}

/** Counted from when the last one was sent: its way there and back does not put off the next. */
function untilRenewal({ state, durationMs }: Context): number {
  return state.renewed === undefined ? 0 : Math.max(0, durationMs * RENEW_AT - age(state.renewed))
}

/**
 * Calls `stop` when the Lease has become too old: at that moment, and not by looking all the time. A pause of the
 * process ends here too: the timer fires late. A machine that slept shows only in wall time, hence a look now and then.
 */
function watchAge(context: Context, stop: () => void): { stop(): void } {
  const { state, durationMs } = context
  const leftMs = (): number => durationMs * GIVE_UP_AT - (state.renewed === undefined ? 0 : age(state.renewed))
  let timer: NodeJS.Timeout
  const look = (): void => {
    if (isTooOld(context)) return stop()
    timer = setTimeout(look, Math.min(durationMs * LOOK_EACH, Math.max(0, leftMs()) + 1))
  }
  look()
  return { stop: () => clearTimeout(timer) }
}

function isTooOld({ state, durationMs }: Context): boolean {
  return state.renewed === undefined || age(state.renewed) > durationMs * GIVE_UP_AT
}

function moment(): Moment {
  return { monotonic: performance.now(), wall: Date.now() }
}

function age(since: Moment): number {
  return Math.max(performance.now() - since.monotonic, Date.now() - since.wall)
}
