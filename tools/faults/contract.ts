import type { Entry, ReadBack } from '@slotkeeper/testing'

/** What is known of the faults of a run: when the first began (`performance.now()`), Infinity when there was none. */
export type FaultTime = { readonly firstAt: number }

/** What became of the writes of a run. */
export type Verdict = {
  readonly confirmed: number
  readonly acknowledged: number
  /** Calls that ended in an error or without an answer. */
  readonly failed: number
  /** Acknowledged writes that are not there. */
  readonly lost: number
  /** Longest time without an acknowledgement in any one shard, in milliseconds. */
  readonly gapMs: number
  /** What breaks the contract of writes, in words. Empty when it was kept. */
  readonly faults: readonly string[]
}

/** What may be lost: nothing at all, what no replica had (the contract for faults), or all of these lanes. */
export type Allowance = { readonly unconfirmed: boolean; readonly emptied: readonly number[] }

/**
 * Compares what was answered with what is there (DESIGN 1.3): no confirmed write is missing; an acknowledged one only
 * where a fault allows it, and never one that had gone before a confirmed one on the same primary; lists are in order,
 * and nothing stands there twice.
 */
export function judge(
  entries: readonly Entry[],
  found: ReadBack,
  allowance: Allowance,
  { firstAt }: FaultTime,
): Verdict {
  const written = entries.filter((one) => one.outcome !== 'failed')
  const present = found.lists.map((list) => new Set(list))
  const isThere = ({ kind, lane, value }: Entry): boolean =>
    kind === 'key' ? found.keys.has(value) : present[lane]?.has(value) === true
  const kept = written.filter(({ lane }) => !allowance.emptied.includes(lane))
  const missing = kept.filter((one) => !isThere(one))
  const confirmed = missing.filter((one) => one.outcome === 'confirmed')
  return {
    confirmed: written.filter((one) => one.outcome === 'confirmed').length,
    acknowledged: written.length,
    failed: entries.length - written.length,
    lost: missing.length,
    gapMs: longestGap(written),
    faults: [
      ...told('confirmed writes are missing', confirmed),
      ...(allowance.unconfirmed
        ? told(
            'acknowledged writes are missing though one behind them was confirmed',
            overtaken(missing, written, firstAt),
          )
        : told('acknowledged writes are missing, and nothing allowed it', missing)),
      ...listFaults(kept, found.lists),
    ],
  }
}

function told(what: string, entries: readonly Entry[]): readonly string[] {
  if (entries.length === 0) return []
  const some = entries.slice(0, 3).map(({ lane, value }) => `${value} (shard ${lane})`)
  return [`${entries.length} ${what}: ${some.join(', ')}${entries.length > 3 ? ', ...' : ''}`]
}

/**
 * Those that were answered before another was sent that a replica confirmed while nothing was broken yet: a replica has
 * the writes of its primary in their order.
 */
function overtaken(missing: readonly Entry[], written: readonly Entry[], firstAt: number): readonly Entry[] {
  return missing.filter((lost) =>
    written.some(
      (one) =>
        one.lane === lost.lane &&
        one.outcome === 'confirmed' &&
        one.answeredAt < firstAt &&
        lost.answeredAt < one.sentAt,
    ),
  )
}

function listFaults(written: readonly Entry[], lists: readonly (readonly string[])[]): readonly string[] {
  return lists.flatMap((list, lane) => {
    const sent = written.filter((one) => one.kind === 'item' && one.lane === lane).map(({ value }) => value)
    const known = new Set(sent)
    const stands = list.filter((value) => known.has(value))
    const there = new Set(stands)
    const wanted = sent.filter((value) => there.has(value))
    if (stands.length !== there.size)
      return [`shard ${lane}: ${stands.length - there.size} values of a list stand twice`]
    return stands.every((value, index) => value === wanted[index])
      ? []
      : [`shard ${lane}: the values of a list are not in the order in which they were written`]
  })
}

function longestGap(written: readonly Entry[]): number {
  const last = new Map<number, number>()
  let longest = 0
  for (const { lane, answeredAt } of written) {
    longest = Math.max(longest, answeredAt - (last.get(lane) ?? answeredAt))
    last.set(lane, answeredAt)
  }
  return longest
}

/**
 * When the second of two calls in a row failed in a lane, the unique keys alone: it was made after the first had failed,
 * and nothing was acknowledged in between. Undefined when that never was.
 */
export function secondFailureAt(entries: readonly Entry[], lane: number, from: number): number | undefined {
  let firstAt: number | undefined
  for (const one of entries) {
    if (one.lane !== lane || one.kind !== 'key' || one.answeredAt < from) continue
    if (one.outcome !== 'failed') firstAt = undefined
    else if (firstAt === undefined) firstAt = one.answeredAt
    else if (one.sentAt >= firstAt) return one.answeredAt
  }
  return undefined
}
