import { setTimeout as delay } from 'node:timers/promises'
import type { NatsConnection } from '@nats-io/transport-node'
import { asEventStoreError, EventStoreError } from './errors.ts'
import type { EventStore } from './event-store.ts'

/** What to watch, and whom to tell. */
export type ReadinessOptions = {
  readonly store: EventStore
  readonly connection: Promise<NatsConnection>
  /** Called at every change: with null when the store takes events, else with what is wrong. */
  readonly tell: (trouble: EventStoreError | null) => void
  readonly signal: AbortSignal
  /** Between two tries while the store is not ready, in ms. */
  readonly everyMs?: number
}

/** Follows whether the store takes events, also while nothing is appended. Resolves when the signal aborts. */
export const watchReadiness = async (options: ReadinessOptions): Promise<void> => {
  const { store, signal, everyMs = 2_000 } = options
  let told: string | undefined
  const tell = (trouble: EventStoreError | null): void => {
    const news = trouble === null ? '' : `${trouble.reason}: ${trouble.message}`
    if (news !== told) options.tell(trouble)
    told = news
  }
  while (!signal.aborted) {
    try {
      await store.ready({ signal })
      tell(null)
      await lost(await options.connection, signal)
      if (!signal.aborted) tell(new EventStoreError('Unavailable', 'the connection is lost'))
    } catch (error) {
      if (!signal.aborted) tell(asEventStoreError(error))
    }
    await delay(everyMs, undefined, { signal }).catch(() => undefined)
  }
}

/** Resolves when the connection breaks, or the signal aborts. */
const lost = async (connection: NatsConnection, signal: AbortSignal): Promise<void> => {
  const statuses = connection.status()[Symbol.asyncIterator]()
  const aborted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
  const broken = (async () => {
    for (;;) {
      const next = await statuses.next()
      if (next.done === true || next.value.type === 'disconnect' || next.value.type === 'close') return
    }
  })()
  await Promise.race([broken, aborted])
  await statuses.return?.()
}
