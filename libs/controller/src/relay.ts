import type { Backoff } from './backoff.ts'
import type { Committed, Key, Overtaken, Relay, Spill } from './contract.ts'
import { messageOf, reasonOf } from './errors.ts'
import { lifecycleOf, waitingIn } from './outbox.ts'
import { asObject, type Life, publishLife, type PublishOptions, type Trouble } from './publish-life.ts'
import { nameOf } from './queue.ts'
import { isAhead, isSameLife } from './whose-turn.ts'

/** What a relay runs on. */
export type RelayOptions = PublishOptions & {
  /**
   * Asks for a pass that writes the status: once, `trimAfterMs` after the last acknowledgement, so that the outbox is
   * empty at rest; and at once for a life that was overtaken.
   */
  readonly trim: (object: Committed, publishedSeq: number) => void
  readonly trimAfterMs: number
  readonly backoff: Backoff
}

/** A relay, and what may be asked of it. */
export type RunningRelay = Relay<Committed> & {
  /** Takes what an earlier process has spilled: of objects that are gone nobody else will speak. */
  adopt(spills: readonly Spill[]): void
  /** Why this object's entries wait, or null. */
  trouble(object: Committed): Trouble | null
  /** Drops the memory of an object that is gone, once its entries are published. */
  forget(key: Key): void
  /** Objects with entries that the store has not acknowledged. */
  waiting(): number
  /** Resolves when nothing is under way; what failed waits for its timer and is not waited for. */
  settled(): Promise<void>
}

type Slot = {
  readonly key: Key
  /** Oldest first: what an erased status left waiting is published before the new life begins. */
  readonly lives: Life[]
  state: 'idle' | 'publishing' | 'waiting'
  trouble: Trouble | null
  gone: boolean
  /** How much of which life the trim is planned for that `cancelTrim` calls off. */
  trims: { readonly life: Life; readonly published: number } | null
  cancelTrim: () => void
}

/**
 * Makes a relay. Optimistic concurrency is what keeps the history exact: every append names the stream sequence it
 * follows, and after anything but an acknowledgement the end of the history is read again. So a lost acknowledgement
 * repeats nothing, two relays interleave harmlessly, and a store that is away only makes entries wait.
 */
export function createRelay(options: RelayOptions): RunningRelay {
  const slots = new Map<string, Slot>()
  const underWay = new Set<Promise<void>>()

  const start = (slot: Slot): void => {
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
      const overtaken = outcome === 'overtaken' ? slot.lives[0] : undefined
      if (overtaken !== undefined) return options.trim(overtaken.object, overtaken.published)
      if (slot.gone) slots.delete(nameOf(slot.key))
      else planTrim(options, slot)
      // An offer or a spill may have come between the last look at them and this line.
      if (waitsIn(slot) || slot.lives.some(({ spilled }) => spilled)) start(slot)
    })
    underWay.add(work)
  }

  return {
    offer: (object) => {
      if (lifecycleOf(object.status) === null) return
      start(take(slots, object))
    },
    adopt: (spills) => {
      for (const spill of joined(spills)) start(takeSpilled(slots, asObject(spill)))
    },
    spilled: (object) => start(takeSpilled(slots, object)),
    published: (object) => lifeOf(slots, object)?.published ?? 0,
    overtaken: (object) => overtakenOf(lifeOf(slots, object), object),
    trouble: (object) => slots.get(nameOf(object.metadata))?.trouble ?? null,
    forget: (key) => {
      const slot = slots.get(nameOf(key))
      if (slot === undefined) return
      slot.gone = true
      slot.cancelTrim()
      slot.trims = null
      if (slot.state === 'idle') slots.delete(nameOf(key))
    },
    waiting: () => [...slots.values()].filter(waitsIn).length,
    settled: async () => {
      while (underWay.size > 0) await Promise.all(underWay)
    },
  }
}

/** Keeps the newest form of each life; an older form, of a slower reader, changes nothing. */
function take(slots: Map<string, Slot>, object: Committed): Slot {
  const name = nameOf(object.metadata)
  const { namespace, name: own } = object.metadata
  const slot = slots.get(name) ?? newSlot({ namespace, name: own })
  slots.set(name, slot)
  slot.gone = false
  const { seq, published } = lifecycleOf(object.status) ?? { seq: 0, published: 0 }
  const life = slot.lives.find((known) => isSameLife(known.object, object))
  if (life === undefined) {
    slot.lives.push({ object, published, publishedAt: '', spilled: false, overtaken: null })
    return slot
  }
  if (seq >= (lifecycleOf(life.object.status)?.seq ?? 0)) life.object = object
  life.published = Math.max(life.published, published)
  return slot
}

function takeSpilled(slots: Map<string, Slot>, object: Committed): Slot {
  const slot = take(slots, object)
  for (const life of slot.lives.filter((one) => isSameLife(one.object, object))) life.spilled = true
  return slot
}

/** One spill a life, with all its entries in order. */
function joined(spills: readonly Spill[]): readonly Spill[] {
  const lives = Map.groupBy(spills, ({ key, uid, life }) => `${nameOf(key)}/${uid}/${life}`)
  return [...lives.values()]
    .flatMap((parts) => {
      const entries = parts.flatMap((part) => part.entries).toSorted((a, b) => a.seq - b.seq)
      return parts.slice(0, 1).map((part) => ({ ...part, entries }))
    })
    .toSorted((a, b) => a.life - b.life)
}

function newSlot(key: Key): Slot {
  return { key, lives: [], state: 'idle', trouble: null, gone: false, trims: null, cancelTrim: () => undefined }
}

function lifeOf(slots: ReadonlyMap<string, Slot>, object: Committed): Life | undefined {
  return slots.get(nameOf(object.metadata))?.lives.find((life) => isSameLife(life.object, object))
}

function waitsIn(slot: Slot): boolean {
  return slot.lives.some((life) => waitingIn(life.object.status, life.published).length > 0)
}

function planTrim(options: RelayOptions, slot: Slot): void {
  const life = slot.lives.at(-1)
  const published = life?.published ?? 0
  const isDue = life !== undefined && published > (lifecycleOf(life.object.status)?.published ?? 0)
  // Each pass offers what still lies in the outbox: that must not put off the trim of it.
  if (isDue && slot.trims?.life === life && slot.trims.published === published) return
  slot.cancelTrim()
  slot.trims = null
  if (!isDue) return
  slot.trims = { life, published }
  slot.cancelTrim = options.timers.after(options.trimAfterMs, () => {
    slot.trims = null
    options.trim(life.object, published)
  })
}

/** What was told of a life is never beyond what was committed, unless a status came back that was older. */
function overtakenOf(life: Life | undefined, object: Committed): Overtaken | null {
  const lifecycle = lifecycleOf(object.status)
  if (life === undefined || lifecycle === null) return null
  const told = { seq: life.published, time: life.publishedAt }
  if (isAhead(object, told)) return { life: lifecycle.life, told }
  // What the relay has seen it compared with its own look at the object: only a pass knows that its own is no older.
  const seen = life.overtaken
  if (seen === null || seen.told === null || seen.bySpills === true) return seen
  return isAhead(object, seen.told) ? seen : null
}

async function publishSlot(options: RelayOptions, slot: Slot): Promise<'idle' | 'retry' | 'overtaken'> {
  for (let life = slot.lives[0]; life !== undefined; life = slot.lives[0]) {
    try {
      const outcome = await publishLife(options, life)
      slot.trouble = typeof outcome === 'string' ? null : outcome
      if (slot.trouble !== null) return 'retry'
      if (outcome === 'overtaken') return outcome
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
