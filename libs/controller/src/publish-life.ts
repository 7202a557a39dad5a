import type { Committed, EventStore, Io, Key, Message, OutboxEntry, Spill, Spills } from './contract.ts'
import { lifecycleOf, waitingIn } from './outbox.ts'
import { type EventId, parseEventId } from './parse-event-id.ts'
import { type Limits, withDeadline } from './with-deadline.ts'

const storeMs = 5_000

/** Why entries of an object wait. Reasons are the store's, or those of whatever threw. */
export type Trouble = { readonly reason: string; readonly message: string }

/** One life of an object: its newest committed form, and how far the store is known to have it. */
export type Life = {
  object: Committed
  published: number
  /** Something of it lies in spills. */
  spilled: boolean
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

/** Appends what waits in one life, in order, one after the other; what was spilled of it in its place. */
export async function publishLife(options: PublishOptions, life: Life): Promise<'published' | 'superseded' | Trouble> {
  const first = waitingIn(life.object.status, life.published)[0]
  if (first === undefined) {
    await removeSpills(options, life)
    return 'published'
  }
  const { aggregate } = options.toMessage(life.object, first)
  const last = await withDeadline(options, storeMs, (io) => options.store.lastOf(aggregate, io))
  const end = last === null ? null : parseEventId(last.id)
  const writing: Writing = { options, life, expected: last?.streamSequence ?? 0 }
  if (end !== null && isOwnId(end, life)) life.published = Math.max(life.published, end.seq)
  else {
    const turn = last === null ? 'ours' : await turnOf(options, life.object, end)
    // What was spilled of it would stay for ever: the life that has spoken since does not look for it again.
    if (turn === 'past') for (const spill of await ownSpillsOf(options, life)) await removeSpill(options, spill)
    if (turn !== 'ours') return 'superseded'
    const trouble = await publishOlder(writing, end)
    if (trouble !== null) return trouble
  }
  for (;;) {
    // Looked up anew each time: a newer form may have been offered meanwhile.
    const entry = waitingIn(life.object.status, life.published)[0]
    if (entry === undefined) break
    const trouble = await publishGap(writing, entry.seq)
    if (trouble !== null) return trouble
    const refusal = await append(writing, life.object, entry)
    if (refusal !== null) return refusal
    life.published = entry.seq
  }
  await removeSpills(options, life)
  return 'published'
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
      life.published = entry.seq
    }
  }
  return null
}

/** Before a life begins to speak, what older ones of the same name have spilled is told to its end (SAFETY 8). */
async function publishOlder(writing: Writing, end: EventId | null): Promise<Trouble | null> {
  const { options, life } = writing
  const own = lifecycleOf(life.object.status)?.life ?? 0
  const older = (await spillsOf(options, life)).filter((one) => !isOfLife(one, life) && one.life < own)
  let told = end
  for (const spill of older) {
    // Spills may overlap, where a commit behind one was refused; and what the history is past can't be told in order.
    const late = told !== null && told.life > spill.life
    for (const entry of late ? [] : spill.entries) {
      if (told?.uid === spill.uid && told.life === spill.life && entry.seq <= told.seq) continue
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
  for (const spill of await ownSpillsOf(options, life))
    if ((spill.entries.at(-1)?.seq ?? 0) <= life.published) await removeSpill(options, spill)
  life.spilled = false
}

async function removeSpill(options: PublishOptions, spill: Spill): Promise<void> {
  await withDeadline(options, storeMs, async (io) => options.spills?.remove(spill, io))
}

function isOfLife(spill: Spill, { object }: Life): boolean {
  return spill.uid === object.metadata.uid && spill.life === lifecycleOf(object.status)?.life
}

function isOwnId(id: EventId, { object }: Life): boolean {
  return id.uid === object.metadata.uid && id.life === lifecycleOf(object.status)?.life
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

/**
 * Whose turn it is to speak where the history ends in another life than this one. A life that a newer one has followed
 * must not, or the newer one would take its own events for unpublished: it is `past` when the history has gone by it,
 * so that nothing of it can be told in order any more, and otherwise what it spilled is the `newer` one's to tell. The
 * read comes after the look at the history: whatever is published later fails our expected sequence.
 */
async function turnOf(
  options: PublishOptions,
  object: Committed,
  end: EventId | null,
): Promise<'ours' | 'newer' | 'past'> {
  const now = await withDeadline(options, storeMs, (io) => options.get(object.metadata, io))
  const own = lifecycleOf(object.status)?.life ?? 0
  const latest = now === null ? null : lifecycleOf(now.status)
  const goneBy = (end?.life ?? 0) >= own
  if (now === null || latest === null) return goneBy ? 'past' : 'ours'
  if (now.metadata.uid === object.metadata.uid && latest.life === own) return 'ours'
  const newerHasSpoken = end?.uid === now.metadata.uid && end.life === latest.life
  return goneBy || newerHasSpoken ? 'past' : 'newer'
}
