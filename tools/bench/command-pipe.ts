import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { Batch } from './command-batches.ts'

const DEADLINE_MS = 60_000
const ANSWER_BYTES = Buffer.byteLength('+OK\r\n')
const MINUS = 0x2d

/** A connection that sends batches of commands, all of which must be answered with OK. */
export class CommandPipe {
  readonly #socket: Socket
  readonly #signal: AbortSignal
  #missing = 0
  #settle: { readonly resolve: () => void; readonly reject: (error: unknown) => void } | undefined

  private constructor(socket: Socket, signal: AbortSignal) {
    this.#socket = socket
    this.#signal = signal
    socket.setTimeout(DEADLINE_MS, () => socket.destroy(new Error(`no answers for ${DEADLINE_MS / 1000} s`)))
    socket.on('data', (chunk) => this.#answered(chunk as Buffer))
    socket.on('error', (error) => this.#settle?.reject(error))
    socket.on('close', () => this.#settle?.reject(new Error('the server has closed the connection')))
  }

  /** Connects to a server that asks for no password. */
  static async open(server: { readonly host: string; readonly port: number }, signal: AbortSignal) {
    const socket = connect({ host: server.host, port: server.port, noDelay: true })
    await once(socket, 'connect', { signal: AbortSignal.any([signal, AbortSignal.timeout(DEADLINE_MS)]) })
    return new CommandPipe(socket, signal)
  }

  /** Sends a batch and waits until it is answered: one at a time. Throws at the first answer that is an error. */
  async send({ bytes, commands }: Batch): Promise<void> {
    this.#signal.throwIfAborted()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#missing = commands * ANSWER_BYTES
    this.#settle = { resolve, reject }
    this.#socket.write(bytes)
    await promise
  }

  close(): void {
    this.#settle = undefined
    this.#socket.destroy()
  }

  #answered(chunk: Buffer): void {
    this.#missing -= chunk.length
    // OK has no minus in it.
    if (chunk.includes(MINUS)) this.#settle?.reject(new Error(`a command was refused: ${String(chunk).slice(0, 300)}`))
    else if (this.#missing === 0) this.#settle?.resolve()
  }
}

/** Sends batches over several connections at once, each its next one as soon as the last is answered. */
export async function sendAll(batches: Iterable<Batch>, pipes: readonly CommandPipe[]): Promise<void> {
  const left = batches[Symbol.iterator]()
  const turns = pipes.map(async (pipe) => {
    for (let next = left.next(); next.done !== true; next = left.next()) await pipe.send(next.value)
  })
  await Promise.all(turns)
}
