import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { Transform } from 'node:stream'
import type { ObjectStorage } from './object-storage.ts'

/**
 * What happens to a request of S3. `cut-request` breaks the connection after so many bytes of what is sent,
 * `cut-answer` after so many of what comes back; of `silence` and `refusal` the server hears nothing; it obeys a request
 * with a `lost-answer`; `flip` turns one bit of what is sent. An `answer` is given in place of the server's, which hears
 * nothing either; an answer that is cut may be so `without` a header.
 */
export type RequestFault =
  | { readonly kind: 'refusal'; readonly status: number; readonly code: string }
  | { readonly kind: 'cut-request' | 'cut-answer'; readonly after: number; readonly without?: string }
  | {
      readonly kind: 'answer'
      readonly status: number
      readonly headers: Readonly<Record<string, string>>
      readonly body: string
    }
  | { readonly kind: 'lost-answer' | 'silence' | 'flip' }

/** A request as it comes: its method, and its path with parameters. */
export type SeenRequest = { readonly method: string; readonly path: string }

/** Stands between a client and an S3 server, and breaks what it is told to. */
export type FaultyStorage = {
  readonly endpoint: string
  readonly requests: SeenRequest[]
  /** Asked for each request; undefined lets it through. */
  fault: (seen: SeenRequest) => RequestFault | undefined
  stop(): Promise<void>
}

/** Starts a proxy before an S3 server. Signatures stay valid: they are for the host that the client named. */
export async function startFaultyStorage(storage: Pick<ObjectStorage, 'port'>): Promise<FaultyStorage> {
  const sockets = new Set<Socket>()
  const server = createServer((incoming, response) => {
    const seen = { method: incoming.method ?? '', path: incoming.url ?? '' }
    proxy.requests.push(seen)
    const fault = proxy.fault(seen)
    if (fault?.kind === 'silence') incoming.resume()
    else if (fault?.kind === 'refusal') refuse(fault, incoming, response)
    else if (fault?.kind === 'answer') {
      incoming.resume()
      response.writeHead(fault.status, fault.headers).end(fault.body)
    } else forward(storage.port, incoming, response, fault)
  })
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const proxy: FaultyStorage = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: [],
    fault: () => undefined,
    async stop() {
      for (const socket of sockets) socket.destroy()
      await new Promise((done) => server.close(done))
    },
  }
  return proxy
}

function refuse(
  { status, code }: Extract<RequestFault, { kind: 'refusal' }>,
  incoming: IncomingMessage,
  response: ServerResponse,
): void {
  incoming.resume()
  const body = `<?xml version="1.0"?><Error><Code>${code}</Code><Message>not now</Message></Error>`
  response.writeHead(status, { 'content-type': 'application/xml', 'content-length': body.length }).end(body)
}

function forward(port: number, incoming: IncomingMessage, response: ServerResponse, fault?: RequestFault): void {
  const cut = (): void => void incoming.socket.resetAndDestroy()
  const target = { host: '127.0.0.1', port, method: incoming.method, path: incoming.url, headers: incoming.headers }
  const outgoing = request(target, (answer) => {
    if (fault?.kind === 'lost-answer') {
      answer.resume().on('end', cut)
      return
    }
    const headers = { ...answer.headers }
    if (fault !== undefined && 'without' in fault && fault.without !== undefined) delete headers[fault.without]
    response.writeHead(answer.statusCode ?? 502, headers)
    answer.pipe(through(fault, 'cut-answer', cut)).pipe(response)
  })
  outgoing.on('error', () => response.destroy())
  response.on('close', () => outgoing.destroy())
  incoming.pipe(through(fault, 'cut-request', cut)).pipe(outgoing)
}

/** Lets bytes through, up to where the connection is to break, or with one bit of the first chunk turned. */
function through(fault: RequestFault | undefined, kind: 'cut-request' | 'cut-answer', cut: () => void): Transform {
  let left = fault?.kind === kind && 'after' in fault ? fault.after : Number.POSITIVE_INFINITY
  let flips = fault?.kind === 'flip' && kind === 'cut-request'
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const passed = Buffer.from(chunk.subarray(0, left))
      if (flips) passed[0] = (passed[0] ?? 0) ^ 1
      flips = false
      left -= passed.length
      done(null, passed)
      // What was let through is on its way first.
      if (left === 0) setImmediate(cut)
    },
  })
}
