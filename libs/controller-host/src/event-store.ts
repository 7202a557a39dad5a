import { connectNats, createEventStore, type EventStore, type EventStoreError, watchReadiness } from '@slotkeeper/nats'
import type { Logger, Metrics } from '@slotkeeper/observability'
import type { HostConfig } from './host-config.ts'

type StoreSetup = {
  readonly config: HostConfig
  /** What the connection is called on the server. */
  readonly name: string
  readonly log: Logger
  readonly metrics: Metrics
  readonly signal: AbortSignal
  /** Told when the store stops taking events. */
  readonly onTrouble: (trouble: EventStoreError) => void
}

/** Opens the event store and follows its readiness in log and metrics. Returns at once: nothing waits for NATS. */
export function openEventStore({ config, name, log, metrics, signal, onTrouble }: StoreSetup): EventStore {
  metrics.eventStoreReady.set(0)
  const connection = connectNats({
    url: config.SLOTKEEPER_NATS_URL,
    name,
    ...(config.SLOTKEEPER_NATS_CREDS_FILE === undefined ? {} : { credsFile: config.SLOTKEEPER_NATS_CREDS_FILE }),
    ...(config.SLOTKEEPER_NATS_CA_FILE === undefined ? {} : { caFile: config.SLOTKEEPER_NATS_CA_FILE }),
    signal,
    onTrouble: (message) => log.warn({ message }, 'the event store is away; events wait in the status'),
  })
  connection.catch(() => undefined)
  const store = createEventStore({
    connection,
    mode: config.SLOTKEEPER_NATS_STREAM,
    streamName: config.SLOTKEEPER_NATS_STREAM_NAME,
    prefix: config.SLOTKEEPER_NATS_PREFIX,
  })
  const tell = (trouble: EventStoreError | null): void => {
    metrics.eventStoreReady.set(trouble === null ? 1 : 0)
    if (trouble === null) return log.info('the event store takes events')
    log.warn({ reason: trouble.reason, message: trouble.message }, 'the event store takes no events')
    onTrouble(trouble)
  }
  void watchReadiness({ store, connection, tell, signal })
  return store
}
