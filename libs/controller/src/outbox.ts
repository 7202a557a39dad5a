import type { Committed, EventBody, Lifecycle, OutboxEntry } from './contract.ts'
import { sameJson } from './same-json.ts'

/** Bounds of what one object may carry, so that it stays small in etcd; a ConfigMap of spilled entries may be larger. */
export const outboxBounds = { entries: 32, bytes: 24 * 1024, dataBytes: 640, spillBytes: 256 * 1024 } as const

/**
 * The events of one decision become true together with its state, in one write: they are taken whole beyond the bounds
 * of what collects. This is below what etcd takes (1.5 MiB), and above the events of the largest cluster.
 */
const decisionBytes = 768 * 1024

/** The most that an outbox collects, and that one spill holds. */
export type OutboxBounds = { readonly entries: number; readonly bytes: number; readonly spillBytes: number }

/** The runtime's part of a status: what it numbers and what still waits for the store. */
export type RuntimeStatus = { readonly lifecycle: Lifecycle; readonly outbox: readonly OutboxEntry[] }

/** Who writes, when, and what the store is known to hold. */
export type Writing = {
  /** Unix ms. */
  readonly now: number
  readonly epoch: number
  readonly holder: string
  readonly generation: number
  /** Last sequence of the object's life that the store acknowledged; 0 when none. */
  readonly published: number
  /** What waited was spilled: it leaves the outbox. */
  readonly spilled?: boolean
  readonly bounds?: OutboxBounds
}

/** The next runtime part, or the news that the outbox has no room until the store has taken some of it. */
export type NextRuntimeStatus = { readonly full: false; readonly status: RuntimeStatus } | { readonly full: true }

/**
 * Numbers and dates the events and appends them to what still waits. Draws a life when there is none. A time never
 * goes back before the time of an earlier entry that still waits. One decision always fits into an empty outbox:
 * past the bounds its events lose their details, never their types.
 */
export function nextRuntimeStatus(
  before: Committed['status'],
  events: readonly EventBody[],
  writing: Writing,
): NextRuntimeStatus {
  const lifecycle = lifecycleOf(before) ?? { life: writing.now, seq: 0, published: 0 }
  const published = Math.max(lifecycle.published, Math.min(writing.published, lifecycle.seq))
  const waiting = waitingIn(before, published)
  const notBefore = Math.max(writing.now, lifecycle.life, ...waiting.map((entry) => Date.parse(entry.time)))
  const time = new Date(notBefore).toISOString()
  const added = events.map((event, index) => ({
    seq: lifecycle.seq + index + 1,
    time,
    epoch: writing.epoch,
    generation: writing.generation,
    type: event.type,
    data: fittingData(event.data),
  }))
  const outbox = withinBounds(writing.spilled === true ? [] : waiting, added, writing.bounds ?? outboxBounds)
  if (outbox === null) return { full: true }
  const { epoch, holder } = writing
  return {
    full: false,
    status: {
      lifecycle: { life: lifecycle.life, seq: lifecycle.seq + added.length, published, epoch, holder },
      outbox,
    },
  }
}

/** The entries that the store is not known to hold. */
export function waitingIn(status: Committed['status'], published: number): readonly OutboxEntry[] {
  return (status?.outbox ?? []).filter((entry) => entry.seq > published)
}

/** Entries in their order, in pieces that a spill can hold each. */
export function inSpills(
  entries: readonly OutboxEntry[],
  { spillBytes }: Pick<OutboxBounds, 'spillBytes'> = outboxBounds,
): readonly (readonly OutboxEntry[])[] {
  const pieces: OutboxEntry[][] = []
  let left = 0
  for (const entry of entries) {
    const bytes = byteLength(entry)
    if (pieces.length === 0 || bytes > left) {
      pieces.push([])
      left = spillBytes
    }
    pieces.at(-1)?.push(entry)
    left -= bytes
  }
  return pieces
}

/** The stored lifecycle, or null where a status was erased or never written by us. */
export function lifecycleOf(status: Committed['status']): Lifecycle | null {
  return status?.lifecycle ?? null
}

/** Whether two statuses say the same, the runtime's own part aside. */
export function sameStatus(before: object | null, after: object): boolean {
  return before !== null && sameJson(withoutRuntime(before), withoutRuntime(after))
}

function withoutRuntime(status: object): object {
  return { ...status, lifecycle: undefined, outbox: undefined }
}

function withinBounds(
  waiting: readonly OutboxEntry[],
  added: readonly OutboxEntry[],
  bounds: OutboxBounds,
): readonly OutboxEntry[] | null {
  const outbox = [...waiting, ...added]
  const fits = outbox.length <= bounds.entries && byteLength(outbox) <= bounds.bytes
  if (fits || added.length === 0) return outbox
  if (waiting.length > 0) return null
  return fittingOneWrite(added)
}

/** Entries as one write can hold them: what is too much loses its details, never its type. */
export function fittingOneWrite(entries: readonly OutboxEntry[]): readonly OutboxEntry[] {
  return byteLength(entries) <= decisionBytes ? entries : entries.map(withoutDetails)
}

function withoutDetails(entry: OutboxEntry): OutboxEntry {
  const message = entry.data['message']
  return { ...entry, data: typeof message === 'string' ? { message: message.slice(0, 80) } : {} }
}

/** Cuts the largest lists and texts until the data fits; what cannot be cut goes. */
function fittingData(data: EventBody['data']): EventBody['data'] {
  let fitted = data
  while (byteLength(fitted) > outboxBounds.dataBytes) {
    const [name, value] = largestField(fitted)
    const { [name]: _cut, ...rest } = fitted
    const cut = cutInHalf(value)
    fitted = cut === null ? rest : { ...rest, [name]: cut }
  }
  return fitted
}

function largestField(data: EventBody['data']): readonly [string, unknown] {
  return Object.entries(data).reduce((largest, field) => (byteLength(field) > byteLength(largest) ? field : largest))
}

function cutInHalf(value: unknown): unknown {
  if (Array.isArray(value) && value.length > 1) return value.slice(0, Math.ceil(value.length / 2))
  if (typeof value === 'string' && value.length > 40) return `${value.slice(0, Math.floor(value.length / 2))}…`
  return null
}

function byteLength(value: unknown): number {
  return new TextEncoder().encode(JSON.stringify(value) ?? '').length
}
