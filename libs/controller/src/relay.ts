import type { Backoff } from './backoff.ts'
import type { Clock, Committed, EventStore, Io, Key, Message, OutboxEntry, Relay, Timers } from './contract.ts'
import { messageOf, reasonOf } from './errors.ts'
import { lifecycleOf, waitingIn } from './outbox.ts'
import { parseEventId } from './parse-event-id.ts'
import { nameOf } from './queue.ts'
import { withDeadline } from './with-deadline.ts'

const storeMs = 5_000

/** Why entries of an object wait. Reasons are the store's, or those of whatever threw. */
export type Trouble = { readonly reason: string; readonly message: string }

/** What a relay runs on. */
export type RelayOptions<O extends Committed> = {
  readonly store: EventStore
  readonly toMessage: (object: O, entry: OutboxEntry) => Message
  /** Reads the object anew; asked only when the history ends in another life. */
  readonly get: (key: Key, io: Io) => Promise<Committed | null>
  /** Called once, `trimAfterMs` after the last acknowledgement, so that the outbox is empty at rest. */
  readonly trim: (object: O, publishedSeq: number) => void
  readonly trimAfterMs: number
  readonly clock: Clock
  readonly timers: Timers
  readonly backoff: Backoff
  readonly signal: AbortSignal
}

/** A relay, and what may be asked of it. */
export type RunningRelay<O extends Committed> = Relay<O> & {
  /** Why this object's entries wait, or null. */
  trouble(object: O): Trouble | null
  /** Drops the memory of an object that is gone, once its entries are published. */
  forget(key: Key): void
  /** Objects with entries that the store has not acknowledged. */
  waiting(): number
  /** Resolves when nothing is under way; what failed waits for its timer and is not waited for. */
  settled(): Promise<void>
}

type Life<O> = { object: O; published: number }
type Slot<O> = {
  readonly key: Key
  /** Oldest first: what an erased status left waiting is published before the new life begins. */
  readonly lives: Life<O>[]
  state: 'idle' | 'publishing' | 'waiting'
  trouble: Trouble | null
  gone: boolean
  cancelTrim: () => void
}

/**
 * Makes a relay. Optimistic concurrency is what keeps the history exact: every append names the stream sequence it
 * follows, and after anything but an acknowledgement the end of the history is read again. So a lost acknowledgement
 * repeats nothing, two relays interleave harmlessly, and a store that is away only makes entries wait.
 */
export function createRelay<O extends Committed>(options: RelayOptions<O>): RunningRelay<O> {
  const slots = new Map<string, Slot<O>>()
  const underWay = new Set<Promise<void>>()

  const start = (slot: Slot<O>): void => {
    if (slot.state !== 'idle' || options.signal.aborted) return
    slot.state = 'publishing'
    const work = publishSlot(options, slot).then((outcome) => {
      underWay.delete(work)
      slot.state = outcome === 'retry' ? 'waiting' : 'idle'
      if (outcome === 'retry') {
        options.timers.after(options.backoff.next(slot.key), () => {
          slot.state = 'idle'
          start(slot)
        })
        return
      }
      options.backoff.reset(slot.key)
      if (slot.gone) slots.delete(nameOf(slot.key))
      else planTrim(options, slot)
      // An offer may have come between the last look at the outbox and this line.
      if (waitsIn(slot)) start(slot)
    })
    underWay.add(work)
  }

  return {
    offer: (object) => {
      if (lifecycleOf(object.status) === null) return
      start(take(slots, object))
    },
    published: (object) => lifeOf(slots, object)?.published ?? 0,
    trouble: (object) => slots.get(nameOf(object.metadata))?.trouble ?? null,
    forget: (key) => {
      const slot = slots.get(nameOf(key))
      if (slot === undefined) return
      slot.gone = true
      slot.cancelTrim()
      if (slot.state === 'idle') slots.delete(nameOf(key))
    },
    waiting: () => [...slots.values()].filter(waitsIn).length,
    settled: async () => {
      while (underWay.size > 0) await Promise.all(underWay)
    },
  }
}

/** Keeps the newest form of each life; an older form, of a slower reader, changes nothing. */
function take<O extends Committed>(slots: Map<string, Slot<O>>, object: O): Slot<O> {
  const name = nameOf(object.metadata)
  const { namespace, name: own } = object.metadata
  const slot = slots.get(name) ?? newSlot<O>({ namespace, name: own })
  slots.set(name, slot)
  slot.gone = false
  const { seq, published } = lifecycleOf(object.status) ?? { seq: 0, published: 0 }
  const life = slot.lives.find((known) => isSameLife(known.object, object))
  if (life === undefined) {
    slot.lives.push({ object, published })
    return slot
  }
  if (seq >= (lifecycleOf(life.object.status)?.seq ?? 0)) life.object = object
  life.published = Math.max(life.published, published)
  return slot
}

function newSlot<O>(key: Key): Slot<O> {
  return { key, lives: [], state: 'idle', trouble: null, gone: false, cancelTrim: () => undefined }
}

function lifeOf<O extends Committed>(slots: ReadonlyMap<string, Slot<O>>, object: O): Life<O> | undefined {
  return slots.get(nameOf(object.metadata))?.lives.find((life) => isSameLife(life.object, object))
}

function isSameLife(a: Committed, b: Committed): boolean {
  return a.metadata.uid === b.metadata.uid && lifecycleOf(a.status)?.life === lifecycleOf(b.status)?.life
}

function waitsIn<O extends Committed>(slot: Slot<O>): boolean {
  return slot.lives.some((life) => waitingIn(life.object.status, life.published).length > 0)
}

function planTrim<O extends Committed>(options: RelayOptions<O>, slot: Slot<O>): void {
  slot.cancelTrim()
  const life = slot.lives.at(-1)
  if (life === undefined || life.published <= (lifecycleOf(life.object.status)?.published ?? 0)) return
  slot.cancelTrim = options.timers.after(options.trimAfterMs, () => options.trim(life.object, life.published))
}

async function publishSlot<O extends Committed>(options: RelayOptions<O>, slot: Slot<O>): Promise<'idle' | 'retry'> {
  for (let life = slot.lives[0]; life !== undefined; life = slot.lives[0]) {
    try {
      const outcome = await publishLife(options, life)
      slot.trouble = typeof outcome === 'string' ? null : outcome
      if (slot.trouble !== null) return 'retry'
      if (outcome === 'published' && slot.lives.length === 1) return 'idle'
      slot.lives.shift()
    } catch (error) {
      slot.trouble = troubleOf(error)
      return 'retry'
    }
  }
  return 'idle'
}

/** What throws without a reason of its own is either out of time, or an entry that cannot be put into words. */
function troubleOf(error: unknown): Trouble {
  const reason = reasonOf(error)
  const outOfTime = error instanceof DOMException && (error.name === 'TimeoutError' || error.name === 'AbortError')
  const fallback = outOfTime ? 'Unavailable' : 'Refused'
  return { reason: reason === 'PassFailed' ? fallback : reason, message: messageOf(error) }
}

/** Appends what waits in one life, in order, one after the other. */
async function publishLife<O extends Committed>(
  options: RelayOptions<O>,
  life: Life<O>,
): Promise<'published' | 'superseded' | Trouble> {
  const first = waitingIn(life.object.status, life.published)[0]
  if (first === undefined) return 'published'
  const { aggregate } = options.toMessage(life.object, first)
  const last = await withDeadline(options, storeMs, (io) => options.store.lastOf(aggregate, io))
  if (last !== null && !(await mayFollow(options, life, last.id))) return 'superseded'

  let expectedLastSequence = last?.streamSequence ?? 0
  for (;;) {
    // Looked up anew each time: a newer form may have been offered meanwhile.
    const entry = waitingIn(life.object.status, life.published)[0]
    if (entry === undefined) return 'published'
    const request = { ...options.toMessage(life.object, entry), expectedLastSequence }
    const result = await withDeadline(options, storeMs, (io) => options.store.append(request, io))
    if (!result.ok) return { reason: result.reason, message: result.message }
    expectedLastSequence = result.sequence
    life.published = entry.seq
  }
}

/** Learns from the history's last id how far this life is published, and whether it may still be added to. */
async function mayFollow<O extends Committed>(
  options: RelayOptions<O>,
  life: Life<O>,
  lastId: string,
): Promise<boolean> {
  const end = parseEventId(lastId)
  const own = lifecycleOf(life.object.status)?.life
  if (end?.uid !== life.object.metadata.uid || end.life !== own)
    return isLatestLife(options, life.object, end?.life ?? 0)
  life.published = Math.max(life.published, end.seq)
  return true
}

/**
 * Whether this life may still speak where the history ends in another one. A life that a newer one has followed
 * must not, or the newer one would take its own events for unpublished. The read comes after the look at the
 * history: whatever is published later fails our expected sequence.
 */
async function isLatestLife<O extends Committed>(
  options: RelayOptions<O>,
  object: O,
  endLife: number,
): Promise<boolean> {
  const now = await withDeadline(options, storeMs, (io) => options.get(object.metadata, io))
  const own = lifecycleOf(object.status)?.life ?? 0
  const lifecycle = now === null ? null : lifecycleOf(now.status)
  if (now === null || lifecycle === null) return endLife < own
  return now.metadata.uid === object.metadata.uid && lifecycle.life === own
}
