import type { Readable } from 'node:stream'
import { isDeepStrictEqual } from 'node:util'
import { Agent, type Dispatcher, request as send } from 'undici'
import { type Credentials, type CredentialSource, credentialSource } from './credentials.ts'
import { errorOfAnswer, isKubeError, KubeError } from './errors.ts'
import { pause, withTimeLimit } from './time-limit.ts'

/** One call. `path` begins with a slash; `body` is sent as JSON. */
export type KubeRequest = {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly path: string
  readonly query?: Readonly<Record<string, string>>
  readonly body?: unknown
  /** `application/json` unless given: a patch must say which kind it is. */
  readonly contentType?: string
  readonly signal: AbortSignal
  /** How long the call may take in all, retries included, in ms. */
  readonly deadlineMs?: number
}

/** A call whose answer never ends, as a watch. */
export type KubeStreamRequest = Pick<KubeRequest, 'path' | 'query' | 'signal'> & {
  /** The longest silence between two pieces of the answer, in ms; after it the stream throws. */
  readonly inactivityMs: number
}

/** The way to one API server. */
export type Kube = {
  /** Namespace of the kubeconfig's context, or of our own pod. */
  readonly namespace: string
  /**
   * Throws KubeError, or the signal's reason. Only a GET is repeated, and only as the server asks (Retry-After);
   * any call once when its token had just been replaced.
   */
  request(options: KubeRequest): Promise<unknown>
  /** Resolves when the answer begins; leaving the loop over it closes its connection. */
  stream(options: KubeStreamRequest): Promise<AsyncIterable<Uint8Array>>
  close(): Promise<void>
}

/** How to connect. */
export type KubeOptions = {
  /** Without it: `KUBECONFIG`, `~/.kube/config`, or the service account of our own pod. */
  readonly kubeconfigPath?: string
  /** The most connections that requests share; each open stream has one more of its own. */
  readonly connections?: number
  readonly requestTimeoutMs?: number
}

const LONGEST_RETRY_AFTER_MS = 5_000
const TRIES = 4
/** Below the 90 s after which the API server closes an idle connection. */
const KEEP_IDLE_MS = 30_000
/** A connection whose other end has vanished ends about 10 s after this silence: the system probes it each second. */
const PROBE_AFTER_MS = 15_000

/** Pooled connections to the API server, credentials read again as they change. */
export function connectKube(options: KubeOptions = {}): Kube {
  const source = credentialSource(options.kubeconfigPath)
  const timeoutMs = options.requestTimeoutMs ?? 10_000
  // A watch holds its connection for minutes: in one pool with requests, eight of them would stop everything.
  const requests = rotatingAgent(options.connections ?? 8)
  const streams = rotatingAgent(null)
  return {
    namespace: source.namespace,
    request(call) {
      const limitMs = Math.min(call.deadlineMs ?? timeoutMs, timeoutMs)
      const expired = (): Error =>
        new KubeError('Timeout', 0, `${nameOf(call)}: no answer within ${Math.round(limitMs)} ms`)
      return withTimeLimit(call.signal, limitMs, expired, async (signal) => {
        const until = performance.now() + limitMs
        for (let left = TRIES; ; left--) {
          try {
            return await requestOnce(source, requests, call, signal)
          } catch (error) {
            // Refused before it was looked at: safe to repeat once with the credentials that were read again.
            if (isKubeError(error, 'Unauthorized') && left === TRIES) continue
            const wait = retryIn(error, call, until - performance.now())
            if (wait === undefined || left <= 1 || !(await pause(wait, signal))) throw error
          }
        }
      })
    },
    stream: (call) => openStream(source, streams, call, timeoutMs),
    async close() {
      await Promise.all([requests.close(), streams.close()])
    },
  }
}

/** An agent that is replaced when the certificates it was made of change. */
type RotatingAgent = { use(credentials: Credentials): Dispatcher; close(): Promise<void> }

function rotatingAgent(connections: number | null): RotatingAgent {
  let agent: Agent | undefined
  let madeOf: Credentials['tls'] = {}
  let closed = false
  return {
    use({ tls }) {
      // A call may have been reading its credentials when everything was closed: it must not open connections anew.
      if (closed) throw new KubeError('Unavailable', 0, 'the connections to the API server are closed')
      if (agent === undefined || !isSameTls(tls, madeOf)) {
        // Ends by itself once its last request has.
        void agent?.close().catch(() => {})
        agent = new Agent({
          connections,
          pipelining: 1,
          // Over HTTP/2 all calls would share one connection, watches too: none of the limits here would hold, one
          // lost connection would be everyone's, and its end at the destruction of the agent is nobody's to catch.
          allowH2: false,
          keepAliveTimeout: KEEP_IDLE_MS,
          connect: { ...tls, timeout: 5_000, keepAlive: true, keepAliveInitialDelay: PROBE_AFTER_MS },
        })
      }
      madeOf = tls
      return agent
    },
    async close() {
      closed = true
      await agent?.destroy()
    },
  }
}

/** Every call asks: the same object most of the time, until the credentials were read again. */
function isSameTls(a: Credentials['tls'], b: Credentials['tls']): boolean {
  return a === b || isDeepStrictEqual(a, b)
}

async function requestOnce(
  source: CredentialSource,
  agent: RotatingAgent,
  call: KubeRequest,
  signal: AbortSignal,
): Promise<unknown> {
  const credentials = await source.current()
  const headers: Record<string, string> = {
    accept: 'application/json',
    'user-agent': 'slotkeeper',
    ...credentials.headers,
  }
  if (call.body !== undefined) headers['content-type'] = call.contentType ?? 'application/json'
  try {
    const answer = await send(`${credentials.url}${call.path}${queryOf(call)}`, {
      method: call.method,
      headers,
      body: call.body === undefined ? null : JSON.stringify(call.body),
      dispatcher: agent.use(credentials),
      signal,
      // The limit of time is ours, for the whole call.
      headersTimeout: 0,
      bodyTimeout: 0,
    })
    const text = await answer.body.text()
    if (answer.statusCode < 300) return text === '' ? undefined : parse(text, call)
    if (answer.statusCode === 401) source.refused()
    throw errorOfAnswer(
      nameOf(call),
      answer.statusCode,
      parseOrNothing(text),
      retryAfter(answer.headers['retry-after']),
    )
  } catch (error) {
    throw asKubeError(error, nameOf(call), signal)
  }
}

async function openStream(
  source: CredentialSource,
  agent: RotatingAgent,
  call: KubeStreamRequest,
  timeoutMs: number,
): Promise<AsyncIterable<Uint8Array>> {
  const name = nameOf({ method: 'GET', path: call.path })
  const credentials = await source.current()
  call.signal.throwIfAborted()
  try {
    const answer = await send(`${credentials.url}${call.path}${queryOf(call)}`, {
      method: 'GET',
      headers: { accept: 'application/json', 'user-agent': 'slotkeeper', ...credentials.headers },
      dispatcher: agent.use(credentials),
      signal: call.signal,
      headersTimeout: timeoutMs,
      // Its timer would tick twice a second for as long as a watch is open.
      bodyTimeout: 0,
    })
    if (answer.statusCode < 300) return pieces(answer.body, name, call)
    if (answer.statusCode === 401) source.refused()
    const text = await refusalText(answer.body, timeoutMs)
    throw errorOfAnswer(name, answer.statusCode, parseOrNothing(text), retryAfter(answer.headers['retry-after']))
  } catch (error) {
    throw asKubeError(error, name, call.signal)
  }
}

/** Why a stream was refused. The status has said the most: words that do not come are done without. */
async function refusalText(body: Dispatcher.ResponseData['body'], timeoutMs: number): Promise<string> {
  const timer = setTimeout(() => body.destroy(new Error('silent')), timeoutMs)
  try {
    return await body.text()
  } catch {
    return ''
  } finally {
    clearTimeout(timer)
  }
}

async function* pieces(
  body: Readable,
  name: string,
  { signal, inactivityMs }: KubeStreamRequest,
): AsyncIterable<Uint8Array> {
  const silence = new KubeError('Timeout', 0, `${name}: silent for ${inactivityMs} ms`)
  const timer = setTimeout(() => body.destroy(silence), inactivityMs)
  try {
    for await (const piece of body) {
      yield piece as Uint8Array
      timer.refresh()
    }
  } catch (error) {
    throw asKubeError(error, name, signal)
  } finally {
    clearTimeout(timer)
  }
}

function asKubeError(error: unknown, name: string, signal: AbortSignal): unknown {
  if (error instanceof KubeError) return error
  if (signal.aborted) return signal.reason
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  const silent = code === 'UND_ERR_HEADERS_TIMEOUT'
  const why = error instanceof Error ? error.message : String(error)
  return new KubeError(silent ? 'Timeout' : 'Unavailable', 0, `${name}: ${code} ${why}`.trim())
}

function retryIn(error: unknown, call: KubeRequest, leftMs: number): number | undefined {
  if (call.method !== 'GET' || !(error instanceof KubeError) || error.retryAfterMs === undefined) return undefined
  if (error.status !== 429 && error.status !== 503) return undefined
  return error.retryAfterMs <= LONGEST_RETRY_AFTER_MS && error.retryAfterMs < leftMs ? error.retryAfterMs : undefined
}

function retryAfter(header: string | string[] | undefined): number | undefined {
  const seconds = Number(Array.isArray(header) ? header[0] : header)
  return header !== undefined && Number.isFinite(seconds) && seconds >= 0 ? seconds * 1_000 : undefined
}

function nameOf(call: Pick<KubeRequest, 'method' | 'path'>): string {
  return `${call.method} ${call.path}`
}

function queryOf(call: Pick<KubeRequest, 'query'>): string {
  const text = new URLSearchParams(call.query ?? {}).toString()
  return text === '' ? '' : `?${text}`
}

function parse(text: string, call: KubeRequest): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // The parser's message quotes the text, which may be a Secret.
    throw new KubeError('Unavailable', 0, `${nameOf(call)}: the answer is not JSON`)
  }
}

function parseOrNothing(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
