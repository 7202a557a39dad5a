import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import { Redis } from 'ioredis'

/** Opens a connection to a host and port. */
export type Dial = (host: string, port: number) => Duplex

/** Where a server listens, and as whom to enter; without a password nobody is said. */
export type ServerAddress = {
  readonly host: string
  readonly port: number
  readonly username?: string
  readonly password?: string
}

/** The class by which ioredis opens connections, made to use `dial`. */
export function connectorThrough(dial: Dial) {
  return class {
    readonly options: { readonly host?: string; readonly port?: number }
    stream: Duplex | undefined
    constructor(options: object) {
      this.options = options
    }
    check(): boolean {
      return true
    }
    disconnect(): void {
      this.stream?.destroy()
    }
    connect(): Promise<Duplex> {
      this.stream = dial(this.options.host ?? '', this.options.port ?? 6379)
      return Promise.resolve(this.stream)
    }
  }
}

const READY_WITHIN_MS = 10_000

/**
 * An ordinary ioredis client of one server, that never connects a second time.
 *
 * @param dial how its connection is opened
 * @throws Error of the server or the way to it; a wrong password is one
 */
export async function connectServer(dial: Dial, address: ServerAddress): Promise<Redis> {
  const redis = new Redis({
    ...address,
    Connector: connectorThrough(dial) as never,
    connectTimeout: 5_000,
    commandTimeout: 10_000,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
    enableReadyCheck: false,
  })
  // Each call tells of its own trouble.
  redis.on('error', () => undefined)
  const closed = new AbortController()
  redis.once('end', () => closed.abort(new Error('the connection was closed')))
  try {
    await once(redis, 'ready', { signal: AbortSignal.any([closed.signal, AbortSignal.timeout(READY_WITHIN_MS)]) })
    return redis
  } catch (error) {
    redis.disconnect()
    throw error instanceof Error && error.name === 'AbortError' ? (error.cause ?? error) : error
  }
}
