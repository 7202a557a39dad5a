import type { IncomingMessage } from 'node:http'
import type { AzureConnection } from './azure-connection.ts'
import type { Bounds } from './bounds.ts'
import { isPassing, retryAfterMs } from './retries.ts'
import { StorageError } from './storage-error.ts'

/** Why a request was not known for its time: of the clock, or of the token. */
export type WrongTime = 'clock' | 'expired' | 'early'

/** What the server answered, when it does not do what it was asked. */
export class AzureRefusal extends Error {
  override readonly name = 'AzureRefusal'
  readonly status: number
  /** As `BlobNotFound`, or empty where the server gave none. */
  readonly code: string
  /** For how long it asked to be left alone. */
  readonly retryAfterMs: number
  readonly wrongTime: WrongTime | null
  /** What its clock said. */
  readonly at: Date

  constructor(answer: IncomingMessage, code: string, text: string) {
    // What follows the first line is about the request: its time, and what was signed.
    super(/<Message>([^<\r\n]*)/.exec(text)?.[1] ?? '')
    this.status = answer.statusCode ?? 0
    this.code = code
    this.retryAfterMs = retryAfterMs(answer.headers['retry-after'])
    this.wrongTime = wrongTimeIn(/<AuthenticationErrorDetail>([^<]*)/.exec(text)?.[1] ?? '')
    const at = new Date(answer.headers.date ?? '')
    this.at = Number.isNaN(at.getTime()) ? new Date() : at
  }
}

/** Only read, never told: it may hold what was signed. */
function wrongTimeIn(detail: string): WrongTime | null {
  if (/date header.*(old|future|incorrect)/i.test(detail)) return 'clock'
  const [, start = '', expiry = '', current = ''] =
    /time frame: *Start *\[([^\]]*)\] *- *Expiry *\[([^\]]*)\] *- *Current *\[([^\]]*)\]/i.exec(detail) ?? []
  if (Date.parse(current) >= Date.parse(expiry)) return 'expired'
  return Date.parse(current) < Date.parse(start) ? 'early' : null
}

/** What a call ends with that something else has answered, as a proxy with a page of its own. */
export const answeredByOther = (status: number): StorageError =>
  new StorageError(
    'Refused',
    `the server answered ${status}, and not as the Blob Storage of Azure does`,
    'Look whether the endpoint is right, and whether a proxy on the way answers itself',
  )

const DONE: Readonly<Record<string, readonly number[]>> = { PUT: [201], DELETE: [202], HEAD: [200], GET: [200, 206] }

/** Whether Azure says so that it has done what it was asked; whatever else is a success in HTTP is none of Azure's. */
export const isDone = (method: string, answer: IncomingMessage): boolean =>
  isNamed(answer) && DONE[method]?.includes(answer.statusCode ?? 0) === true

const isNamed = ({ headers }: IncomingMessage): boolean =>
  headers['x-ms-request-id'] !== undefined || headers['x-ms-version'] !== undefined

/** What an answer that is no success means. */
export async function refusalOf(answer: IncomingMessage, { stallMs }: AzureConnection, bounds: Bounds): Promise<Error> {
  const { statusCode: status = 0, headers } = answer
  const text = await textOf(answer, stallMs, bounds)
  const header = headers['x-ms-error-code']
  const code = typeof header === 'string' ? header : (/<Code>([^<]*)<\/Code>/.exec(text)?.[1] ?? '')
  const isOther = status < 400 || (status < 500 && !isPassing(status) && code === '' && !isNamed(answer))
  return isOther ? answeredByOther(status) : new AzureRefusal(answer, code, text)
}

/** An answer to its end; nothing may move for so long at most. */
export async function textOf(answer: IncomingMessage, stallMs: number, bounds: Bounds): Promise<string> {
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
