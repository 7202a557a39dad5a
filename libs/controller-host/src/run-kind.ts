import {
  type Command,
  type EventBody,
  type Obj,
  type OutboxEntry,
  type Remembered,
  runController,
  type RunningController,
} from '@slotkeeper/controller'
import { createSpills, createStatusWriter } from '@slotkeeper/k8s'
import type { EventStore } from '@slotkeeper/nats'
import { eventTrouble } from './event-trouble.ts'
import type { KindSetup } from './kind.ts'
import type { Leading } from './lead.ts'
import { tellCommitted } from './notes.ts'
import { reportPass } from './report-pass.ts'
import { toMessage } from './to-message.ts'

/** Runs the controller of one kind while this process leads; resolves when the signal has fired and the passes have ended. */
export async function runKind<Spec, S extends Remembered, Observed, C extends Command, E extends EventBody>(
  setup: KindSetup<Spec, S, Observed, C, E>,
  leading: Leading,
  signal: AbortSignal,
): Promise<void> {
  const { resource, eventKind, parse, noteOf } = setup
  const { config, objects, metrics, recorder, election, holder } = leading
  let running: RunningController<Obj<Spec, S>> | undefined
  const controller = setup.controller({
    eventTrouble: (object) => eventTrouble(running?.trouble(object) ?? null, object.status?.outbox ?? [], Date.now()),
    onAccess: (namespace, allowed) => leading.tellAccess(eventKind, namespace, allowed),
  })
  running = runController(
    {
      controller,
      objects: createStatusWriter<Obj<Spec, S>>({
        objects,
        resource,
        parse,
        wrote: (before, after) => tellCommitted(recorder, { resource, noteOf }, before, after),
      }),
      store: measured(leading),
      // An event is dated when it is committed with its state.
      acknowledged: ({ time }) => metrics.publishSeconds.observe((Date.now() - Date.parse(time)) / 1000),
      spills: createSpills<OutboxEntry>({ objects, namespace: config.SLOTKEEPER_NAMESPACE, kind: eventKind }),
      toMessage: toMessage({ prefix: config.SLOTKEEPER_NATS_PREFIX, kind: eventKind, plural: resource.plural }),
      observeMs: 5_000,
    },
    {
      lease: { epoch: election.epoch, holder, held: (marginMs) => election.held(marginMs) },
      signal,
      concurrency: config.SLOTKEEPER_CONCURRENCY,
      report: (_plural, report) => reportPass(leading, setup, report, running?.size()),
    },
  )
  await running.stopped
}

/** The store with its metrics. */
function measured({ store, metrics }: Leading): Pick<EventStore, 'append' | 'lastOf'> {
  return {
    append: async (request, io) => {
      const result = await store.append(request, io)
      metrics.eventStoreReady.set(result.ok || result.reason === 'WrongLastSequence' ? 1 : 0)
      return result
    },
    lastOf: (aggregate, io) => store.lastOf(aggregate, io),
  }
}
