import type { Committed, Overtaken } from './contract.ts'
import { lifecycleOf, waitingIn } from './outbox.ts'
import type { EventId } from './parse-event-id.ts'

/** What a history ends in: an event of some life, null when its id is none of ours, and when that happened. */
export type End = { readonly id: EventId | null; readonly time: string }

/** The last event that is told of a life. */
export type Told = { readonly seq: number; readonly time: string }

/**
 * Whose turn it is to speak after the end of a history. `newer`: a newer life's, which also tells what this one has
 * spilled. `past`: the history has gone by this life, so that nothing of it can be told in order any more.
 */
export type Turn = 'ours' | 'newer' | 'past' | Overtaken

/** How to look further than the object that is at hand. */
export type Looks = {
  /** The object anew: after the history, so that whatever is published later fails our expected sequence. */
  readonly read: () => Promise<Committed | null>
  /** Whether something else than this was spilled of an object's life under the same number. */
  readonly isDenied: (object: Committed, told: Told) => Promise<boolean>
}

/**
 * Whose turn it is. A life that a newer one has followed must not speak, or the newer one would take its own events
 * for unpublished. The latest life is overtaken where the history has gone by it all the same.
 */
export async function whoseTurn(object: Committed, end: End, { read, isDenied }: Looks): Promise<Turn> {
  const told = toldOf(object, end)
  if (told !== null && !isAhead(object, told) && !(await isDenied(object, told))) return 'ours'
  const now = await read()
  if (now === null || lifecycleOf(now.status) === null) return told === null && hasGoneBy(end, object) ? 'past' : 'ours'
  if (!isSameLife(now, object)) return hasGoneBy(end, object) || toldOf(now, end) !== null ? 'past' : 'newer'
  if (told === null) return hasGoneBy(end, object) ? { life: lifeOf(end), told } : 'ours'
  if (isAhead(now, told)) return { life: lifeOf(end), told }
  // After the object: what it had told otherwise may have been spilled meanwhile.
  return (await isDenied(now, told)) ? { life: lifeOf(end), told, bySpills: true } : 'ours'
}

const lifeOf = ({ id }: End): number => id?.life ?? 0

/** Whether two forms of an object are of one life. */
export function isSameLife(a: Committed, b: Committed): boolean {
  return a.metadata.uid === b.metadata.uid && lifecycleOf(a.status)?.life === lifecycleOf(b.status)?.life
}

/** Whether the history of this life holds what the object never committed: it ends beyond it, or with another event. */
export function isAhead({ status }: Committed, told: Told): boolean {
  if (told.seq > (lifecycleOf(status)?.seq ?? 0)) return true
  return told.time !== '' && waitingIn(status, 0).some(({ seq, time }) => seq === told.seq && time !== told.time)
}

/** What is told last of this object's own life; null where the history ends in another one. */
export function toldOf(object: Committed, { id, time }: End): Overtaken['told'] {
  const own = id?.uid === object.metadata.uid && id.life === lifecycleOf(object.status)?.life
  return own ? { seq: id.seq, time } : null
}

function hasGoneBy(end: End, object: Committed): boolean {
  return lifeOf(end) >= (lifecycleOf(object.status)?.life ?? 0)
}
