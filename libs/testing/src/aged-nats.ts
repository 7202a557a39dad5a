import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { Transform } from 'node:stream'
import { freePorts } from './free-ports.ts'

/** Stands before a nats-server and lets it seem older. */
export type AgedNats = {
  readonly url: string
  /** From now on, and for those who connect anew: all others lose their connection. */
  setAge(age: 'old' | 'new'): void
  stop(): Promise<void>
}

/**
 * What servers before 2.11 do not say: the API level, in the greeting and in the account's information. Each word is as
 * long as the one that it stands for, so that the lengths in the protocol hold.
 */
const words = [
  [/"level":\d+/g, (found: string) => found.replace('level', 'other')],
  [/"api_lvl":\d+/g, (found: string) => found.replace('api_lvl', 'unknown')],
  [/"version":"2\.1\d\.\d"/g, () => '"version":"2.10.9"'],
] as const

/** Starts it before the server of this port. What it serves is the real server's, but for these words. */
export const startAgedNats = async (serverPort: number): Promise<AgedNats> => {
  const [port = 0] = await freePorts(1)
  const sockets = new Set<Socket>()
  let age: 'old' | 'new' = 'old'
  const server = createServer((client) => {
    const upstream = connect(serverPort, '127.0.0.1')
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        sockets.delete(socket)
        client.destroy()
        upstream.destroy()
      })
    }
    client.pipe(upstream)
    if (age === 'new') upstream.pipe(client)
    else upstream.pipe(aged()).pipe(client)
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const cut = (): void => sockets.forEach((socket) => socket.destroy())
  return {
    url: `nats://127.0.0.1:${port}`,
    setAge: (next) => {
      age = next
      cut()
    },
    stop: async () => {
      server.close()
      cut()
      await once(server, 'close')
    },
  }
}

/** Changes the words line by line: everything in which they stand is one line. */
function aged(): Transform {
  let rest = ''
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const text = rest + chunk.toString('latin1')
      const whole = text.lastIndexOf('\n') + 1
      rest = text.slice(whole)
      const changed = words.reduce((line, [word, other]) => line.replace(word, other), text.slice(0, whole))
      done(null, Buffer.from(changed, 'latin1'))
    },
  })
}
