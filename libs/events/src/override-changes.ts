import type { ClusterEvent } from './cluster-events.ts'
import type { Step } from './change-context.ts'

const none: { readonly shards: readonly number[]; readonly until: string } = { shards: [], until: '' }

/** OverrideExpired of the shards that a consent no longer covers, then OverrideAccepted of a new or other consent. */
export const overrideChanges = ({ so, after, context }: Step): readonly ClusterEvent[] => {
  const before = so.override ?? none
  const next = after.override ?? none
  const other = next.until !== before.until
  const ended = before.shards.filter((shard) => other || !next.shards.includes(shard))
  const begun = next.shards.some((shard) => other || !before.shards.includes(shard))
  const used = ended.filter((shard) => context.overrideUsed?.includes(shard) === true)
  const rest = ended.filter((shard) => !used.includes(shard))
  const late = context.now >= Date.parse(before.until)
  return [
    ...expired(used, before.until, 'Used', 'it has done so'),
    ...expired(rest, before.until, late ? 'TimedOut' : 'Withdrawn', late ? 'the time is over' : 'it was withdrawn'),
    ...(begun
      ? [
          {
            type: 'OverrideAccepted' as const,
            data: {
              shards: [...next.shards],
              until: next.until,
              message: `Until ${next.until} ${named(next.shards)} may start empty`,
            },
          },
        ]
      : []),
  ]
}

const expired = (
  shards: readonly number[],
  until: string,
  why: 'Used' | 'TimedOut' | 'Withdrawn',
  words: string,
): readonly ClusterEvent[] =>
  shards.length === 0
    ? []
    : [
        {
          type: 'OverrideExpired',
          data: { shards: [...shards], until, why, message: `${named(shards)} may no longer start empty: ${words}` },
        },
      ]

const named = (shards: readonly number[]): string => `${shards.length === 1 ? 'shard' : 'shards'} ${shards.join(', ')}`
