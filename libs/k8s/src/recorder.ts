import { randomBytes } from 'node:crypto'
import { isKubeError } from './errors.ts'
import { microTime } from './lease-store.ts'
import type { Objects } from './objects.ts'
import { events } from './resource.ts'

/** One thing to tell in `kubectl describe`. */
export type Note = {
  readonly regarding: {
    readonly apiVersion: string
    readonly kind: string
    readonly namespace: string
    readonly name: string
    readonly uid: string
  }
  readonly type: 'Normal' | 'Warning'
  readonly reason: string
  /** What the controller did or was about to do. */
  readonly action: string
  readonly note: string
}

/** Writes Events. What cannot be written is reported and forgotten: nothing waits for an Event. */
export type Recorder = {
  record(note: Note): void
  /** Writes what is still counted; then resolves. */
  close(): Promise<void>
}

type Series = {
  readonly namespace: string
  readonly name: string
  count: number
  written: number
  lastAt: number
  startedAt: number
}

/** The API server's limits. */
const [LONGEST_NOTE, LONGEST_REASON] = [1_024, 128]
/** After this, the same note is news again; the apiserver forgets Events after an hour. */
const SERIES_LASTS_MS = 6 * 60_000
const MOST_SERIES = 2_000

/** Repeats of one note about one object become a count in one Event, written at most every `seriesEveryMs`. */
export function createRecorder(options: {
  readonly objects: Objects
  readonly controller: string
  /** The pod that we are. */
  readonly instance: string
  readonly onProblem: (error: unknown) => void
  readonly perSecond?: number
  readonly burst?: number
  readonly seriesEveryMs?: number
}): Recorder {
  const series = new Map<string, Series>()
  const bucket = createBucket(options.perSecond ?? 5, options.burst ?? 50)
  const stop = new AbortController()
  const inFlight = new Set<Promise<void>>()

  function send(work: Promise<unknown>): void {
    const one: Promise<void> = work.then(
      () => void inFlight.delete(one),
      (error: unknown) => {
        inFlight.delete(one)
        options.onProblem(error)
      },
    )
    inFlight.add(one)
  }

  const io = { signal: stop.signal }
  function flush(force: boolean): void {
    for (const [key, one] of series) {
      if (one.count > one.written && (force || bucket.take())) {
        one.written = one.count
        send(
          writeSeries(options.objects, one, io).catch((error: unknown) =>
            forgetExpired(error, () => series.delete(key)),
          ),
        )
      } else if (Date.now() - one.startedAt > SERIES_LASTS_MS) series.delete(key)
    }
  }

  const timer = setInterval(() => flush(false), options.seriesEveryMs ?? 10_000)
  timer.unref()
  return {
    record(note) {
      const key = `${note.regarding.uid}/${note.type}/${note.reason}/${note.note}`
      const known = series.get(key)
      if (known !== undefined && Date.now() - known.startedAt <= SERIES_LASTS_MS) {
        known.count++
        known.lastAt = Date.now()
        return
      }
      if (stop.signal.aborted || !bucket.take() || (known === undefined && series.size >= MOST_SERIES)) return
      const name = `${note.regarding.name.slice(0, 230)}.${randomBytes(8).toString('hex')}`
      // Events of cluster-scoped objects live in the namespace default.
      const namespace = note.regarding.namespace === '' ? 'default' : note.regarding.namespace
      series.set(key, { namespace, name, count: 1, written: 1, lastAt: Date.now(), startedAt: Date.now() })
      const body = eventOf(note, namespace, name, options.controller, options.instance)
      send(options.objects.create(events, body, io).catch((error: unknown) => forget(series, key, error)))
    },
    async close() {
      clearInterval(timer)
      await Promise.all(inFlight)
      flush(true)
      await Promise.all(inFlight)
      stop.abort()
    },
  }
}

function forget(series: Map<string, Series>, key: string, error: unknown): never {
  // The next repeat is a new try.
  series.delete(key)
  throw error
}

function forgetExpired(error: unknown, drop: () => void): void {
  if (!isKubeError(error, 'NotFound')) throw error
  drop()
}

async function writeSeries(objects: Objects, one: Series, io: { readonly signal: AbortSignal }): Promise<void> {
  const patch = { series: { count: one.count, lastObservedTime: microTime(one.lastAt) } }
  await objects.patch(events, one, patch, null, io)
}

function eventOf(note: Note, namespace: string, name: string, controller: string, instance: string) {
  return {
    apiVersion: 'events.k8s.io/v1',
    kind: 'Event',
    metadata: { namespace, name },
    eventTime: microTime(),
    reportingController: controller,
    reportingInstance: instance.slice(0, LONGEST_REASON),
    type: note.type,
    reason: note.reason.slice(0, LONGEST_REASON),
    action: note.action.slice(0, LONGEST_REASON),
    regarding: note.regarding,
    note: shorten(note.note),
  }
}

/** To the limit in bytes, at a whole character. */
function shorten(text: string): string {
  const bytes = Buffer.from(text)
  return bytes.length <= LONGEST_NOTE
    ? text
    : new TextDecoder().decode(bytes.subarray(0, LONGEST_NOTE - 4), { stream: true })
}

/** Tokens that come back at a steady rate. */
function createBucket(perSecond: number, burst: number): { take(): boolean } {
  let tokens = burst
  let at = performance.now()
  return {
    take() {
      const now = performance.now()
      tokens = Math.min(burst, tokens + ((now - at) / 1_000) * perSecond)
      at = now
      if (tokens < 1) return false
      tokens--
      return true
    },
  }
}
