import type { Command, Controller, EventBody, Obj, OutboxEntry, Remembered } from '@slotkeeper/controller'
import type { EventKind, EventNote } from '@slotkeeper/events'
import type { KubeObject, ResourceDescriptor } from '@slotkeeper/k8s'
import type { EventTrouble } from './event-trouble.ts'
import type { Leading } from './lead.ts'
import { runKind } from './run-kind.ts'

/** What a kind's controller is told by the process that runs it. */
export type KindPorts<O> = {
  /** Why the object's events are late, for its condition; null while none is. */
  readonly eventTrouble: (object: O) => EventTrouble | null
  /** To be told when the kind's objects in a namespace may no longer be read, and when they may again. */
  readonly onAccess: (namespace: string, allowed: boolean) => void
}

/** One kind of objects, and how it is looked after. */
export type KindSetup<Spec, S extends Remembered, Observed, C extends Command, E extends EventBody> = {
  readonly resource: ResourceDescriptor
  /** What its objects are called in subjects and types of events, in spills, and in logs. */
  readonly eventKind: EventKind
  readonly parse: (object: KubeObject) => Obj<Spec, S>
  /** A committed event in the words of a Kubernetes Event; null where another line tells the same. */
  readonly noteOf: (entry: OutboxEntry) => EventNote | null
  /** Makes the controller, each time that the process begins to lead. It starts nothing: its `wakes` does. */
  readonly controller: (ports: KindPorts<Obj<Spec, S>>) => Controller<Spec, S, Observed, C, E>
}

/** A kind as the process sees it: types of its own stay inside. */
export type Kind = {
  readonly resource: ResourceDescriptor
  readonly eventKind: EventKind
  /** Looks after its objects; resolves once the signal has fired and the passes have ended. */
  readonly run: (leading: Leading, signal: AbortSignal) => Promise<void>
}

/** Makes a kind of its setup. */
export function kindOf<Spec, S extends Remembered, Observed, C extends Command, E extends EventBody>(
  setup: KindSetup<Spec, S, Observed, C, E>,
): Kind {
  const { resource, eventKind } = setup
  return { resource, eventKind, run: (leading, signal) => runKind(setup, leading, signal) }
}
