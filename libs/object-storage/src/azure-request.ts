import { type ClientRequest, type IncomingMessage, request as requestPlain } from 'node:http'
import { request as requestTls } from 'node:https'
import { setTimeout as delay } from 'node:timers/promises'
import { AzureRefusal, answeredByOther, isDone, refusalOf, textOf } from './azure-answer.ts'
import type { AzureConnection } from './azure-connection.ts'
import { azureAuthorization } from './azure-signature.ts'
import type { Bounds } from './bounds.ts'
import { connectMs } from './connect-ms.ts'
import { type FailedTry, isBusyStatus, isPassing, Retries } from './retries.ts'
import { StorageError } from './storage-error.ts'

/** The first that knows all that is asked here, and no later than it must be: servers of others know it too. */
const PROTOCOL = '2021-12-02'

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

/**
 * Asks, again and again where it may pass: the server can't now, or the connection breaks, or nothing moves.
 *
 * @returns the answer, its body not read yet
 * @throws AzureRefusal for one that is no success, StorageError for one that is none of Azure's; the system's error, or
 * `ETIMEDOUT`, where there is none
 */
export async function askAzure(
  connection: AzureConnection,
  asked: AzureRequest,
  bounds: Bounds,
): Promise<IncomingMessage> {
  const retries = new Retries(connection)
  for (;;) {
    try {
      const answer = await send(connection, asked, bounds.signal)
      if (isDone(asked.method, answer)) return answer
      throw await refusalOf(answer, connection, bounds)
    } catch (error) {
      const failed = failedTry(error)
      const pause = failed === null || bounds.signal.aborted ? null : retries.pauseAfter(failed)
      if (pause === null) throw error
      await delay(pause, undefined, { signal: bounds.signal })
    }
  }
}

/** Null for what stays as it is. */
function failedTry(error: unknown): FailedTry | null {
  if (error instanceof StorageError && !error.mayPass) return null
  if (!(error instanceof AzureRefusal)) return { isBusy: false, retryAfterMs: 0 }
  return isPassing(error.status) ? { isBusy: isBusyStatus(error.status), retryAfterMs: error.retryAfterMs } : null
}

/**
 * As `askAzure`, for an answer that is a text, or nothing: read to its end.
 *
 * @param root the element that the text must begin, where it is XML
 */
export async function tellAzure(connection: AzureConnection, asked: AzureRequest, bounds: Bounds, root?: string) {
  const answer = await askAzure(connection, asked, bounds)
  const text = await textOf(answer, connection.stallMs, bounds)
  if (root !== undefined && !text.includes(`<${root}`)) throw answeredByOther(answer.statusCode ?? 0)
  return { headers: answer.headers, text }
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
    boundConnecting(request, url.protocol === 'https:' ? 'secureConnect' : 'connect', connectMs(stallMs))
    // Begins once there is a connection.
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

/** Breaks a request off for which no connection comes about; one that is kept from an earlier request is there. */
function boundConnecting(request: ClientRequest, connected: 'connect' | 'secureConnect', ms: number): void {
  request.once('socket', (socket) => {
    if (!socket.connecting) return
    // As the system says it, which would take minutes.
    const timedOut = Object.assign(new Error('no connection'), { code: 'ETIMEDOUT', syscall: 'connect' })
    const timer = setTimeout(() => request.destroy(timedOut), ms)
    for (const end of [connected, 'close']) socket.once(end, () => clearTimeout(timer))
  })
}
