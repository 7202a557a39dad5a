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
  Spill,
  Spills,
  StatusOf,
} from '../src/contract.ts'
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
  | 'forgetOutboxOnCommit'
  | 'forgetSpill'

type Pending = { readonly process: Process; readonly go: (fault: Fault) => void }
type Process = { readonly epoch: number; alive: boolean; readonly stop: AbortController }
type Timer = { readonly process: Process | null; readonly at: number; readonly run: () => void }
type Stored = { readonly sequence: number; readonly id: string; readonly data: { from: number; to: number } }

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
  readonly stream: Stored[] = []
  spilled: Spill[] = []
  /** Most spills that lay there at once. */
  mostSpilled = 0
  /** While true nothing can be appended, or looked up. */
  storeAway = false
  readonly reports: PassReport[] = []
  readonly acted: string[] = []
  pending: Pending[] = []
  timers: Timer[] = []
  processes: Process[] = []
  readonly bug: PlantedBug
  private version = 1

  constructor(bug: PlantedBug = 'none') {
    this.bug = bug
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
        // A small outbox, so that it overflows often, and small spills, so that it takes several.
        bounds: { entries: 1, bytes: 24 * 1024, spillBytes: 100 },
        toMessage: (object, entry) => ({
          subject: `redis.evt.counter.shop.orders.${entry.type}`,
          aggregate: 'redis.evt.counter.shop.orders.>',
          body: JSON.stringify(entry.data),
          msgId: `${object.metadata.uid}:${object.status?.lifecycle.life}:${entry.seq}`,
        }),
      },
      {
        lease: { epoch: process.epoch, holder: `p${process.epoch}`, held: () => true },
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
    this.now += 1
    if (this.object !== null) this.write({ ...this.object, status: null })
  }

  /** Deletes the object and creates another of the same name. */
  recreate(): void {
    this.now += 1
    this.write(aCounter(`uid-${this.version}`))
  }

  private write(object: Counter): void {
    this.versions.push(this.object)
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
        const next = status as StatusOf<Counting>
        const fresh = next.outbox.filter((entry) => entry.seq > (before.status?.lifecycle.seq ?? 0))
        const ids = fresh.map((entry) => `${before.metadata.uid}:${next.lifecycle.life}:${entry.seq}`)
        const publish = (): void => ids.forEach((id) => this.append(id, JSON.stringify({ from: 0, to: 0 })))
        const commit = async (): Promise<Counter> => {
          if (this.bug === 'publishBeforeCommit') await this.io(process, publish)
          return this.io(process, () => {
            this.refuse(before, next)
            const outbox = this.bug === 'forgetOutboxOnCommit' ? fresh : next.outbox
            this.write({ ...before, status: { ...next, outbox } })
            this.committed.push(...ids)
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
    if (stored === null || stored.metadata.resourceVersion !== before.metadata.resourceVersion)
      throw refusal('Conflict')
    const old = stored.status?.lifecycle
    if (old === undefined) return
    const { life, seq, epoch, holder } = next.lifecycle
    const claimed = epoch > old.epoch || (epoch === old.epoch && holder === old.holder)
    if (!(life > old.life || (life === old.life && seq >= old.seq && claimed))) throw refusal('Invalid')
  }

  private store(process: Process): EventStore {
    return {
      append: (request) => {
        const answer = this.io(process, (): AppendResult => {
          if (this.storeAway) throw refusal('Unavailable')
          const last = this.stream.at(-1)?.sequence ?? 0
          const stale = request.expectedLastSequence !== last && this.bug !== 'storeIgnoresExpectation'
          if (stale) return { ok: false, reason: 'WrongLastSequence', message: `last is ${last}` }
          return { ok: true, sequence: this.append(request.msgId, request.body), duplicate: false }
        })
        return answer.catch((error: Error) => ({ ok: false, reason: 'Unavailable', message: error.message }))
      },
      lastOf: () =>
        this.io(process, () => {
          if (this.storeAway) throw refusal('Unavailable')
          const last = this.stream.at(-1)
          return last === undefined ? null : { streamSequence: last.sequence, id: last.id }
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
    this.stream.push({ sequence, id, data: JSON.parse(body) as { from: number; to: number } })
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
