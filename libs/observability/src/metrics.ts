import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'

/** How often the delay of the event loop is sampled. */
const LOOP_EACH_MS = 1_000

/** The metrics of a controller's process, under the names that users of controller-runtime know. */
export type Metrics = ReturnType<typeof createMetrics>

/** Makes the registry with every metric in it. */
export function createMetrics() {
  const registry = new Registry()
  // The default looks at the event loop every 10 ms: most of what a controller at rest costs.
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: LOOP_EACH_MS })
  const registers = [registry]
  return {
    registry,
    ...passMetrics(registers),
    leading: new Gauge({
      name: 'leader_election_master_status',
      help: '1 while this process leads',
      labelNames: ['name'],
      registers,
    }),
    unreadableNamespaces: new Gauge({
      name: 'slotkeeper_namespace_unreadable',
      help: '1 while objects of a watched namespace may not be read, and so are left alone',
      labelNames: ['namespace'],
      registers,
    }),
    eventStoreReady: new Gauge({
      name: 'slotkeeper_event_store_ready',
      help: '1 while the event store takes events',
      registers,
    }),
    outboxEntries: new Gauge({
      name: 'slotkeeper_outbox_entries',
      help: 'Objects whose events wait for the store',
      labelNames: ['controller'],
      registers,
    }),
    lastBackup: new Gauge({
      name: 'slotkeeper_backup_last_completed_timestamp_seconds',
      help: 'When the newest completed backup of a cluster in a storage ended, Unix seconds',
      labelNames: ['namespace', 'cluster', 'storage'],
      registers,
    }),
    publishSeconds: new Histogram({
      name: 'slotkeeper_event_publish_seconds',
      help: 'From the commit of an event to the acknowledgement of the store',
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30, 300, 3600],
      registers,
    }),
  }
}

/** Those of passes and their queues. */
function passMetrics(registers: Registry[]) {
  return {
    reconciles: new Counter({
      name: 'controller_runtime_reconcile_total',
      help: 'Passes by controller and result',
      labelNames: ['controller', 'result'],
      registers,
    }),
    reconcileErrors: new Counter({
      name: 'controller_runtime_reconcile_errors_total',
      help: 'Passes that failed',
      labelNames: ['controller'],
      registers,
    }),
    reconcileSeconds: new Histogram({
      name: 'controller_runtime_reconcile_time_seconds',
      help: 'Length of passes',
      labelNames: ['controller'],
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers,
    }),
    activeWorkers: new Gauge({
      name: 'controller_runtime_active_workers',
      help: 'Keys being worked on',
      labelNames: ['controller'],
      registers,
    }),
    queueDepth: new Gauge({ name: 'workqueue_depth', help: 'Keys that are due', labelNames: ['name'], registers }),
    queueAdds: new Counter({
      name: 'workqueue_adds_total',
      help: 'Keys that became due',
      labelNames: ['name'],
      registers,
    }),
  }
}
