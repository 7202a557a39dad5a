import type { Committed, EventStore, Io, Key, Message, OutboxEntry, Overtaken } from './contract.ts'
import type { Spill, Spills } from './contract.ts'
import { lifecycleOf, waitingIn } from './outbox.ts'
import { type EventId, parseEventId } from './parse-event-id.ts'
import { type End, isAhead, type Told, toldOf, whoseTurn } from './whose-turn.ts'
import { type Limits, withDeadline } from './with-deadline.ts'

const storeMs = 5_000

/** Why entries of an object wait. Reasons are the store's, or those of whatever threw. */
export type Trouble = { readonly reason: string; readonly message: string }

/** One life of an object: its newest committed form, and how far the store is known to have it. */
export type Life = {
  object: Committed
  published: number
  /** The time of the last entry that the store is known to have. */
  publishedAt: string
  /** Something of it lies in spills. */
  spilled: boolean
  overtaken: Overtaken | null
}

/** What publishing reaches out to. */
export type PublishOptions = Limits & {
  readonly store: EventStore
  readonly toMessage: (object: Committed, entry: OutboxEntry) => Message
  /** Reads the object anew; asked only when the history ends in another life. */
  readonly get: (key: Key, io: Io) => Promise<Committed | null>
  readonly spills?: Spills
  /** Told of each entry that the store acknowledged to us. */
  readonly acknowledged?: (entry: OutboxEntry) => void
}

/** How publishing a life ended. `superseded`: a newer one speaks. `overtaken`: it must become another life first. */
export type Published = 'published' | 'superseded' | 'overtaken' | Trouble

/** Appends what waits in one life, in order, one after the other; what was spilled of it in its place. */
export async function publishLife(options: PublishOptions, life: Life): Promise<Published> {
  const first = waitingIn(life.object.status, life.published)[0]
  if (first === undefined) {
    await removeSpills(options, life)
    return 'published'
  }
  const { aggregate } = options.toMessage(life.object, first)
  const last = await withDeadline(options, storeMs, (io) => options.store.lastOf(aggregate, io))
  const writing: Writing = { options, life, expected: last?.streamSequence ?? 0 }
  return (
    (await begin(writing, last === null ? null : { id: parseEventId(last.id), time: last.time })) ??
    (await publishWaiting(writing))
  )
}

/** Goes to where this life may speak; gives why it may not, or null. */
async function begin(writing: Writing, end: End | null): Promise<Published | null> {
  const { options, life } = writing
  if (end === null) return publishOlder(writing, null)
  const { metadata } = life.object
  const read = (): Promise<Committed | null> => withDeadline(options, storeMs, (io) => options.get(metadata, io))
  const isDenied = (object: Committed, told: Told): Promise<boolean> => isDeniedBySpills(writing, object, told)
  const turn = await whoseTurn(life.object, end, { read, isDenied })
  // What was spilled of it would stay for ever: the life that has spoken since does not look for it again. The last first:
  // what a crash leaves must still show that the history has gone by it.
  if (turn === 'past')
    for (const spill of (await ownSpillsOf(options, life)).toReversed()) await removeSpill(options, spill)
  if (turn === 'past' || turn === 'newer') return 'superseded'
  if (turn !== 'ours') {
    life.overtaken = turn
    return 'overtaken'
  }
  const told = toldOf(life.object, end)
  if (told === null) return publishOlder(writing, end.id)
  acknowledge(life, told.seq, told.time)
  return null
}

/** A status that was restored may have counted on from there, and spilled what it counted: it is not what was told. */
async function isDeniedBySpills({ options, life }: Writing, object: Committed, told: Told): Promise<boolean> {
  // What this process has published itself it knows; and what still waits was compared in the object.
  if (told.seq <= life.published || waitingIn(object.status, 0).some(({ seq }) => seq === told.seq)) return false
  const spills = await ownSpillsOf(options, life)
  return spills.some((spill) => spill.entries.some(({ seq, time }) => seq === told.seq && time !== told.time))
}

async function publishWaiting(writing: Writing): Promise<Published> {
  const { options, life } = writing
  for (;;) {
    // Looked up anew each time: a newer form may have been offered meanwhile.
    const entry = waitingIn(life.object.status, life.published)[0]
    if (entry === undefined) break
    // What was told by an earlier form of this life, before the status was restored.
    const told = { seq: life.published, time: life.publishedAt }
    if (isAhead(life.object, told)) {
      life.overtaken = { life: lifecycleOf(life.object.status)?.life ?? 0, told }
      return 'overtaken'
    }
    const trouble = await publishGap(writing, entry.seq)
    if (trouble !== null) return trouble
    const refusal = await append(writing, life.object, entry)
    if (refusal !== null) return refusal
    acknowledge(life, entry.seq, entry.time)
  }
  await removeSpills(options, life)
  return 'published'
}

function acknowledge(life: Life, seq: number, time: string): void {
  if (seq <= life.published) return
  life.published = seq
  life.publishedAt = time
}

type Writing = { readonly options: PublishOptions; readonly life: Life; expected: number }

async function append(writing: Writing, object: Committed, entry: OutboxEntry): Promise<Trouble | null> {
  const { options } = writing
  const request = { ...options.toMessage(object, entry), expectedLastSequence: writing.expected }
  const result = await withDeadline(options, storeMs, (io) => options.store.append(request, io))
  if (!result.ok) return { reason: result.reason, message: result.message }
  writing.expected = result.sequence
  options.acknowledged?.(entry)
  return null
}

/** What lies between the last published entry and this one was spilled. */
async function publishGap(writing: Writing, before: number): Promise<Trouble | null> {
  const { options, life } = writing
  if (before <= life.published + 1) return null
  life.spilled = true
  for (const spill of await ownSpillsOf(options, life)) {
    for (const entry of spill.entries.filter(({ seq }) => seq > life.published && seq < before)) {
      const trouble = await append(writing, life.object, entry)
      if (trouble !== null) return trouble
      acknowledge(life, entry.seq, entry.time)
    }
  }
  return null
}

/** Before a life begins to speak, what older ones of the same name have spilled is told to its end (SAFETY 8). */
async function publishOlder(writing: Writing, end: EventId | null): Promise<Trouble | null> {
  const { options, life } = writing
  const own = lifecycleOf(life.object.status)?.life ?? 0
  const all = await spillsOf(options, life)
  const older = all.filter((one) => !isOfLife(one, life) && one.life < own)
  if (older.length === 0) return null
  // A life that began since the history had gone by the one before has taken over what that one had spilled.
  const ownSpilled = all.filter((one) => isOfLife(one, life)).flatMap(({ entries }) => entries)
  const retold = new Set([...ownSpilled, ...waitingIn(life.object.status, 0)].map(({ was }) => was))
  let told = end
  for (const spill of older) {
    // Spills may overlap, where a commit behind one was refused; and what the history is past can't be told in order.
    const late = told !== null && told.life > spill.life
    for (const entry of late ? [] : spill.entries) {
      if (told?.uid === spill.uid && told.life === spill.life && entry.seq <= told.seq) continue
      if (retold.has(`${spill.life}:${entry.seq}`)) continue
      const trouble = await append(writing, asObject(spill), entry)
      if (trouble !== null) return trouble
      told = { uid: spill.uid, life: spill.life, seq: entry.seq }
    }
    await removeSpill(options, spill)
  }
  return null
}

/** The spills of an object's name, in the order of their events. */
async function spillsOf(options: PublishOptions, life: Life): Promise<readonly Spill[]> {
  const { spills } = options
  if (spills === undefined) return []
  const { namespace, name } = life.object.metadata
  return inOrder(await withDeadline(options, storeMs, (io) => spills.list({ namespace, name }, io)))
}

async function ownSpillsOf(options: PublishOptions, life: Life): Promise<readonly Spill[]> {
  return (await spillsOf(options, life)).filter((one) => isOfLife(one, life))
}

function inOrder(spills: readonly Spill[]): readonly Spill[] {
  return spills.toSorted((a, b) => a.life - b.life || (a.entries[0]?.seq ?? 0) - (b.entries[0]?.seq ?? 0))
}

async function removeSpills(options: PublishOptions, life: Life): Promise<void> {
  if (!life.spilled) return
  // First, since a pass may spill more of it while this waits.
  life.spilled = false
  try {
    for (const spill of await ownSpillsOf(options, life))
      if ((spill.entries.at(-1)?.seq ?? 0) <= life.published) await removeSpill(options, spill)
  } catch (error) {
    life.spilled = true
    throw error
  }
}

async function removeSpill(options: PublishOptions, spill: Spill): Promise<void> {
  await withDeadline(options, storeMs, async (io) => options.spills?.remove(spill, io))
}

function isOfLife(spill: Spill, { object }: Life): boolean {
  return spill.uid === object.metadata.uid && spill.life === lifecycleOf(object.status)?.life
}

/** A spill in the form of the object that it came from, which may be gone. */
export function asObject({ key, uid, life, entries }: Spill): Committed {
  const [first, last] = [entries[0], entries.at(-1)]
  const lifecycle = {
    life,
    seq: last?.seq ?? 0,
    published: (first?.seq ?? 1) - 1,
    epoch: first?.epoch ?? 0,
    holder: '',
  }
  return {
    metadata: { ...key, uid, resourceVersion: '', generation: first?.generation ?? 0 },
    status: { lifecycle, outbox: entries },
  }
}
