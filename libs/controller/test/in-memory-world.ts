import type {
  AppendResult,
  Controller,
  EventBody,
  EventStore,
  Io,
  Key,
  Obj,
  Objects,
  Outcome,
  OutboxEntry,
  Spill,
  Spills,
  StatusOf,
} from '../src/contract.ts'
import type { OutboxBounds } from '../src/outbox.ts'
import type { PassReport } from '../src/run-pass.ts'
import { runController } from '../src/run-controllers.ts'

/** The status of the counting controller: the last number it saw. */
export type Counting = {
  readonly state: 'Counting'
  readonly count: number
  readonly operation?: { readonly id: string; readonly type: string; readonly target: string; readonly since: string }
}

/** An object whose controller records every change of the number in the world. */
export type Counter = Obj<{ readonly wanted: number }, Counting>

/** What may happen to an I/O. */
export type Fault = 'none' | 'crashBefore' | 'crashAfter' | 'answerLost' | 'requestLost' | 'stale'

/** Bugs to plant, to see that the tests find them. */
export type PlantedBug =
  | 'none'
  | 'publishBeforeCommit'
  | 'storeIgnoresExpectation'
  | 'commitWithoutPrecondition'
  | 'trimBeforeAcknowledgement'
  | 'forgetSpill'
  | 'noEpoch'
  | 'noLife'

type Pending = { readonly process: Process; readonly go: (fault: Fault) => void }
type Process = { readonly epoch: number; alive: boolean; readonly stop: AbortController }
type Timer = { readonly process: Process | null; readonly at: number; readonly run: () => void }
type Stored = { readonly sequence: number; readonly id: string; readonly data: Told }
/** What the body of a message says: which number became which, and when that was committed. */
type Told = { readonly from: number; readonly to: number; readonly time: string }
type Snapshot = { readonly object: Counter | null; readonly spilled: readonly Spill[] }

/** The only key there is. */
export const key: Key = { namespace: 'shop', name: 'orders' }

/** An API server with one object, an event store, and processes whose every I/O waits for its turn. */
export class World {
  now = 1_700_000_000_000
  truth = 1
  object: Counter | null = aCounter()
  versions: (Counter | null)[] = []
  /** What was committed: the ids that the store must hold in the end, in this order. */
  readonly committed: string[] = []
  /** The same by what they tell, which keeps its place also under another number. */
  readonly told: string[] = []
  /** How much of it was committed when somebody last took something away. */
  takenAwayAt = 0
  /** Set when it has not come to rest by itself. */
  restless = false
  /** Which process made each commit. */
  readonly writers: number[] = []
  /** Everything that was ever appended; the store has forgotten the first `expired` of it. */
  readonly stream: Stored[] = []
  expired = 0
  spilled: Spill[] = []
  /** Most spills that lay there at once. */
  mostSpilled = 0
  /** While true nothing can be appended, or looked up. */
  storeAway = false
  /** While true the API server refuses each status for its size. */
  tooLarge = false
  readonly reports: PassReport[] = []
  readonly acted: string[] = []
  pending: Pending[] = []
  timers: Timer[] = []
  processes: Process[] = []
  readonly bug: PlantedBug
  private readonly bounds: OutboxBounds
  private readonly snapshots: Snapshot[] = []
  private version = 1

  /** The outbox and the spills are small when not said, so that it overflows often and takes several. */
  constructor(bug: PlantedBug = 'none', bounds: OutboxBounds = { entries: 1, bytes: 24 * 1024, spillBytes: 100 }) {
    this.bug = bug
    this.bounds = bounds
  }

  /** Starts a process with the next epoch; the ones before may still believe that they hold the lease. */
  startProcess(): Process {
    const process = { epoch: this.processes.length + 1, alive: true, stop: new AbortController() }
    this.processes.push(process)
    const running = runController<{ wanted: number }, Counting, number, { type: string }, EventBody>(
      {
        controller: this.controller(process),
        objects: this.objects(process),
        store: this.store(process),
        spills: this.spills(process),
        bounds: this.bounds,
        toMessage: (object, entry) => ({
          subject: `redis.evt.counter.shop.orders.${entry.type}`,
          aggregate: 'redis.evt.counter.shop.orders.>',
          body: JSON.stringify({ ...entry.data, time: entry.time }),
          msgId: `${object.metadata.uid}:${object.status?.lifecycle.life}:${entry.seq}`,
        }),
      },
      {
        lease: { ...this.claimOf(process), held: () => true },
        signal: process.stop.signal,
        report: (_plural, report) => void this.reports.push(report),
        clock: { now: () => this.now },
        timers: {
          after: (ms, run) => {
            const timer = { process, at: this.now + ms, run }
            this.timers.push(timer)
            return () => void (this.timers = this.timers.filter((other) => other !== timer))
          },
        },
        jitter: () => 0.5,
      },
    )
    running.wake(key)
    return process
  }

  /** Ends a process without a word. */
  crash(process: Process): void {
    process.alive = false
    this.pending = this.pending.filter((io) => io.process !== process)
    this.timers = this.timers.filter((timer) => timer.process !== process)
  }

  /** Lets the earliest timer ring. */
  ring(): void {
    const next = this.timers.toSorted((a, b) => a.at - b.at)[0]
    if (next === undefined) return
    this.timers = this.timers.filter((timer) => timer !== next)
    this.now = Math.max(this.now, next.at)
    next.run()
  }

  /** Erases the status, as a person might. */
  eraseStatus(): void {
    this.takeAway()
    if (this.object !== null) this.write({ ...this.object, status: null })
  }

  /** Deletes the object and creates another of the same name. */
  recreate(): void {
    this.takeAway()
    this.write(aCounter(`uid-${this.version}`))
  }

  /** Restores what the API server holds to what it was so many writes ago. */
  restore(back: number): void {
    this.takeAway()
    const past = this.snapshots.at(-1 - back)
    if (past === undefined || past.object === null) return
    this.write(past.object)
    this.spilled = [...past.spilled]
  }

  /** The store forgets all that it holds, by its age or its size. */
  expire(): void {
    this.takeAway()
    this.expired = this.stream.length
  }

  private takeAway(): void {
    this.now += 1
    this.takenAwayAt = this.told.length
  }

  /** The last message that the store still holds. */
  private get last(): Stored | undefined {
    return this.stream.length > this.expired ? this.stream.at(-1) : undefined
  }

  private claimOf({ epoch }: Process): { readonly epoch: number; readonly holder: string } {
    return this.bug === 'noEpoch' ? { epoch: 1, holder: 'p' } : { epoch, holder: `p${epoch}` }
  }

  private write(object: Counter): void {
    this.versions.push(this.object)
    this.snapshots.push({ object: this.object, spilled: [...this.spilled] })
    this.version += 1
    this.object = { ...object, metadata: { ...object.metadata, resourceVersion: String(this.version) } }
  }

  private controller(process: Process): Controller<{ wanted: number }, Counting, number, { type: string }, EventBody> {
    return {
      kind: { group: 'test', version: 'v1', plural: 'counters' },
      wakes: () => undefined,
      observe: () => this.io(process, () => this.truth),
      decide: ({ object, observed }) => {
        const from = object.status?.count ?? 0
        const changed = observed !== from || object.status === null
        return {
          findings: [],
          status: { state: 'Counting', count: observed },
          // One for each number that was passed.
          events: changed ? passed(from, observed) : [],
          commands: changed ? [{ type: 'Note' }] : [],
          lookAgainInMs: 20_000,
        }
      },
      allows: () => true,
      act: (command) =>
        this.io(process, (): Outcome => {
          this.acted.push(command.type)
          return { result: 'accepted' }
        }),
    }
  }

  private objects(process: Process): Objects<Counter> {
    return {
      get: (_key: Key, _io: Io) =>
        this.io(
          process,
          () => this.object,
          () => this.versions.at(-1) ?? this.object,
        ),
      commit: (before: Counter, status: object, _io: Io) => {
        const next = this.asStored(status as StatusOf<Counting>)
        const old = before.status?.lifecycle
        // Under a new life everything has a new number, though it may have been committed before.
        const fresh = next.outbox.filter((entry) => entry.seq > (old?.life === next.lifecycle.life ? old.seq : 0))
        const ids = fresh.map((entry) => `${before.metadata.uid}:${next.lifecycle.life}:${entry.seq}`)
        const publish = (): void => ids.forEach((id) => this.append(id, JSON.stringify({ from: 0, to: 0, time: '' })))
        const commit = async (): Promise<Counter> => {
          if (this.bug === 'publishBeforeCommit') await this.io(process, publish)
          return this.io(process, () => {
            this.refuse(before, next)
            const outbox = this.bug === 'trimBeforeAcknowledgement' ? fresh : next.outbox
            this.write({ ...before, status: { ...next, outbox } })
            this.committed.push(...ids)
            const told = fresh.map(wordsOf)
            this.told.push(...told.filter((words) => !this.told.includes(words)))
            this.writers.push(process.epoch)
            return this.object ?? before
          })
        }
        return commit()
      },
    }
  }

  /** What the API server and its transition rule would say. */
  private refuse(before: Counter, next: StatusOf<Counting>): void {
    const stored = this.object
    const changed = stored?.metadata.resourceVersion !== before.metadata.resourceVersion
    if (stored === null || (changed && this.bug !== 'commitWithoutPrecondition')) throw refusal('Conflict')
    if (this.tooLarge) throw refusal('TooLarge')
    const old = stored.status?.lifecycle
    if (old === undefined) return
    const { life, seq, epoch, holder } = next.lifecycle
    const claimed = epoch > old.epoch || (epoch === old.epoch && holder === old.holder)
    if (!(life > old.life || (life === old.life && seq >= old.seq && claimed))) throw refusal('Invalid')
  }

  private asStored(status: StatusOf<Counting>): StatusOf<Counting> {
    if (this.bug !== 'noLife') return status
    return { ...status, lifecycle: { ...status.lifecycle, life: 1_700_000_000_000 } }
  }

  private store(process: Process): EventStore {
    return {
      append: (request) => {
        const answer = this.io(process, (): AppendResult => {
          if (this.storeAway) throw refusal('Unavailable')
          const last = this.last?.sequence ?? 0
          const stale = request.expectedLastSequence !== last && this.bug !== 'storeIgnoresExpectation'
          if (stale) return { ok: false, reason: 'WrongLastSequence', message: `last is ${last}` }
          return { ok: true, sequence: this.append(request.msgId, request.body), duplicate: false }
        })
        return answer.catch((error: Error) => ({ ok: false, reason: 'Unavailable', message: error.message }))
      },
      lastOf: () =>
        this.io(process, () => {
          if (this.storeAway) throw refusal('Unavailable')
          const { last } = this
          return last === undefined ? null : { streamSequence: last.sequence, id: last.id, time: last.data.time }
        }),
    }
  }

  private spills(process: Process): Spills {
    const same = (a: Spill, b: Spill): boolean =>
      a.uid === b.uid &&
      a.life === b.life &&
      a.entries[0]?.seq === b.entries[0]?.seq &&
      a.entries.at(-1)?.seq === b.entries.at(-1)?.seq
    return {
      write: (spill) =>
        this.io(process, () => {
          if (this.bug !== 'forgetSpill' && !this.spilled.some((one) => same(one, spill))) this.spilled.push(spill)
          this.mostSpilled = Math.max(this.mostSpilled, this.spilled.length)
        }),
      list: () => this.io(process, () => [...this.spilled]),
      remove: (spill) => this.io(process, () => void (this.spilled = this.spilled.filter((one) => !same(one, spill)))),
    }
  }

  private append(id: string, body: string): number {
    const sequence = (this.stream.at(-1)?.sequence ?? 0) + 1
    this.stream.push({ sequence, id, data: JSON.parse(body) as Told })
    return sequence
  }

  /** Runs when its turn comes, unless the process is dead by then. */
  private io<T>(process: Process, run: () => T, stale?: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      if (!process.alive) return
      const go = (fault: Fault): void => {
        if (fault === 'crashBefore') return this.crash(process)
        if (fault === 'requestLost') return reject(refusal('Unavailable'))
        try {
          const answer = fault === 'stale' && stale !== undefined ? stale() : run()
          if (fault === 'crashAfter') return this.crash(process)
          if (fault === 'answerLost') return reject(refusal('Unavailable'))
          resolve(answer)
        } catch (error) {
          reject(error as Error)
        }
      }
      this.pending.push({ process, go })
    })
  }
}

/** What an event tells, whatever its number. */
function wordsOf({ data, time }: OutboxEntry): string {
  return `${String(data['from'])}-${String(data['to'])} ${time}`
}

function passed(from: number, to: number): readonly EventBody[] {
  const steps = Array.from({ length: to - from }, (_, step) => ({ from: from + step, to: from + step + 1 }))
  return steps.length === 0
    ? [{ type: 'Counted', data: { from, to } }]
    : steps.map((data) => ({ type: 'Counted', data }))
}

/** An object nobody has looked at. */
export function aCounter(uid = 'uid-1'): Counter {
  return { metadata: { ...key, uid, resourceVersion: '1', generation: 1 }, spec: { wanted: 1 }, status: null }
}

function refusal(reason: string): Error {
  return Object.assign(new Error(reason), { reason })
}
