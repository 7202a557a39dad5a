import type { Key } from './contract.ts'
import { nameOf } from './queue.ts'
import { sameJson } from './same-json.ts'

/** A look that changed nothing puts off the next one by this part of the time since anything last changed... */
const PART = 1 / 30
/** ...and by no more than this. */
const MOST_MS = 5_000

/** Since when each key has been found as it is. */
export type Standstill = {
  /**
   * The least time until the next look, in ms: 0 after a change. So a trouble that has lasted for a minute is seen to
   * end at most 2 s late by the looks alone, and one of hours costs little; whatever wakes the key is not put off.
   *
   * @param found what the pass makes of the key, without words that differ from look to look
   * @param changed the pass has written
   */
  look(key: Key, found: object, changed: boolean, now: number): number
  forget(key: Key): void
}

/** Makes a memory in which everything is new. */
export function createStandstill(): Standstill {
  const kept = new Map<string, { readonly found: object; readonly since: number }>()
  return {
    look: (key, found, changed, now) => {
      const name = nameOf(key)
      const known = kept.get(name)
      if (known !== undefined && !changed && sameJson(known.found, found) && known.since <= now)
        return Math.min(MOST_MS, (now - known.since) * PART)
      kept.set(name, { found, since: now })
      return 0
    },
    forget: (key) => void kept.delete(nameOf(key)),
  }
}
