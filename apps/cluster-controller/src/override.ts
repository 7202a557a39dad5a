import { ANNOTATION } from '@slotkeeper/api'
import type { ClusterStatus } from '@slotkeeper/events'
import type { ClusterObject } from './cluster-object.ts'

/** What a person accepted, as the status is to remember it, and what is wrong with what was written. */
export type OverrideReading = { readonly override?: NonNullable<ClusterStatus['override']>; readonly problem?: string }

const MOST_AHEAD_MS = 60 * 60_000

/**
 * Reads the annotation by which a person gives up data: `<shards>@<RFC 3339 time, at most an hour ahead>`. It holds
 * once for each shard: what was used does not come back while the same text stands there.
 */
export function overrideOf(object: ClusterObject, started: readonly number[], now: number): OverrideReading {
  const before = object.status?.override
  const value = object.metadata.annotations?.[ANNOTATION.acceptDataLoss]?.trim() ?? ''
  if (value === '') return {}
  if (value === before?.value) {
    const over = now >= Date.parse(before.until)
    return { override: { ...before, shards: over ? [] : before.shards.filter((shard) => !started.includes(shard)) } }
  }
  const read = readOverride(value, object.spec.shards, now)
  // What can't be accepted ends what was accepted before: nobody wants that any more.
  if (typeof read !== 'string') return { override: { value, ...read } }
  return { problem: `the annotation ${ANNOTATION.acceptDataLoss} is not accepted: ${read}` }
}

function readOverride(
  value: string,
  count: number,
  now: number,
): { readonly shards: readonly number[]; readonly until: string } | string {
  const [list = '', until = '', ...more] = value.slice(0, 256).split('@')
  // The same words at every look: they stand in a condition.
  const example = 'write shards and a time at most an hour ahead, like 1,2@2026-01-31T12:00:00Z'
  const time = /^\d{4}-\d{2}-\d{2}T[\d:.]+(Z|[+-]\d{2}:\d{2})$/.test(until) ? Date.parse(until) : Number.NaN
  if (more.length > 0 || Number.isNaN(time)) return `it is not of the form <shards>@<time>: ${example}`
  const shards = list.split(',').map((part) => (/^ *\d{1,3} *$/.test(part) ? Number(part) : -1))
  if (shards.some((shard) => shard < 0 || shard >= count))
    return `${list.slice(0, 40)} are not shards between 0 and ${count - 1}: ${example}`
  if (time <= now) return `its time is over: ${example}`
  if (time > now + MOST_AHEAD_MS) return `its time is more than an hour ahead: ${example}`
  return { shards: [...new Set(shards)].toSorted((a, b) => a - b), until: new Date(time).toISOString() }
}

/** The shards that may start empty when all their data is gone: by the spec, or by a person's consent. */
export function mayStartEmpty(object: ClusterObject, consented: readonly number[]): readonly number[] {
  const { onDataLoss, storage, shards } = object.spec
  const kept = storage !== undefined && storage.persistence !== 'none'
  if ((onDataLoss ?? (kept ? 'Stall' : 'StartEmpty')) === 'StartEmpty')
    return Array.from({ length: shards }, (_, shard) => shard)
  return consented
}
