import { type ChainableCommander, Redis } from 'ioredis'
import { distrustOf, type ServerTls, tlsOptions } from './server-tls.ts'

/** Where a server listens, and as whom to enter. */
export type NodeTarget = {
  readonly host: string
  readonly port: number
  readonly username: string
  readonly password: string
  /** Absent: without TLS. */
  readonly tls?: ServerTls
  /** The longest that a dial may take, in milliseconds, where that is not `DIAL_TIMEOUT_MS`. */
  readonly dialMs?: number
}

/** Why a call failed, in a closed set. */
export type RedisFailure = 'Refused' | 'TimedOut' | 'Denied' | 'Untrusted' | 'Loading' | 'Closed' | 'Answered'

/**
 * An error of a server, or of the way to it. `Answered`: the server itself said no, in `message`; `Untrusted`: TLS did not
 * come about.
 */
export class RedisError extends Error {
  readonly reason: RedisFailure
  constructor(reason: RedisFailure, message: string) {
    super(message)
    this.name = 'RedisError'
    this.reason = reason
  }
}

/** The longest that a dial may take, in milliseconds: a dead address must not hold up the others. */
export const DIAL_TIMEOUT_MS = 500

/**
 * One kept connection to one server. It never reconnects by itself: whoever looks next opens a new one, so that a
 * closed connection is a wake-up and nothing is sent twice.
 */
export class RedisNode {
  readonly #redis: Redis
  readonly #dialMs: number
  #lastError: Error | undefined
  #connecting: Promise<void> | undefined
  closed = false

  constructor(target: NodeTarget, onClosed: () => void) {
    this.#dialMs = target.dialMs ?? DIAL_TIMEOUT_MS
    this.#redis = new Redis({
      host: target.host,
      port: target.port,
      username: target.username,
      password: target.password,
      lazyConnect: true,
      connectTimeout: this.#dialMs,
      retryStrategy: () => null,
      maxRetriesPerRequest: 0,
      enableReadyCheck: false,
      autoResubscribe: false,
      keepAlive: 5000,
      ...(target.tls === undefined ? {} : { tls: tlsOptions(target.tls) }),
    })
    this.#redis.on('error', (error: Error) => {
      this.#lastError = error
    })
    this.#redis.on('end', () => {
      this.closed = true
      onClosed()
    })
  }

  /** Sends a command. Rejects with RedisError; nothing is ever sent again. */
  async call(args: readonly string[], timeoutMs: number): Promise<unknown> {
    const [answer] = await this.pipeline([args], timeoutMs)
    if (answer instanceof RedisError) throw answer
    return answer
  }

  /**
   * Sends commands in one write. An answer that is an error stands in its place as RedisError.
   *
   * @param timeoutMs for the dial and the answers together, in milliseconds
   */
  async pipeline(commands: readonly (readonly string[])[], timeoutMs: number): Promise<readonly unknown[]> {
    return this.#send(timeoutMs, (batch) => {
      for (const [name, ...rest] of commands) batch.call(name ?? '', ...rest)
    })
  }

  /** As `pipeline`, for words and answers that need not be text: every string of an answer is a Buffer. */
  async binary(commands: readonly (readonly (string | Buffer)[])[], timeoutMs: number): Promise<readonly unknown[]> {
    return this.#send(timeoutMs, (batch) => {
      for (const [name, ...rest] of commands) batch.callBuffer(String(name), ...rest)
    })
  }

  async #send(timeoutMs: number, fill: (batch: ChainableCommander) => void): Promise<readonly unknown[]> {
    const began = performance.now()
    await this.#open(timeoutMs)
    const batch = this.#redis.pipeline()
    fill(batch)
    const leftMs = Math.max(1, timeoutMs - (performance.now() - began))
    const answers = await within(batch.exec(), leftMs)
    return (answers ?? []).map(([error, value]) => (error === null ? value : asRedisError(error)))
  }

  async #open(timeoutMs: number): Promise<void> {
    this.#connecting ??= this.#redis.connect().then(() => undefined)
    try {
      await within(this.#connecting, Math.min(timeoutMs, this.#dialMs))
    } catch (error) {
      this.close()
      throw asRedisError(this.#lastError ?? error)
    }
  }

  /** Closes at once. */
  close(): void {
    this.closed = true
    this.#redis.disconnect(false)
  }
}

function within<T>(work: Promise<T>, timeoutMs: number): Promise<T> {
  return new Promise((resolve, reject) => {
    // Without the time: what is left of it differs from look to look, and the message is kept in the status.
    const timer = setTimeout(() => reject(new RedisError('TimedOut', 'no answer in time')), timeoutMs)
    work.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}

/** What servers repeat of a command that they do not know; of AUTH that would be the password. */
const REPEATED = /, with args beginning with:.*$/s

/** Sorts an error of the library or of a server into the closed set. The text never holds the arguments of a call. */
export function asRedisError(error: unknown): RedisError {
  if (error instanceof RedisError) return error
  const message = error instanceof Error ? error.message : String(error)
  const distrust = error instanceof Error ? distrustOf(error) : null
  if (distrust !== null) return new RedisError('Untrusted', distrust)
  if (/ECONNREFUSED/.test(message)) return new RedisError('Refused', 'connection refused')
  if (/ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|timed out/i.test(message)) return new RedisError('TimedOut', 'no answer')
  if (/^(WRONGPASS|NOAUTH|NOPERM)/.test(message)) return new RedisError('Denied', message)
  if (message.startsWith('LOADING')) return new RedisError('Loading', 'the server is loading its data')
  if (/closed|ECONNRESET|EPIPE|ended/i.test(message)) return new RedisError('Closed', 'the connection was closed')
  return new RedisError('Answered', message.replace(REPEATED, ''))
}
