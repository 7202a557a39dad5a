import { type OutboxEntry, type PassReport, runController, type RunningController } from '@slotkeeper/controller'
import { aggregateSubject, eventSubject, toCloudEvent } from '@slotkeeper/events'
import {
  createSpills,
  createStatusWriter,
  type Election,
  type Kube,
  type Objects,
  type Recorder,
  redisClusters,
} from '@slotkeeper/k8s'
import type { EventStore } from '@slotkeeper/nats'
import type { Logger, Metrics } from '@slotkeeper/observability'
import { type ClusterObject, parseCluster } from './cluster-object.ts'
import type { Config } from './config.ts'
import { clusterController } from './controller.ts'
import { eventTrouble } from './event-trouble.ts'
import { tellCommitted, tellUnwritten } from './notes.ts'

/** Everything that leading works with. */
export type Leading = {
  readonly config: Config
  readonly log: Logger
  readonly metrics: Metrics
  readonly holder: string
  readonly kube: Kube
  readonly objects: Objects
  readonly recorder: Recorder
  readonly onProblem: (error: unknown) => void
  readonly store: EventStore
  readonly election: Election
}

/** Runs the controller while this process leads; resolves when the signal has fired and the passes have ended. */
export async function lead(setup: Leading, signal: AbortSignal): Promise<void> {
  const { config, kube, objects, onProblem, election, recorder } = setup
  let running: RunningController<ClusterObject> | undefined
  const controller = clusterController({
    kube,
    objects,
    namespaces: config.watchNamespaces,
    onProblem,
    onAccess: (namespace, allowed) => tellAccess(setup, namespace, allowed),
    settings: {
      nodeLossMs: config.SLOTKEEPER_NODE_LOSS_SECONDS * 1000,
      podUid: config.SLOTKEEPER_POD_UID === 'platform' ? null : config.SLOTKEEPER_POD_UID,
      eventTrouble: (object) => eventTrouble(running?.trouble(object) ?? null, object.status?.outbox ?? [], Date.now()),
    },
  })
  running = runController(
    {
      controller,
      objects: createStatusWriter<ClusterObject>({
        objects,
        resource: redisClusters,
        parse: parseCluster,
        wrote: (before, after) => tellCommitted(recorder, before, after),
      }),
      store: measured(setup),
      // An event is dated when it is committed with its state.
      acknowledged: ({ time }) => setup.metrics.publishSeconds.observe((Date.now() - Date.parse(time)) / 1000),
      spills: createSpills<OutboxEntry>({ objects, namespace: config.SLOTKEEPER_NAMESPACE, kind: 'cluster' }),
      toMessage: (object, entry) => {
        const { namespace, name, uid } = object.metadata
        const life = object.status?.lifecycle.life ?? 0
        const aggregate = { prefix: config.SLOTKEEPER_NATS_PREFIX, kind: 'cluster' as const, namespace, name }
        const cloudEvent = toCloudEvent({ kind: 'cluster', plural: 'redisclusters', namespace, name, uid, life, entry })
        return {
          subject: eventSubject({ ...aggregate, type: entry.type }),
          aggregate: aggregateSubject(aggregate),
          body: JSON.stringify(cloudEvent),
          msgId: cloudEvent.id,
        }
      },
      observeMs: 5_000,
    },
    {
      lease: { epoch: election.epoch, holder: setup.holder, held: (marginMs) => election.held(marginMs) },
      signal,
      concurrency: config.SLOTKEEPER_CONCURRENCY,
      report: (plural, report) => reportPass(setup, plural, report, running),
    },
  )
  await running.stopped
}

/** What may not be read is no reason to leave the rest alone, nor to be restarted: it is told in log and metrics. */
function tellAccess({ log, metrics }: Leading, namespace: string, allowed: boolean): void {
  const which = namespace === '' ? '(all)' : namespace
  metrics.unreadableNamespaces.set({ namespace: which }, allowed ? 0 : 1)
  if (allowed) log.info({ namespace: which }, 'this namespace may be read again')
  else log.error({ namespace: which }, 'this namespace may not be read: its clusters are left alone')
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

function reportPass(
  { metrics, log, recorder }: Leading,
  controller: string,
  report: PassReport,
  running: RunningController<ClusterObject> | undefined,
): void {
  metrics.reconciles.inc({ controller, result: report.result })
  metrics.reconcileSeconds.observe({ controller }, report.durationMs / 1000)
  metrics.queueAdds.inc({ name: controller })
  if (running !== undefined) {
    const { unpublished, due, working } = running.size()
    metrics.outboxEntries.set({ controller }, unpublished)
    metrics.queueDepth.set({ name: controller }, due)
    metrics.activeWorkers.set({ controller }, working)
  }
  const problem = report.unwritten?.message ?? (report.error instanceof Error ? report.error.message : undefined)
  if (report.result === 'Failed') metrics.reconcileErrors.inc({ controller })
  if (report.unwritten !== undefined) tellUnwritten(recorder, report.key, report.unwritten)
  const told = report.committed || report.commands.length > 0
  const level = report.result === 'Failed' || report.unwritten !== undefined ? 'warn' : told ? 'info' : 'debug'
  log[level](
    {
      cluster: `${report.key.namespace}/${report.key.name}`,
      result: report.result,
      commands: report.commands,
      ms: Math.round(report.durationMs),
      ...(problem === undefined ? {} : { problem }),
    },
    'pass',
  )
}
