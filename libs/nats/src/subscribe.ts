import {
  AckPolicy,
  type Consumer,
  type ConsumerMessages,
  DeliverPolicy,
  jetstream,
  jetstreamManager,
  type JsMsg,
} from '@nats-io/jetstream'
import { type NatsConnection, nanos } from '@nats-io/transport-node'
import { everySubject, parseCloudEvent, type ReadEvent } from '@slotkeeper/events'
import { asEventStoreError, EventStoreError, isAbsent } from './errors.ts'
import { defaultStreamName } from './stream.ts'
import { within } from './time-limit.ts'

/** Where a subscription begins and who remembers how far it came. */
export type SubscribeFrom =
  /** What happens from now on; nothing is remembered. */
  | { readonly live: true }
  /** From a stream sequence on, then live; nothing is remembered. 1 is the beginning. */
  | { readonly sequence: number }
  /** From where this name last acknowledged, at first from the beginning. The server remembers. */
  | { readonly durable: string }

/** How long one request for messages stands. The client notices after this time that a server forgot it, and asks again. */
const pullMs = 5_000

/** What to subscribe to. */
export type SubscribeOptions = {
  readonly connection: NatsConnection
  readonly from: SubscribeFrom
  /** Ends the subscription; its iteration then ends without an error. */
  readonly signal: AbortSignal
  /** Subject filter, see `subjectFilter`; everything under the default prefix when not said. */
  readonly filter?: string
  readonly streamName?: string
  /** Durable only: deliveries that may be unacknowledged at once. 1, which keeps the order also when one is repeated. */
  readonly inFlight?: number
  /** Durable only: after this time without `ack` a delivery is repeated; 30 s. */
  readonly ackWaitMs?: number
  /** Told of messages that are no events of ours; they are passed over. */
  readonly onUnreadable?: (subject: string, streamSequence: number) => void
  readonly timeoutMs?: number
}

/** One event delivered. Of a durable subscription it comes again until `ack` was called. */
export type Delivery = {
  readonly event: ReadEvent
  readonly subject: string
  readonly streamSequence: number
  /** When the server stored it, Unix ms by the server's clock, with fractions. */
  readonly storedAt: number
  readonly redelivered: boolean
  /** Says that the event is dealt with; resolves when the server has taken note. Does nothing without a durable. */
  ack(): Promise<void>
}

/**
 * Subscribes; when this resolves, nothing that happens afterwards is missed. Nothing is asked for before the iteration
 * begins: a subscription that nobody reads keeps no delivery from others. Live and replay deliver each event once
 * and in order, across reconnects too. A durable delivers at least once: recognise repetitions by `event.cloudEvent.id`.
 */
export const subscribe = async (options: SubscribeOptions): Promise<AsyncIterable<Delivery>> => {
  const { signal, from } = options
  try {
    const consumer = await ('durable' in from ? durableConsumer(options, from.durable) : orderedConsumer(options, from))
    return deliveries(consumer, options)
  } catch (error) {
    throw signal.aborted ? error : asEventStoreError(error)
  }
}

const deliveries = async function* (
  consumer: Consumer,
  { from, signal, onUnreadable, timeoutMs = 5_000 }: SubscribeOptions,
): AsyncGenerator<Delivery> {
  if (signal.aborted) return
  const durable = 'durable' in from
  const messages = await consume(consumer, signal, timeoutMs)
  if (messages === null) return
  const stop = (): void => messages.stop()
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()
  try {
    for await (const message of messages) {
      if (signal.aborted) return
      const event = parseCloudEvent(message.data)
      if (event !== null) yield delivery(message, event, durable)
      else {
        onUnreadable?.(message.subject, message.seq)
        if (durable) message.ack()
      }
    }
  } finally {
    signal.removeEventListener('abort', stop)
    stop()
  }
}

/** Begins to ask for messages; null when the subscription ended meanwhile. */
const consume = async (
  consumer: Consumer,
  signal: AbortSignal,
  timeoutMs: number,
): Promise<ConsumerMessages | null> => {
  try {
    return await within(timeoutMs, { signal }, consumer.consume({ max_messages: 500, expires: pullMs }))
  } catch (error) {
    if (signal.aborted) return null
    throw asEventStoreError(error)
  }
}

const delivery = (message: JsMsg, event: ReadEvent, durable: boolean): Delivery => ({
  event,
  subject: message.subject,
  streamSequence: message.seq,
  storedAt: Number(message.timestampNanos / 1_000n) / 1_000,
  redelivered: message.redelivered,
  ack: async () => {
    if (!durable) return
    if (!(await message.ackAck({ timeout: 5_000 })))
      throw new EventStoreError('Unavailable', `event ${event.cloudEvent.id} could not be acknowledged`)
  },
})

/** Begins at a sequence also when live: "new" would be counted from each reconnect again, and what lay between missed. */
const orderedConsumer = async (
  { connection, signal, filter = everySubject(), streamName = defaultStreamName, timeoutMs = 5_000 }: SubscribeOptions,
  from: { readonly live: true } | { readonly sequence: number },
): Promise<Consumer> => {
  const manager = await jetstreamManager(connection, { checkAPI: false, timeout: timeoutMs })
  const { state } = await within(timeoutMs, { signal }, manager.streams.info(streamName))
  const consumers = jetstream(connection, { timeout: timeoutMs }).consumers
  const opened = consumers.get(streamName, {
    filter_subjects: filter,
    deliver_policy: DeliverPolicy.StartSequence,
    opt_start_seq: 'live' in from ? state.last_seq + 1 : Math.max(1, from.sequence),
  })
  return within(timeoutMs, { signal }, opened)
}

const durableConsumer = async (options: SubscribeOptions, durable: string): Promise<Consumer> => {
  const { connection, signal, filter = everySubject(), streamName = defaultStreamName, timeoutMs = 5_000 } = options
  const { inFlight = 1, ackWaitMs = 30_000 } = options
  const manager = await jetstreamManager(connection, { checkAPI: false, timeout: timeoutMs })
  try {
    const { config } = await within(timeoutMs, { signal }, manager.consumers.info(streamName, durable))
    if (config.filter_subject !== filter)
      throw new EventStoreError(
        'Refused',
        `durable ${durable} exists with filter ${config.filter_subject}, not ${filter}`,
      )
  } catch (error) {
    if (!isAbsent(error)) throw error
    const made = manager.consumers.add(streamName, {
      durable_name: durable,
      filter_subject: filter,
      ack_policy: AckPolicy.Explicit,
      ack_wait: nanos(ackWaitMs),
      deliver_policy: DeliverPolicy.All,
      max_ack_pending: inFlight,
    })
    await within(timeoutMs, { signal }, made)
  }
  return within(timeoutMs, { signal }, jetstream(connection, { timeout: timeoutMs }).consumers.get(streamName, durable))
}
