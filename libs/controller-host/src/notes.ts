import type { Committed, Key, OutboxEntry, Unwritten } from '@slotkeeper/controller'
import type { EventNote } from '@slotkeeper/events'
import { apiVersionOf, type Recorder, type ResourceDescriptor } from '@slotkeeper/k8s'

/** Of what kind the objects are that is told about, and in which words. */
export type NotedKind = {
  readonly resource: ResourceDescriptor
  readonly noteOf: (entry: OutboxEntry) => EventNote | null
}

const regardingOf = (resource: ResourceDescriptor, { namespace, name }: Key, uid: string) => ({
  apiVersion: apiVersionOf(resource),
  kind: resource.kind,
  namespace,
  name,
  uid,
})

/** Tells in Kubernetes Events what a commit put into the outbox: what `kubectl describe` shows, NATS or not. */
export function tellCommitted(recorder: Recorder, kind: NotedKind, before: Committed, after: Committed): void {
  const earlier = before.status?.lifecycle
  const told = earlier?.life === after.status?.lifecycle.life ? (earlier?.seq ?? 0) : 0
  const regarding = regardingOf(kind.resource, after.metadata, after.metadata.uid)
  for (const entry of after.status?.outbox ?? []) {
    const note = entry.seq > told ? kind.noteOf(entry) : null
    if (note !== null) recorder.record({ regarding, ...note, action: 'Reconcile' })
  }
}

/** Tells on the object what its status cannot say. */
export function tellUnwritten(
  recorder: Recorder,
  resource: ResourceDescriptor,
  key: Key,
  { uid, reason, message }: Unwritten,
): void {
  const regarding = regardingOf(resource, key, uid)
  recorder.record({ regarding, type: 'Warning', reason, action: 'Reconcile', note: message })
}

/** Who the process is, for Events about itself. */
export type Self = { readonly namespace: string; readonly pod: string; readonly uid: string }

/** A missing event store is told on the controller's own pod. */
export function tellEventStore(recorder: Recorder, self: Self, trouble: { reason: string; message: string }): void {
  recorder.record({
    regarding: { apiVersion: 'v1', kind: 'Pod', namespace: self.namespace, name: self.pod, uid: self.uid },
    type: 'Warning',
    reason: trouble.reason === 'TooOld' ? 'EventStoreTooOld' : 'EventStoreDown',
    action: 'Publish',
    note: `events wait in the statuses: ${trouble.message}`,
  })
}
