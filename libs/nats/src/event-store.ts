import { jetstream, jetstreamManager, type JetStreamManager } from '@nats-io/jetstream'
import { headers, type NatsConnection } from '@nats-io/transport-node'
import { cloudEventContentType, parseCloudEvent } from '@slotkeeper/events'
import { checkApiLevel } from './connect.ts'
import { asEventStoreError, EventStoreError, isWrongLastSequence } from './errors.ts'
import { readOnce, type ReadRequest, type StoredEvent } from './read-once.ts'
import { defaultStreamName, prepareStream, type StreamMode } from './stream.ts'
import { within, type Io } from './time-limit.ts'

/** One append; refused when the aggregate's last message is not the expected one. */
export type AppendRequest = {
  readonly subject: string
  readonly body: string | Uint8Array
  readonly msgId: string
  /** Filter of the aggregate's whole history: `...<namespace>.<name>.>`. */
  readonly aggregate: string
  /** Stream sequence of the aggregate's last message; 0 when it has none. */
  readonly expectedLastSequence: number
}

/** What became of an append. After anything but `ok` the end of the history is to be read again. */
export type AppendResult =
  | { readonly ok: true; readonly sequence: number; readonly duplicate: boolean }
  | {
      readonly ok: false
      readonly reason: 'WrongLastSequence' | 'Unavailable' | 'TooOld' | 'Refused'
      readonly message: string
    }

/** The last message of an aggregate. */
export type LastEvent = {
  readonly streamSequence: number
  readonly id: string
  /** When the event happened, as it says itself; empty when it is none that we understand. */
  readonly time: string
  readonly body: string
}

/** The append-only history. Everything has a deadline. */
export type EventStore = {
  /** Connects, checks the server and prepares the stream; throws an EventStoreError. The others do it when needed. */
  ready(io?: Io): Promise<void>
  append(request: AppendRequest, io?: Io): Promise<AppendResult>
  /** The aggregate's last message; null when it has none. Throws an EventStoreError. */
  lastOf(aggregate: string, io?: Io): Promise<LastEvent | null>
  /** What is stored, oldest first, up to what was there when it began. */
  read(request: ReadRequest, io?: Io): AsyncIterable<StoredEvent>
}

/** What an event store runs on. */
export type EventStoreOptions = {
  /** May still be pending: until then appends are `Unavailable`. */
  readonly connection: NatsConnection | Promise<NatsConnection>
  readonly mode: StreamMode
  readonly streamName?: string
  readonly prefix?: string
  readonly replicas?: number
  /** Deadline of each I/O in ms; 5,000 when not said. */
  readonly timeoutMs?: number
}

type Session = { readonly connection: NatsConnection; readonly manager: JetStreamManager }

/** Opens the history. Returns at once; the server may be away. */
export const createEventStore = (options: EventStoreOptions): EventStore => {
  const { timeoutMs = 5_000, streamName = defaultStreamName } = options
  let checked: Promise<Session> | null = null
  void forgetOnChange(options.connection, () => (checked = null))

  const session = async (io: Io): Promise<Session> => {
    const mine = (checked ??= open(options, timeoutMs))
    try {
      return await within(timeoutMs, io, mine)
    } catch (error) {
      if (checked === mine) checked = null
      throw io.signal?.aborted ? error : asEventStoreError(error)
    }
  }

  return {
    ready: async (io = {}) => void (await session(io)),
    append: async (request, io = {}) => {
      try {
        const { connection } = await session(io)
        return await append(connection, streamName, timeoutMs, request, io)
      } catch (error) {
        if (io.signal?.aborted) throw error
        if (isWrongLastSequence(error))
          return { ok: false, reason: 'WrongLastSequence', message: error instanceof Error ? error.message : '' }
        // The stream may be gone or the server another one: look again before the next append.
        checked = null
        const { reason, message } = asEventStoreError(error)
        return { ok: false, reason, message }
      }
    },
    lastOf: async (aggregate, io = {}) => {
      const { manager } = await session(io)
      try {
        // Not the direct form: any replica may answer that one, also one that lags behind.
        const found = await within(timeoutMs, io, manager.streams.getMessage(streamName, { last_by_subj: aggregate }))
        if (found === null) return null
        const time = parseCloudEvent(found.data)?.cloudEvent.time ?? ''
        return { streamSequence: found.seq, id: found.header.get('Nats-Msg-Id'), time, body: found.string() }
      } catch (error) {
        throw io.signal?.aborted ? error : asEventStoreError(error)
      }
    },
    read: async function* (request, io = {}) {
      const { connection } = await session(io)
      yield* readOnce({ connection, streamName, timeoutMs }, request, io)
    },
  }
}

const open = async (options: EventStoreOptions, ms: number): Promise<Session> => {
  const connection = await within(ms, {}, Promise.resolve(options.connection))
  if (connection.isClosed()) throw new EventStoreError('Unavailable', 'the connection is closed')
  await checkApiLevel(connection, ms)
  const manager = await jetstreamManager(connection, { checkAPI: false, timeout: ms })
  const { mode, streamName, prefix, replicas } = options
  await prepareStream(manager, mode, {
    ...(streamName === undefined ? {} : { name: streamName }),
    ...(prefix === undefined ? {} : { prefix }),
    ...(replicas === undefined ? {} : { replicas }),
  })
  return { connection, manager }
}

const append = async (
  connection: NatsConnection,
  streamName: string,
  ms: number,
  { subject, body, msgId, aggregate, expectedLastSequence }: AppendRequest,
  io: Io,
): Promise<AppendResult> => {
  const contentType = headers()
  contentType.set('Content-Type', cloudEventContentType)
  const published = jetstream(connection, { timeout: ms }).publish(subject, body, {
    headers: contentType,
    msgID: msgId,
    timeout: ms,
    expect: { streamName, lastSubjectSequence: expectedLastSequence, lastSubjectSequenceSubject: aggregate },
  })
  const { seq, duplicate } = await within(ms, io, published)
  return { ok: true, sequence: seq, duplicate }
}

/** Behind the same address there may be another server after a reconnect, and an older one. */
const forgetOnChange = async (connecting: EventStoreOptions['connection'], forget: () => void): Promise<void> => {
  try {
    const connection = await connecting
    for await (const status of connection.status())
      if (status.type === 'reconnect' || status.type === 'disconnect') forget()
  } catch {
    // It was called off before it stood; every use says so itself.
  }
}
