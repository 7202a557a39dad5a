import { type IncomingMessage, request as requestPlain } from 'node:http'
import { request as requestTls } from 'node:https'
import { setTimeout as delay } from 'node:timers/promises'
import type { AzureConnection } from './azure-connection.ts'
import { azureAuthorization } from './azure-signature.ts'
import type { Bounds } from './bounds.ts'

/** The first that knows all that is asked here, and no later than it must be: servers of others know it too. */
const PROTOCOL = '2021-12-02'
const LEAST_PAUSE_MS = 250
const MOST_PAUSE_MS = 8_000

/** A request on a container, or on a blob in it. */
export type AzureRequest = {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'DELETE'
  /** The whole name of a blob; absent: the container. */
  readonly name?: string
  readonly query?: Readonly<Record<string, string>>
  /** Names of small letters. */
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Buffer
}

/** What the server answered, when it does not do what it was asked. */
export class AzureRefusal extends Error {
  override readonly name = 'AzureRefusal'
  readonly status: number
  /** As `BlobNotFound`, or empty where the server gave none. */
  readonly code: string

  constructor(status: number, code: string, said: string) {
    super(said)
    this.status = status
    this.code = code
  }
}

/**
 * Asks, again and again where it may pass: the server can't now, or the connection breaks, or nothing moves.
 *
 * @returns the answer, its body not read yet
 * @throws AzureRefusal for one that is no success; the system's error, or `ETIMEDOUT`, where there is none
 */
export async function askAzure(
  connection: AzureConnection,
  asked: AzureRequest,
  bounds: Bounds,
): Promise<IncomingMessage> {
  for (let tried = 1; ; tried += 1) {
    try {
      const answer = await send(connection, asked, bounds.signal)
      if (answer.statusCode !== undefined && answer.statusCode < 300) return answer
      throw await refusalOf(answer, connection, bounds)
    } catch (error) {
      const lasts = error instanceof AzureRefusal && (error.status < 500 || error.status === 501)
      if (lasts || tried >= connection.tries || bounds.signal.aborted) throw error
    }
    const pause = Math.min(MOST_PAUSE_MS, LEAST_PAUSE_MS * 2 ** tried) * Math.random()
    await delay(pause, undefined, { signal: bounds.signal })
  }
}

/** As `askAzure`, for an answer that is a text, or nothing: read to its end. */
export async function tellAzure(connection: AzureConnection, asked: AzureRequest, bounds: Bounds) {
  const answer = await askAzure(connection, asked, bounds)
  return { headers: answer.headers, text: await textOf(answer, connection, bounds) }
}

async function textOf(answer: IncomingMessage, { stallMs }: AzureConnection, bounds: Bounds): Promise<string> {
  const chunks: Buffer[] = []
  const source = answer[Symbol.asyncIterator]() as AsyncIterator<Buffer>
  try {
    for (;;) {
      const next = await bounds.race(source.next(), stallMs)
      if (next.done === true) return Buffer.concat(chunks).toString()
      chunks.push(next.value)
    }
  } finally {
    answer.destroy()
  }
}

async function refusalOf(answer: IncomingMessage, connection: AzureConnection, bounds: Bounds): Promise<AzureRefusal> {
  const text = await textOf(answer, connection, bounds)
  const header = answer.headers['x-ms-error-code']
  const code = typeof header === 'string' ? header : (/<Code>([^<]*)<\/Code>/.exec(text)?.[1] ?? '')
  // What follows the first line is about the request: its time, and what was signed.
  const said = /<Message>([^<\r\n]*)/.exec(text)?.[1] ?? ''
  return new AzureRefusal(answer.statusCode ?? 0, code, said)
}

function send(connection: AzureConnection, asked: AzureRequest, signal: AbortSignal): Promise<IncomingMessage> {
  const { method, name, query = {}, body } = asked
  const { account, url: container, key, token, agent, stallMs } = connection
  const path = name === undefined ? '' : `/${name.split('/').map(encodeURIComponent).join('/')}`
  const parameters = new URLSearchParams(query).toString()
  const url = new URL(`${container}${path}?${[parameters, token].filter((part) => part !== '').join('&')}`)
  const headers: Record<string, string> = {
    ...asked.headers,
    ...(method === 'PUT' ? { 'content-length': String(body?.length ?? 0) } : {}),
    'x-ms-date': new Date().toUTCString(),
    'x-ms-version': PROTOCOL,
  }
  if (key !== null) headers['authorization'] = azureAuthorization(account, key, { method, url, headers })
  return new Promise((resolve, reject) => {
    const request = (url.protocol === 'https:' ? requestTls : requestPlain)(url, { method, headers, agent, signal })
    request.setTimeout(stallMs, () => request.destroy(Object.assign(new Error('nothing moved'), { code: 'ETIMEDOUT' })))
    request.once('response', (answer: IncomingMessage) => {
      // While its reader takes its time nothing moves, which is no stall; whoever reads is watched.
      request.setTimeout(0)
      resolve(answer)
    })
    request.on('error', reject)
    request.end(body)
  })
}
