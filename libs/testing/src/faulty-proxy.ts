import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { Agent, request } from 'node:https'
import type { Socket } from 'node:net'
import { writeFile } from 'node:fs/promises'
import type { KubeApiServer } from './kube-apiserver.ts'

/**
 * What happens to a call instead of its answer. `stalled` begins a refusal and does not end it; `hollow` succeeds with
 * what nobody asked for. Of these the server hears nothing; the last two it obeys: the connection breaks before the
 * answer, or stays and says nothing.
 */
export type CallFault = Refusal | 'lost-answer' | 'mute'
type Refusal =
  | 'unavailable'
  | 'too-many'
  | 'forbidden'
  | 'too-large'
  | 'gone'
  | 'reset'
  | 'silence'
  | 'stalled'
  | 'hollow'
/** What happens to a running watch instead of its next event; `last` lets that one pass and sends garbage after it. */
export type WatchFault =
  | 'reset'
  | 'silence'
  | 'garbage'
  | 'garbled'
  | 'half-line'
  | 'half-reset'
  | 'gone'
  | 'end'
  | 'last'
/** A call as the proxy sees it, in ms of `performance.now`. */
export type SeenCall = {
  readonly method: string
  readonly path: string
  readonly isWatch: boolean
  readonly at: number
}

/** Stands between a client and the API server, and breaks what it is told to. */
export type FaultyProxy = {
  readonly kubeconfig: string
  readonly url: string
  /** The most connections that were open at once. */
  readonly mostConnections: () => number
  readonly calls: SeenCall[]
  /** Asked for each call; undefined lets it through. */
  fault: (call: SeenCall) => CallFault | undefined
  /** Every open watch loses its next event to this. */
  strikeWatches(fault: WatchFault): void
  readonly openWatches: () => number
  stop(): Promise<void>
}

/** Answers of the proxy itself: code, type, body. */
const REFUSALS = {
  unavailable: [503, 'text/plain', 'no healthy upstream'],
  forbidden: [403, 'application/json', '{"kind":"Status","reason":"Forbidden","code":403}'],
  'too-large': [413, 'text/html', '<html>413 Request Entity Too Large</html>'],
  hollow: [200, 'application/json', '{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Success"}'],
} as const

const GONE = {
  kind: 'Status',
  apiVersion: 'v1',
  status: 'Failure',
  reason: 'Expired',
  code: 410,
  message: 'too old resource version',
}

type Watch = { readonly response: ServerResponse; armed: WatchFault | undefined; silent: boolean }

/** Starts a proxy; plain HTTP on our side, so that it can write into answers. */
export async function startFaultyProxy(api: KubeApiServer): Promise<FaultyProxy> {
  const sockets = new Set<Socket>()
  const watches = new Set<Watch>()
  const agent = new Agent({ keepAlive: true, rejectUnauthorized: false })
  let most = 0
  const server = createServer((incoming, response) => {
    const path = incoming.url ?? '/'
    const call = { method: incoming.method ?? 'GET', path, isWatch: path.includes('watch=true'), at: performance.now() }
    proxy.calls.push(call)
    const fault = proxy.fault(call)
    if (fault === 'lost-answer' || fault === 'mute') forward(api, agent, incoming, response, undefined, fault)
    else if (fault !== undefined) breakCall(fault, incoming, response)
    else forward(api, agent, incoming, response, call.isWatch ? watches : undefined)
  })
  server.on('connection', (socket) => {
    sockets.add(socket)
    most = Math.max(most, sockets.size)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const address = server.address()
  const url = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`
  const proxy: FaultyProxy = {
    kubeconfig: `${api.kubeconfig}-proxy-${url.split(':')[2]}`,
    url,
    mostConnections: () => most,
    calls: [],
    fault: () => undefined,
    strikeWatches(fault) {
      for (const watch of watches) watch.armed = fault
    },
    openWatches: () => watches.size,
    async stop() {
      for (const socket of sockets) socket.destroy()
      agent.destroy()
      await new Promise((done) => server.close(done))
    },
  }
  await writeFile(proxy.kubeconfig, kubeconfigOf(url, api.token))
  return proxy
}

/** A kubeconfig for a server and a token. */
export function kubeconfigOf(server: string, token: string): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'test', cluster: { server, 'insecure-skip-tls-verify': true } }],
    users: [{ name: 'admin', user: { token } }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'admin', namespace: 'default' } }],
    'current-context': 'test',
  })
}

function breakCall(fault: Refusal, incoming: IncomingMessage, response: ServerResponse): void {
  incoming.resume()
  switch (fault) {
    case 'unavailable':
    case 'forbidden':
    case 'too-large':
    case 'hollow': {
      const [code, type, body] = REFUSALS[fault]
      response.writeHead(code, { 'content-type': type }).end(body)
      break
    }
    case 'stalled':
      response.writeHead(503, { 'content-type': 'text/plain', 'content-length': 100 }).write('no healthy')
      break
    case 'too-many':
      response.writeHead(429, { 'retry-after': '1' }).end('{"kind":"Status","reason":"TooManyRequests"}')
      break
    case 'gone':
      response.writeHead(410, { 'content-type': 'application/json' }).end(JSON.stringify(GONE))
      break
    case 'reset':
      incoming.socket.resetAndDestroy()
      break
    case 'silence':
      break
  }
}

function forward(
  api: KubeApiServer,
  agent: Agent,
  incoming: IncomingMessage,
  response: ServerResponse,
  watches?: Set<Watch>,
  loss?: 'lost-answer' | 'mute',
): void {
  const { host: _host, ...headers } = incoming.headers
  const target = new URL(incoming.url ?? '/', api.url)
  const outgoing = request(target, { method: incoming.method, headers, agent }, (answer) => {
    if (loss !== undefined) {
      answer.resume()
      if (loss === 'lost-answer') incoming.socket.resetAndDestroy()
      return
    }
    response.writeHead(answer.statusCode ?? 502, answer.headers)
    if (watches === undefined) {
      answer.pipe(response)
      return
    }
    response.flushHeaders()
    const watch: Watch = { response, armed: undefined, silent: false }
    watches.add(watch)
    response.on('close', () => watches.delete(watch))
    answer.on('data', (chunk: Buffer) => passOrStrike(watch, chunk))
    answer.on('end', () => watch.silent || response.end())
  })
  outgoing.on('error', () => response.destroy())
  response.on('close', () => outgoing.destroy())
  incoming.pipe(outgoing)
}

function passOrStrike(watch: Watch, chunk: Buffer): void {
  if (watch.silent) return
  const fault = watch.armed
  watch.armed = undefined
  if (fault === undefined) {
    watch.response.write(chunk)
    return
  }
  watch.silent = true
  switch (fault) {
    case 'reset':
      watch.response.socket?.resetAndDestroy()
      break
    case 'silence':
      break
    case 'garbage':
      watch.response.write('{"type":"ADDED","object":\u0000\n')
      break
    case 'garbled':
      // No length of a chunk.
      watch.response.socket?.write('zz\r\n')
      break
    case 'half-reset':
      watch.response.write(chunk.subarray(0, chunk.length / 2), () => watch.response.socket?.resetAndDestroy())
      break
    case 'last':
      watch.response.write(chunk)
      watch.response.end('no event\n')
      break
    case 'half-line':
      watch.response.end(chunk.subarray(0, chunk.length / 2))
      break
    case 'gone':
      watch.response.end(`${JSON.stringify({ type: 'ERROR', object: GONE })}\n`)
      break
    case 'end':
      watch.response.end()
      break
  }
}
