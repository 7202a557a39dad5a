import { runController, type RunningController } from '@slotkeeper/controller'
import { aggregateSubject, eventSubject, toCloudEvent } from '@slotkeeper/events'
import {
  connectKube,
  createElection,
  createStatusWriter,
  type Election,
  objectsOf,
  redisClusters,
} from '@slotkeeper/k8s'
import { connectNats, createEventStore, type EventStore } from '@slotkeeper/nats'
import type { Logger, Metrics } from '@slotkeeper/observability'
import { type ClusterObject, parseCluster } from './cluster-object.ts'
import type { Config } from './config.ts'
import { clusterController } from './controller.ts'

/** What `main` hands over. `holder` is unique per start of the process. */
export type RunSetup = {
  readonly config: Config
  readonly log: Logger
  readonly metrics: Metrics
  readonly holder: string
  readonly signal: AbortSignal
}

/** Stands for election and runs the controller while leading; resolves when the signal aborts. */
export async function run(setup: RunSetup): Promise<void> {
  const { config, log, metrics, signal } = setup
  const kube = connectKube(config.KUBECONFIG === undefined ? {} : { kubeconfigPath: config.KUBECONFIG })
  const objects = objectsOf(kube)
  const onProblem = (error: unknown): void =>
    log.warn({ problem: error instanceof Error ? error.message : String(error) }, 'a call failed')
  const store = openStore(setup)
  const election = createElection({
    objects,
    key: { namespace: config.SLOTKEEPER_NAMESPACE, name: 'slotkeeper-cluster-controller' },
    holder: setup.holder,
    durationMs: config.SLOTKEEPER_LEASE_SECONDS * 1000,
    nextEpoch: async (counter, stop) => {
      // A namespaced installation may list nowhere else.
      const scopes =
        config.watchNamespaces.length === 0 ? [{}] : config.watchNamespaces.map((namespace) => ({ namespace }))
      const items = (
        await Promise.all(scopes.map((scope) => objects.list(redisClusters, scope, { signal: stop })))
      ).flatMap((one) => one.items)
      const epochs = items.map((item) =>
        Number((item['status'] as { lifecycle?: { epoch?: number } } | undefined)?.lifecycle?.epoch ?? 0),
      )
      return 1 + Math.max(counter, 0, ...epochs)
    },
    onProblem,
  })
  while (!signal.aborted) {
    const ending = await election.run(
      {
        onStarted: (epoch, leading) => {
          log.info({ epoch, holder: setup.holder }, 'leading')
          metrics.leading.set({ name: 'slotkeeper-cluster-controller' }, 1)
          return lead({ ...setup, kube, objects, onProblem, store, election }, leading)
        },
        onStopped: () => metrics.leading.set({ name: 'slotkeeper-cluster-controller' }, 0),
      },
      signal,
    )
    log.info({ ending }, 'no longer leading')
  }
  await kube.close()
}

function openStore({ config, log, metrics, signal }: RunSetup): EventStore {
  metrics.eventStoreReady.set(0)
  const connection = connectNats({
    url: config.SLOTKEEPER_NATS_URL,
    name: 'slotkeeper-cluster-controller',
    ...(config.SLOTKEEPER_NATS_CREDS_FILE === undefined ? {} : { credsFile: config.SLOTKEEPER_NATS_CREDS_FILE }),
    ...(config.SLOTKEEPER_NATS_CA_FILE === undefined ? {} : { caFile: config.SLOTKEEPER_NATS_CA_FILE }),
    signal,
    onTrouble: (message) => log.warn({ message }, 'the event store is away; events wait in the status'),
  })
  connection.catch(() => undefined)
  return createEventStore({
    connection,
    mode: config.SLOTKEEPER_NATS_STREAM,
    streamName: config.SLOTKEEPER_NATS_STREAM_NAME,
    prefix: config.SLOTKEEPER_NATS_PREFIX,
  })
}

type Leading = RunSetup & {
  readonly kube: ReturnType<typeof connectKube>
  readonly objects: ReturnType<typeof objectsOf>
  readonly onProblem: (error: unknown) => void
  readonly store: EventStore
  readonly election: Election
}

async function lead(setup: Leading, signal: AbortSignal): Promise<void> {
  const { config, log, metrics, kube, objects, onProblem, store, election } = setup
  const prefix = config.SLOTKEEPER_NATS_PREFIX
  let running: RunningController<ClusterObject> | undefined
  const controller = clusterController({
    kube,
    objects,
    namespaces: config.watchNamespaces,
    onProblem,
    settings: {
      podUid: config.SLOTKEEPER_POD_UID === 'platform' ? null : config.SLOTKEEPER_POD_UID,
      eventTrouble: (object) => eventTrouble(running, object),
    },
  })
  running = runController(
    {
      controller,
      objects: createStatusWriter<ClusterObject>({ objects, resource: redisClusters, parse: parseCluster }),
      store: {
        append: async (request, io) => {
          const started = performance.now()
          const result = await store.append(request, io)
          metrics.eventStoreReady.set(result.ok || result.reason === 'WrongLastSequence' ? 1 : 0)
          if (result.ok) metrics.publishSeconds.observe((performance.now() - started) / 1000)
          return result
        },
        lastOf: (aggregate, io) => store.lastOf(aggregate, io),
      },
      toMessage: (object, entry) => {
        const { namespace, name, uid } = object.metadata
        const life = object.status?.lifecycle.life ?? 0
        const aggregate = { prefix, kind: 'cluster' as const, namespace, name }
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
      report: (plural, report) => {
        metrics.reconciles.inc({ controller: plural, result: report.result })
        metrics.reconcileSeconds.observe({ controller: plural }, report.durationMs / 1000)
        if (running !== undefined) metrics.outboxEntries.set({ controller: plural }, running.size().unpublished)
        const problem = report.error instanceof Error ? report.error.message : undefined
        if (report.result === 'Failed') metrics.reconcileErrors.inc({ controller: plural })
        const level =
          report.result === 'Failed' ? 'warn' : report.committed || report.commands.length > 0 ? 'info' : 'debug'
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
      },
    },
  )
  await running.stopped
}

function eventTrouble(running: RunningController<ClusterObject> | undefined, object: ClusterObject) {
  const trouble = running?.trouble(object) ?? null
  const oldest = object.status?.outbox[0]
  // An entry that has just been written is not late yet.
  if (trouble === null || oldest === undefined || Date.now() - Date.parse(oldest.time) < 30_000) return null
  const reason =
    trouble.reason === 'TooOld' ? 'EventStoreTooOld' : trouble.reason === 'Refused' ? 'Refused' : 'EventStoreDown'
  return { reason, message: trouble.message } as const
}
