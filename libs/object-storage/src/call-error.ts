import type { Bounds } from './bounds.ts'
import { connectMs } from './connect-ms.ts'
import { SourceFailure } from './source.ts'
import { StorageError } from './storage-error.ts'

/** A call on a storage that failed, and how its server was asked. */
export type FailedCall = {
  readonly bounds: Bounds
  /** For the sentence, as `storing a/b`. */
  readonly doing: string
  readonly server: {
    readonly stallMs: number
    readonly tries: number
    /** What no message may hold. */
    readonly secrets: readonly string[]
  }
  /** What the server's answer means, or null where the error is not one. */
  readonly answered: (error: Error) => StorageError | null
}

const certificate = /^(CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|ERR_TLS|ERR_SSL|HOSTNAME_MISMATCH)/

/** What a call ends with. Nothing of the request is kept, since it holds the signature. */
export function callError(error: unknown, { bounds, doing, server, answered }: FailedCall): unknown {
  if (error instanceof SourceFailure) return error.cause
  if (bounds.signal.aborted) return bounds.end()
  if (error instanceof StorageError || !(error instanceof Error)) return error
  const answer = answered(error)
  if (answer !== null) return answer
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  if (certificate.test(code)) {
    const remedy = 'Give the authority (CA) that signed its certificate, and the name that is in it'
    return new StorageError('Unreachable', `${doing}: the server is not trusted (${code})`, remedy)
  }
  if (code === 'EPROTO') {
    const remedy = 'Begin the endpoint with http:// where the server speaks no TLS, or look at what it takes'
    return new StorageError(
      'Unreachable',
      `${doing}: the server speaks no TLS there, or none that fits (EPROTO)`,
      remedy,
    )
  }
  if (isUnconnected(error)) {
    const sentence = `no connection came about within ${connectMs(server.stallMs) / 1000} s, ${server.tries} times`
    return new StorageError('Unreachable', `${doing}: ${sentence}`)
  }
  // Before timeouts, since a client may call a connection that was cut a timeout too.
  if (/^E[A-Z0-9_]+$/.test(code) && code !== 'ETIMEDOUT')
    return new StorageError('Unreachable', `${doing}: ${code}${placeOf(error)}`)
  if (error.name === 'TimeoutError' || code === 'ETIMEDOUT')
    return new StorageError('Slow', `${doing}: nothing moved for ${server.stallMs / 1000} s, ${server.tries} times`)
  // Not an error of the network: the answer was none of such a server, or the fault is ours.
  return new StorageError('Refused', `${doing}: ${withheld(error.message, server.secrets)}`)
}

/** Which server could not be reached, where the system says it. */
function placeOf(error: Error): string {
  const { hostname, address, port } = error as { hostname?: unknown; address?: unknown; port?: unknown }
  if (typeof hostname === 'string') return ` ${hostname}`
  if (typeof address !== 'string') return ''
  return typeof port === 'number' ? ` ${address}:${port}` : ` ${address}`
}

/** Whether no connection came about in time: as the system says it, and as the client of S3 does, in words only. */
const isUnconnected = (error: Error): boolean =>
  ('syscall' in error && error.syscall === 'connect' && 'code' in error && error.code === 'ETIMEDOUT') ||
  /did not establish a connection/.test(error.message)

/** What to do where a server does not take a request for its time. */
export const CLOCK_REMEDY = 'Set the clock of this machine or of the server'

/** A text without what it may not hold. */
export const withheld = (text: string, secrets: readonly string[]): string =>
  secrets.reduce((clean, secret) => clean.replaceAll(secret, '(withheld)'), text)
