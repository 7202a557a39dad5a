/** Why a call to the API server failed, as far as a caller can act on it. */
export type KubeErrorReason =
  | 'NotFound'
  | 'Conflict'
  | 'AlreadyExists'
  | 'Forbidden'
  | 'Unauthorized'
  | 'Invalid'
  | 'Gone'
  | 'TooMany'
  | 'Unavailable'
  | 'Timeout'
  | 'TooLarge'
  | 'Other'

/** A failed call. Status 0: no answer came, so a write may or may not have happened. Never holds a request's body. */
export class KubeError extends Error {
  override readonly name = 'KubeError'
  readonly reason: KubeErrorReason
  readonly status: number
  /** How long the server asked us to wait, when it said so. */
  readonly retryAfterMs: number | undefined

  constructor(reason: KubeErrorReason, status: number, message: string, retryAfterMs?: number) {
    super(message)
    this.reason = reason
    this.status = status
    this.retryAfterMs = retryAfterMs
  }
}

/** Whether this is a failed call, for one of the given reasons if any are given. */
export function isKubeError(error: unknown, ...reasons: readonly KubeErrorReason[]): error is KubeError {
  return error instanceof KubeError && (reasons.length === 0 || reasons.includes(error.reason))
}

const LONGEST_MESSAGE = 600
const REASONS_BY_STATUS: Readonly<Record<number, KubeErrorReason>> = {
  400: 'Invalid',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  408: 'Timeout',
  409: 'Conflict',
  410: 'Gone',
  413: 'TooLarge',
  422: 'Invalid',
  429: 'TooMany',
  500: 'Other',
  502: 'Unavailable',
  503: 'Unavailable',
  504: 'Timeout',
}

/** The error for an answer of the API server; `status` is the parsed body, a `Status` object when all is well. */
export function errorOfAnswer(call: string, code: number, status: unknown, retryAfterMs?: number): KubeError {
  const { message, reason } = readStatus(status)
  const kind = reasonOf(code, reason, message)
  // The server quotes values in what it rejects, and of a Secret nothing may reach a log.
  const said = message === '' || call.includes('/secrets') ? '' : `: ${message.slice(0, LONGEST_MESSAGE)}`
  return new KubeError(kind, code, `${call}: ${code} ${kind}${said}`, retryAfterMs)
}

function reasonOf(code: number, reason: string, message: string): KubeErrorReason {
  if (reason === 'AlreadyExists') return 'AlreadyExists'
  if (reason === 'Expired') return 'Gone'
  // etcd's limit comes back as an internal error, a kind's own limit as an invalid object.
  if (/request is too large|message larger than max|may not be more than \d+ bytes/.test(message)) return 'TooLarge'
  return REASONS_BY_STATUS[code] ?? (code >= 500 ? 'Unavailable' : 'Other')
}

function readStatus(status: unknown): { readonly message: string; readonly reason: string } {
  if (typeof status !== 'object' || status === null) return { message: '', reason: '' }
  const { message, reason } = status as { readonly message?: unknown; readonly reason?: unknown }
  return { message: typeof message === 'string' ? message : '', reason: typeof reason === 'string' ? reason : '' }
}
