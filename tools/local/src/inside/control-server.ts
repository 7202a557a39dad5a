import { createServer, type Server } from 'node:net'
import { createInterface } from 'node:readline'

/** Answers one kind of request. */
export type Handler = (request: Readonly<Record<string, string>>) => Promise<unknown>

/** Listens on a socket file for lines of JSON with an `op`, and answers each with a line of JSON. */
export function listenForControl(path: string, handlers: Readonly<Record<string, Handler>>): Promise<Server> {
  const answer = async (line: string): Promise<object> => {
    try {
      const request = JSON.parse(line) as Record<string, string>
      const handler = handlers[request['op'] ?? '']
      if (handler === undefined) throw new Error(`unknown request ${line}`)
      return { ok: true, result: await handler(request) }
    } catch (error) {
      return { ok: false, error: error instanceof Error ? error.message : String(error) }
    }
  }
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy())
    createInterface({ input: socket }).on('line', (line) => {
      void answer(line).then((reply) => socket.write(`${JSON.stringify(reply)}\n`))
    })
  })
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, () => resolve(server))
  })
}
