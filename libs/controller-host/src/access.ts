import type { EventKind } from '@slotkeeper/events'
import type { Logger, Metrics } from '@slotkeeper/observability'

/** Hears whether the objects of a kind may be read in a namespace; an empty one is all of them. */
export type TellAccess = (kind: EventKind, namespace: string, allowed: boolean) => void

/** What is done about a namespace that may not be read, in the words of logs. */
export const leftAlone = (kind: EventKind): string => `this namespace may not be read: its ${kind}s are left alone`

/** What may not be read is no reason to leave the rest alone, nor to be restarted: it is told in log and metrics. */
export function createAccess({ log, metrics }: { readonly log: Logger; readonly metrics: Metrics }): TellAccess {
  const unreadable = new Map<string, Set<EventKind>>()
  return (kind, namespace, allowed) => {
    const which = namespace === '' ? '(all)' : namespace
    const kinds = unreadable.get(which) ?? new Set<EventKind>()
    unreadable.set(which, kinds)
    if (allowed) kinds.delete(kind)
    else kinds.add(kind)
    metrics.unreadableNamespaces.set({ namespace: which }, kinds.size === 0 ? 0 : 1)
    if (allowed) log.info({ namespace: which }, 'this namespace may be read again')
    else log.error({ namespace: which }, leftAlone(kind))
  }
}
