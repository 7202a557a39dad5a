import type { Command, Failure, Key } from './contract.ts'
import { nameOf } from './queue.ts'
import { sameJson } from './same-json.ts'

/** What went wrong, to be counted. */
export type Setback = { readonly command: Command; readonly reason: string; readonly message: string }

/** The failures of this process, per key, since the key's last success. */
export type Failures = {
  of(key: Key): readonly Failure[]
  add(key: Key, setback: Setback, now: number): void
  clear(key: Key): void
}

/** Makes an empty memory of failures. The same command failing again, for whatever reason, is counted on. */
export function createFailures(): Failures {
  const kept = new Map<string, readonly Failure[]>()
  const of = (key: Key): readonly Failure[] => kept.get(nameOf(key)) ?? []
  return {
    of,
    add: (key, setback, now) => {
      const known = of(key)
      const earlier = known.find((failure) => sameJson(failure.command, setback.command))
      const others = known.filter((failure) => failure !== earlier)
      kept.set(nameOf(key), [...others, { ...setback, count: (earlier?.count ?? 0) + 1, since: earlier?.since ?? now }])
    },
    clear: (key) => void kept.delete(nameOf(key)),
  }
}
