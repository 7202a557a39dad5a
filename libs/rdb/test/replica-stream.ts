import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { RedisServer } from '@slotkeeper/testing'

/** The stream that a server sends to a replica which announces no version of its own. */
export type ReplicaStream = {
  /** The mark that follows the file, 40 bytes. */
  readonly mark: string
  /** The bytes behind the line that announces the file, as they arrive. */
  readonly chunks: AsyncIterable<Buffer>
  close(): void
}

/** Asks for a snapshot in the way of a replica, of a server that sends it without a disk. */
export async function openReplicaStream({ host, port }: RedisServer, signal: AbortSignal): Promise<ReplicaStream> {
  const socket = connect(port, host)
  try {
    await once(socket, 'connect', { signal })
    const lines = new LineReader(socket, signal)
    socket.write('REPLCONF capa eof capa psync2 rdb-only 1\r\n')
    await lines.next(/^\+OK$/)
    socket.write('PSYNC ? -1\r\n')
    await lines.next(/^\+FULLRESYNC /)
    const announced = await lines.next(/^\$EOF:/)
    return { mark: announced.slice('$EOF:'.length), chunks: lines.rest(), close: () => socket.destroy() }
  } catch (error) {
    socket.destroy()
    throw error
  }
}

class LineReader {
  readonly #chunks: AsyncIterator<Buffer>
  #held: Buffer = Buffer.alloc(0)

  constructor(socket: Socket, signal: AbortSignal) {
    signal.addEventListener('abort', () => socket.destroy(new Error('not in time')), { once: true })
    this.#chunks = socket[Symbol.asyncIterator]() as AsyncIterator<Buffer>
  }

  /** The next line that is not empty, as servers send those to keep the connection alive. */
  async next(expected: RegExp): Promise<string> {
    for (;;) {
      const end = this.#held.indexOf('\n')
      if (end >= 0) {
        const line = this.#held.toString('latin1', 0, end).trim()
        this.#held = this.#held.subarray(end + 1)
        if (line === '') continue
        if (!expected.test(line)) throw new Error(`${expected} was expected, not ${line}`)
        return line
      }
      const more = await this.#chunks.next()
      if (more.done === true) throw new Error('the server closed the connection')
      this.#held = Buffer.concat([this.#held, more.value])
    }
  }

  async *rest(): AsyncGenerator<Buffer> {
    if (this.#held.length > 0) yield this.#held
    for (let more = await this.#chunks.next(); more.done !== true; more = await this.#chunks.next()) yield more.value
  }
}
