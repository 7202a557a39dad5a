import type { Socket } from 'node:net'
import { asRedisError, type NodeTarget, RedisError } from './redis-node.ts'
import { dial } from './server-tls.ts'
import { untilMark } from './until-mark.ts'

/** A snapshot that a server is sending: its data at one moment, as an RDB file. */
export type Snapshot = {
  /** Which history of writes this is, and how many bytes of it the snapshot holds. */
  readonly replicationId: string
  readonly offset: number
  /** Its size in bytes where the server has written it to its own disk first; null where it is made while it is sent. */
  readonly length: number | null
  /**
   * The file, once, in pieces of some 64 KiB that are read as fast as they are taken. Who stops taking them closes the
   * connection. Throws RedisError when it does not come to its end: `TimedOut` after too long a silence, `Closed`.
   */
  readonly bytes: AsyncIterable<Uint8Array>
  /** Gives it up, also if nothing was taken of it yet. */
  close(): void
}

/** How a snapshot is asked for. */
export type SnapshotOptions = {
  readonly signal: AbortSignal
  /** The longest time without a byte, in milliseconds; also while the server forks, for it then sends a sign of life. */
  readonly silenceMs: number
  /** The version of the engine that is to load it, as `9.0.0`: Valkey 9 sends an older form to whoever names none. */
  readonly version?: string
}

const LINE_BYTES = 1_024
/** Nobody waits behind this dial, as in a look at a cluster. */
const DIAL_MS = 5_000

/**
 * Asks a server for a snapshot, in the way of a replica that wants nothing but that (`REPLCONF rdb-only 1`, since 7.0). It
 * never acknowledges an offset, so that no `WAIT` counts it (SAFETY 17). Nothing is written to disks where the server has
 * `repl-diskless-sync yes`. The user needs `+psync +replconf`. The handshake goes step by step: replication.c,
 * syncCommand, refuses what is sent ahead.
 *
 * @throws RedisError `Denied`, `Untrusted`, `Loading`, `Refused`; `Answered` by a replica that has no primary to be in sync with
 */
export async function openSnapshot(target: NodeTarget, options: SnapshotOptions): Promise<Snapshot> {
  options.signal.throwIfAborted()
  const { socket, opened } = dial(target)
  const stop = (): void => void socket.destroy(options.signal.reason as Error)
  options.signal.addEventListener('abort', stop, { once: true })
  socket.on('close', () => options.signal.removeEventListener('abort', stop))
  try {
    await dialled(socket, opened)
    return await begin(new Inbox(socket, options.silenceMs), socket, target, options)
  } catch (error) {
    socket.destroy()
    options.signal.throwIfAborted()
    throw asRedisError(error)
  }
}

function dialled(socket: Socket, opened: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => socket.destroy(new RedisError('TimedOut', 'no answer')), DIAL_MS)
    // The listener stays: an error that nobody hears ends the process.
    socket.on('error', reject)
    socket.on('close', () => reject(new RedisError('Closed', 'the connection was closed')))
    socket.once(opened, resolve)
    socket.once(opened, () => clearTimeout(late)).once('close', () => clearTimeout(late))
  })
}

async function begin(
  inbox: Inbox,
  socket: Socket,
  { username, password }: NodeTarget,
  { signal, version }: SnapshotOptions,
): Promise<Snapshot> {
  const order = async (...words: readonly string[]): Promise<string> => {
    socket.write(`*${words.length}\r\n${words.map((one) => `$${Buffer.byteLength(one)}\r\n${one}\r\n`).join('')}`)
    const line = await inbox.line()
    if (line.startsWith('-')) throw asRedisError(new Error(line.slice(1)))
    return line
  }
  if (password !== '') await order('AUTH', username, password)
  await order('REPLCONF', 'capa', 'eof', 'capa', 'psync2', 'rdb-only', '1')
  if (version !== undefined) await order('REPLCONF', 'version', version)
  const [, replicationId, offset] = /^\+FULLRESYNC (\w{40}) (\d+)$/.exec(await order('PSYNC', '?', '-1')) ?? []
  const head = await inbox.line()
  // The fork comes after the promise: where it fails the server says so here.
  if (head.startsWith('-')) throw asRedisError(new Error(head.slice(1)))
  const [, mark, length] = /^\$(?:EOF:(.{40})|(\d+))$/.exec(head) ?? []
  if (replicationId === undefined || (mark === undefined && length === undefined))
    throw new RedisError('Answered', 'the server sends no snapshot')
  const file =
    mark === undefined ? counted(inbox, Number(length)) : untilMark(() => inbox.chunk(), Buffer.from(mark, 'latin1'))
  return {
    replicationId,
    offset: Number(offset),
    length: length === undefined ? null : Number(length),
    bytes: untilEnd(file, socket, signal),
    close: () => void socket.destroy(),
  }
}

async function* untilEnd(file: AsyncIterable<Buffer>, socket: Socket, signal: AbortSignal): AsyncIterable<Buffer> {
  try {
    yield* file
  } catch (error) {
    signal.throwIfAborted()
    throw asRedisError(error)
  } finally {
    socket.destroy()
  }
}

async function* counted(inbox: Inbox, length: number): AsyncIterable<Buffer> {
  for (let left = length; left > 0;) {
    const chunk = await inbox.chunk()
    yield chunk.subarray(0, left)
    left -= chunk.length
  }
}

/** What a server sends, taken as lines first and then as it comes. Nothing is read ahead of who takes it. */
class Inbox {
  readonly #chunks: AsyncIterator<Buffer>
  readonly #socket: Socket
  readonly #silenceMs: number
  #rest: Buffer = Buffer.alloc(0)

  constructor(socket: Socket, silenceMs: number) {
    this.#socket = socket
    this.#silenceMs = silenceMs
    this.#chunks = socket[Symbol.asyncIterator]() as AsyncIterator<Buffer>
  }

  /** The next bytes, at least one. */
  async chunk(): Promise<Buffer> {
    if (this.#rest.length > 0) {
      const rest = this.#rest
      this.#rest = Buffer.alloc(0)
      return rest
    }
    // Only while it is waited for: a taker that is slow is no silence of the server.
    const late = setTimeout(
      () => this.#socket.destroy(new RedisError('TimedOut', 'the server went silent')),
      this.#silenceMs,
    )
    try {
      const { done, value } = await this.#chunks.next()
      if (done === true) throw new RedisError('Closed', 'the connection was closed before the snapshot was whole')
      return value
    } finally {
      clearTimeout(late)
    }
  }

  /** The next line that is not empty, without its end: empty ones are signs of life. */
  async line(): Promise<string> {
    for (let seen: Buffer = Buffer.alloc(0); ;) {
      seen = Buffer.concat([seen, await this.chunk()])
      const end = seen.indexOf('\n')
      if (end < 0 && seen.length > LINE_BYTES) throw new RedisError('Answered', 'the server speaks no RESP')
      if (end < 0) continue
      this.#rest = seen.subarray(end + 1)
      const line = seen.subarray(0, end).toString('latin1').trimEnd()
      if (line !== '') return line
      seen = Buffer.alloc(0)
    }
  }
}
