import type { Committed } from './contract.ts'

/** For so long the last events may leave by themselves; then they are spilled. */
const LAST_EVENTS_MS = 2_000

/**
 * Whether the finalizer of an object that is being deleted may go: when all is told, and what is told is on its way or
 * spilled. Nothing holds it up beyond `patienceMs`.
 *
 * @param isTold whether the last event was committed
 * @param now Unix ms
 */
export function lettingGo(
  { metadata, status }: Committed,
  { isTold, now, patienceMs }: { readonly isTold: boolean; readonly now: number; readonly patienceMs: number },
): 'No' | 'WhenSpilled' | 'Anyway' {
  const waitedMs = now - Date.parse(metadata.deletionTimestamp ?? '')
  if (waitedMs > patienceMs) return 'Anyway'
  const isReady = (status?.outbox.length ?? 0) === 0 || waitedMs > LAST_EVENTS_MS
  return isTold && isReady ? 'WhenSpilled' : 'No'
}
