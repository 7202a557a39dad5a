/** Names an object of a controller's kind. A wake-up carries this and nothing else. */
export type Key = { readonly namespace: string; readonly name: string }

/** One act upon the world. With `opId`: goes out only after the intent of that id was committed. */
export type Command = { readonly type: string; readonly opId?: string }

/** What happened, before it is numbered and dated. */
export type EventBody = { readonly type: string; readonly data: Readonly<Record<string, unknown>> }

/** What is wrong, or otherwise worth acting upon, in words that conditions can carry. */
export type Finding = { readonly type: string; readonly about: string; readonly message: string }

/**
 * The runtime's own part of a status. `life` is drawn (Unix ms) when the part is created; `seq` counts the events of
 * that life without gaps; `published` is the last one known to be in the store; `epoch` and `holder` say who claimed
 * the object.
 */
export type Lifecycle = {
  readonly life: number
  readonly seq: number
  readonly published: number
  readonly epoch: number
  readonly holder: string
}

/** An event that was committed with the state it tells of and waits for the store. */
export type OutboxEntry = EventBody & {
  readonly seq: number
  readonly time: string
  readonly epoch: number
  readonly generation: number
  /** `<life>:<seq>`: what it was numbered in the life before, that had spilled it. */
  readonly was?: string
}

/** What every status holds for the runtime to check commands against. */
export type Remembered = {
  readonly state: string
  readonly operation?: { readonly id: string; readonly type: string; readonly target: string; readonly since: string }
}

/** A status as it is stored: the controller's part and the runtime's. */
export type StatusOf<S extends Remembered> = S & {
  readonly lifecycle: Lifecycle
  readonly outbox: readonly OutboxEntry[]
}

/** What the runtime needs to know of any object's metadata. */
export type Metadata = Key & {
  readonly uid: string
  readonly resourceVersion: string
  readonly generation: number
  /** RFC 3339. */
  readonly creationTimestamp?: string
  readonly deletionTimestamp?: string
  readonly finalizers?: readonly string[]
  readonly annotations?: Readonly<Record<string, string>>
}

/** An object of a controller's kind. `status` is null when it was never committed, or was erased. */
export type Obj<Spec, S extends Remembered> = {
  readonly metadata: Metadata
  readonly spec: Spec
  readonly status: StatusOf<S> | null
}

/** Everything a decision may depend on. `failures` are words for conditions, never evidence. */
export type Input<O, Observed> = {
  readonly object: O
  readonly observed: Observed
  /** Unix ms. Also the life that the commit draws when the object has none. */
  readonly now: number
  /** Of this process, since its last success. */
  readonly failures: readonly Failure[]
}

/** What a pass makes of its input. The runtime commits it, relays it and acts on it. */
export type Decision<S extends Remembered, C extends Command, E extends EventBody> = {
  /** Gravest first. */
  readonly findings: readonly Finding[]
  /** The whole next status but `lifecycle` and `outbox`, which are the runtime's. */
  readonly status: S
  /** Law: exactly `changes(object.status, status)`. */
  readonly events: readonly E[]
  /** In order, for all findings. */
  readonly commands: readonly C[]
  /** 50 .. 60_000. */
  readonly lookAgainInMs: number
}

/** What became of a command. The effect of an accepted one is recorded by the pass that sees it. */
export type Outcome =
  | { readonly result: 'accepted' }
  | { readonly result: 'later'; readonly inMs: number }
  | { readonly result: 'failed'; readonly reason: string; readonly message: string }

/** A command that failed `count` times in a row since `since` (Unix ms). */
export type Failure = {
  readonly command: Command
  readonly reason: string
  readonly message: string
  readonly count: number
  readonly since: number
}

/** Every I/O stops when the signal aborts and should not outlast the deadline (Unix ms). */
export type Io = { readonly signal: AbortSignal; readonly deadline: number }

/** What acting may use. */
export type ActIo = Io & {
  /**
   * Whether we may still act: the lease holds for 3 s more, and the process did not stand still during the pass (SAFETY 4).
   * It is asked before each command; what cannot be taken back asks again right before it is sent, when the other side
   * has answered. Where it says no, the outcome is `later`.
   */
  mayAct(): boolean
}

/** A controller of one kind: four functions and the questions the runtime may ask about them. */
export type Controller<Spec, S extends Remembered, Observed, C extends Command, E extends EventBody> = {
  readonly kind: { readonly group: string; readonly version: string; readonly plural: string }
  /** Calls `wake` whenever a key may need a look, until the signal aborts. */
  wakes(wake: (key: Key) => void, signal: AbortSignal): void
  /** The unreachable is a value. Throws only AbortError, or what the API server refused. */
  observe(object: Obj<Spec, S>, io: Io): Promise<Observed>
  /** Pure and synchronous. */
  decide(input: Input<Obj<Spec, S>, Observed>): Decision<S, C, E>
  /** Whether the state machine lets this command out in this state. */
  allows(state: S['state'], command: C): boolean
  /** Idempotent. */
  act(command: C, io: ActIo): Promise<Outcome>
  /**
   * Whether the object is let go by this command. What its outbox still holds is spilled before it: `WhenSpilled` waits
   * until that succeeds, `Anyway` does not.
   */
  ends?(command: C): 'No' | 'WhenSpilled' | 'Anyway'
}

/**
 * Reads and writes objects. `get` asks the API server itself, not a cache: a stale answer costs a pass one conflict,
 * but the relay also asks it whether a life is the latest. `commit` replaces the status under the precondition of `before.metadata.resourceVersion`
 * and removes the fields that `status` no longer has. It rejects with an error whose `reason` is `Conflict` when the
 * object is no longer what was read, whoever throws it.
 */
export type Objects<O> = {
  get(key: Key, io: Io): Promise<O | null>
  commit(before: O, status: object, io: Io): Promise<O>
}

/** Entries that an outbox had no room for: consecutive, of one life. */
export type Spill = {
  readonly key: Key
  readonly uid: string
  readonly life: number
  readonly entries: readonly OutboxEntry[]
}

/**
 * Where spills are kept until the store has what they hold. Each is written before the commit that takes its entries
 * out of the status, so that a crash between the two leaves both, and the relay skips by number. Writing one that is
 * there already changes nothing. `list` asks the API server itself: of one object, or of all.
 */
export type Spills = {
  write(spill: Spill, io: Io): Promise<void>
  list(key: Key | null, io: Io): Promise<readonly Spill[]>
  remove(spill: Spill, io: Io): Promise<void>
}

/**
 * Where the history already is though the status does not know it: the status was restored to an older one, so that its
 * numbers would be given a second time. Only a new life can speak.
 */
export type Overtaken = {
  /** The life that the history ends in. */
  readonly life: number
  /** The last event told of the object's own life; null where the history ends in another one. */
  readonly told: { readonly seq: number; readonly time: string } | null
  /** What was spilled of this life says so: the object itself may not show it any more. */
  readonly bySpills?: boolean
}

/** The right to act. `held(marginMs)` is true while at least that much of it is certain to remain. */
export type Lease = { readonly epoch: number; readonly holder: string; held(marginMs: number): boolean }

/** Moves outboxes to the store in a loop of its own; a pass never waits for it. */
export type Relay<O> = {
  /** Takes the newest committed form of an object. */
  offer(object: O): void
  /** Hears that what waits in the object's outbox was spilled, so that it clears away after itself. */
  spilled(object: O): void
  /** The last sequence of the object's life that the store acknowledged to this process; 0 when none. */
  published(object: O): number
  /** Whether the history is ahead of this form of the object, as far as this process has seen. */
  overtaken(object: O): Overtaken | null
}

/** Unix ms. */
export type Clock = { now(): number }

/** Calls `run` once after `ms`, unless the returned function is called before. */
export type Timers = { after(ms: number, run: () => void): () => void }

/** Everything a pass reaches out to. */
export type Ports<O> = {
  readonly objects: Objects<O>
  readonly lease: Lease
  readonly relay: Relay<O>
  readonly clock: Clock
  /** Absent: a full outbox withholds what needs room in it. */
  readonly spills?: Spills
}

/** One append to the event store, refused when the aggregate's last message is not the expected one. */
export type AppendRequest = {
  readonly subject: string
  readonly body: string
  readonly msgId: string
  readonly aggregate: string
  /** Stream sequence of the aggregate's last message; 0 when it has none. */
  readonly expectedLastSequence: number
}

/** What the store answered. `Unavailable` is worth another try; `Refused` and `TooOld` want a person. */
export type AppendResult =
  | { readonly ok: true; readonly sequence: number; readonly duplicate: boolean }
  | {
      readonly ok: false
      readonly reason: 'WrongLastSequence' | 'Unavailable' | 'TooOld' | 'Refused'
      readonly message: string
    }

/** The aggregate's last message, with the id `<uid>:<life>:<seq>` and the time of its entry. */
export type LastMessage = { readonly streamSequence: number; readonly id: string; readonly time: string }

/** The append-only history. `lastOf` gives null when the aggregate has no message. */
export type EventStore = {
  append(request: AppendRequest, io: Io): Promise<AppendResult>
  lastOf(aggregate: string, io: Io): Promise<LastMessage | null>
}

/** An outbox entry in the words of the store. The app makes it, so that the runtime knows no envelope. */
export type Message = {
  readonly subject: string
  readonly aggregate: string
  readonly body: string
  readonly msgId: string
}

/** The parts of an object that the relay and the outbox look at. */
export type Committed = {
  readonly metadata: Metadata
  readonly status: { readonly lifecycle: Lifecycle; readonly outbox: readonly OutboxEntry[] } | null
}
