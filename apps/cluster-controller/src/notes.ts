import { GROUP, VERSION } from '@slotkeeper/api'
import type { Key, Unwritten } from '@slotkeeper/controller'
import { noteOf } from '@slotkeeper/events'
import type { Recorder } from '@slotkeeper/k8s'
import type { ClusterObject } from './cluster-object.ts'

/** Tells in Kubernetes Events what a commit put into the outbox: what `kubectl describe` shows, NATS or not. */
export function tellCommitted(recorder: Recorder, before: ClusterObject, after: ClusterObject): void {
  const { namespace, name, uid } = after.metadata
  const earlier = before.status?.lifecycle
  const told = earlier?.life === after.status?.lifecycle.life ? (earlier?.seq ?? 0) : 0
  for (const entry of after.status?.outbox ?? []) {
    const note = entry.seq > told ? noteOf(entry) : null
    if (note === null) continue
    const regarding = { apiVersion: `${GROUP}/${VERSION}`, kind: 'RedisCluster', namespace, name, uid }
    recorder.record({ regarding, ...note, action: 'Reconcile' })
  }
}

/** Tells on the object what its status cannot say. */
export function tellUnwritten(recorder: Recorder, { namespace, name }: Key, { uid, reason, message }: Unwritten): void {
  const regarding = { apiVersion: `${GROUP}/${VERSION}`, kind: 'RedisCluster', namespace, name, uid }
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
