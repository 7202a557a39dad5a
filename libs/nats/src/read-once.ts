import { DeliverPolicy, jetstream } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { parseCloudEvent, type ReadEvent } from '@slotkeeper/events'
import { asEventStoreError } from './errors.ts'
import { within, type Io } from './time-limit.ts'

/** Which part of the history. */
export type ReadRequest = {
  readonly filter: string
  /** Stream sequence to begin with; the beginning when not said. */
  readonly fromSequence?: number
}

/** A message of the stream; `event` is null when it is none that we understand. */
export type StoredEvent = {
  readonly streamSequence: number
  readonly subject: string
  readonly id: string
  readonly body: string
  readonly event: ReadEvent | null
}

/** Where to read. */
export type Source = { readonly connection: NatsConnection; readonly streamName: string; readonly timeoutMs: number }

/** The stored messages, oldest first, up to the last that was there when it began. */
export const readOnce = async function* (
  { connection, streamName, timeoutMs }: Source,
  { filter, fromSequence = 1 }: ReadRequest,
  io: Io = {},
): AsyncGenerator<StoredEvent> {
  try {
    const consumers = jetstream(connection, { timeout: timeoutMs }).consumers
    const consumer = await within(
      timeoutMs,
      io,
      consumers.get(streamName, {
        filter_subjects: filter,
        deliver_policy: DeliverPolicy.StartSequence,
        opt_start_seq: Math.max(1, fromSequence),
        inactive_threshold: 60_000,
      }),
    )
    let pending = (await within(timeoutMs, io, consumer.info())).num_pending
    while (pending > 0) {
      const batch = await within(
        timeoutMs,
        io,
        consumer.fetch({ max_messages: Math.min(pending, 500), expires: timeoutMs }),
      )
      let came = 0
      for await (const message of batch) {
        io.signal?.throwIfAborted()
        came += 1
        yield {
          streamSequence: message.seq,
          subject: message.subject,
          id: message.headers?.get('Nats-Msg-Id') ?? '',
          body: message.string(),
          event: parseCloudEvent(message.data),
        }
      }
      if (came === 0) throw new Error(`${pending} messages did not come in ${timeoutMs} ms`)
      pending -= came
    }
  } catch (error) {
    throw io.signal?.aborted ? error : asEventStoreError(error)
  }
}
