import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { jetstreamManager } from '@nats-io/jetstream'
import { connect, credsAuthenticator, type NatsConnection } from '@nats-io/transport-node'
import { EventStoreError } from './errors.ts'
import { within, type Io } from './time-limit.ts'

/** The JetStream API level of nats-server 2.12. Older servers take our safety headers and ignore them. */
export const requiredApiLevel = 2

/** How to reach NATS. */
export type NatsOptions = {
  readonly url: string
  readonly credsFile?: string
  readonly caFile?: string
  /** The connection's name, as the server lists it. */
  readonly name: string
  /** Ends the attempts and the connection. */
  readonly signal: AbortSignal
  /** Told of every attempt that failed before the first connection. */
  readonly onTrouble?: (message: string) => void
}

/**
 * Connects, however long it takes, and stays connected: once it stood, the client reconnects for ever. Rejects only
 * when called off. Nothing may wait for this but what needs the store.
 */
export const connectNats = async (options: NatsOptions): Promise<NatsConnection> => {
  const { signal } = options
  for (let wait = 250; ; wait = Math.min(wait * 2, 5_000)) {
    signal.throwIfAborted()
    try {
      return closedWith(signal, await attempt(options))
    } catch (error) {
      signal.throwIfAborted()
      options.onTrouble?.(error instanceof Error ? error.message : String(error))
      await delay(wait * (0.5 + Math.random() / 2), undefined, { signal })
    }
  }
}

/** Throws `TooOld` when the server does not know the headers that our appends rest on. */
export const checkApiLevel = async (connection: NatsConnection, ms: number, io: Io = {}): Promise<void> => {
  const manager = await within(ms, io, jetstreamManager(connection, { checkAPI: false, timeout: ms }))
  const { api } = await within(ms, io, manager.getAccountInfo())
  const level = api.level ?? 0
  if (level >= requiredApiLevel) return
  const version = connection.info?.version ?? 'of unknown version'
  throw new EventStoreError(
    'TooOld',
    `nats-server ${version} has JetStream API level ${level}; ${requiredApiLevel} is needed (2.12 or newer): an older one would ignore the headers that keep the history exact`,
  )
}

const attempt = ({ url, credsFile, caFile, name }: NatsOptions): Promise<NatsConnection> =>
  connect({
    servers: url.split(','),
    name,
    timeout: 3_000,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 500,
    reconnectJitter: 500,
    pingInterval: 10_000,
    maxPingOut: 2,
    // Credentials are renewed in their file; a refusal must not be the end of the connection.
    ignoreAuthErrorAbort: true,
    ...(credsFile === undefined ? {} : { authenticator: credsAuthenticator(() => readFileSync(credsFile)) }),
    ...(caFile === undefined ? {} : { tls: { caFile } }),
  })

const closedWith = (signal: AbortSignal, connection: NatsConnection): NatsConnection => {
  const close = (): void => void connection.close().catch(() => undefined)
  signal.addEventListener('abort', close, { once: true })
  if (signal.aborted) close()
  return connection
}
