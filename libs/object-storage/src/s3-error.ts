import { S3ServiceException } from '@aws-sdk/client-s3'
import type { Bounds } from './bounds.ts'
import type { S3Connection } from './s3-connection.ts'
import { SourceFailure } from './source.ts'
import { StorageError } from './storage-error.ts'
import type { StorageFault } from './storage-error.ts'

const byName: Readonly<Record<string, StorageFault>> = {
  NoSuchKey: 'NotFound',
  NoSuchUpload: 'NotFound',
  NotFound: 'NotFound',
  NoSuchBucket: 'NoBucket',
  AccessDenied: 'Forbidden',
  AllAccessDisabled: 'Forbidden',
  InvalidAccessKeyId: 'WrongCredentials',
  SignatureDoesNotMatch: 'WrongCredentials',
  InvalidToken: 'WrongCredentials',
  ExpiredToken: 'WrongCredentials',
  TokenRefreshRequired: 'WrongCredentials',
  CredentialsProviderError: 'WrongCredentials',
  PreconditionFailed: 'Exists',
  QuotaExceeded: 'Full',
  StorageFull: 'Full',
  XMinioStorageFull: 'Full',
  InsufficientCapacity: 'Full',
  // Another write or delete of the same key was under way.
  ConditionalRequestConflict: 'Unreachable',
  OperationAborted: 'Unreachable',
}

const byStatus: Readonly<Record<number, StorageFault>> = {
  401: 'WrongCredentials',
  403: 'Forbidden',
  404: 'NotFound',
  412: 'Exists',
  507: 'Full',
}

const clock = 'Set the clock of this machine or of the server'
const region = 'Set the region of the bucket'
const refusals: Readonly<Record<string, string>> = {
  RequestTimeTooSkewed: clock,
  AuthorizationHeaderMalformed: region,
  PermanentRedirect: region,
  InvalidObjectState: 'Have it brought back from the archive class first',
}

const certificate = /^(CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|ERR_TLS|ERR_SSL|HOSTNAME_MISMATCH|EPROTO)/

/** What the error calls itself: the code of S3, else that of the system. */
export const s3CodeOf = (error: unknown): string => {
  if (!(error instanceof Error)) return ''
  if (error instanceof S3ServiceException) return error.name
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name
}

/** The status of HTTP that the server answered, or 0. What answers HEAD has nothing else to say. */
export const s3StatusOf = (error: unknown): number =>
  error instanceof S3ServiceException ? (error.$metadata.httpStatusCode ?? 0) : 0

/** What a call on S3 ends with. Nothing of the request is kept, since it holds the signature. */
export function s3Error(error: unknown, connection: S3Connection, bounds: Bounds, doing: string): unknown {
  if (error instanceof SourceFailure) return error.cause
  if (bounds.signal.aborted) return bounds.end()
  if (error instanceof StorageError || !(error instanceof Error)) return error
  if (error instanceof S3ServiceException) return answered(error, connection, doing)
  const code = s3CodeOf(error)
  if (byName[code] !== undefined) return new StorageError(byName[code], `${doing}: no credentials were found`)
  if (certificate.test(code)) {
    const remedy = 'Give the authority (CA) that signed its certificate, and the name that is in it'
    return new StorageError('Unreachable', `${doing}: the server is not trusted (${code})`, remedy)
  }
  if (isOfSystem(error)) return new StorageError('Unreachable', `${doing}: ${code}`)
  if (error.name === 'TimeoutError')
    return new StorageError(
      'Slow',
      `${doing}: nothing moved for ${connection.stallMs / 1000} s, ${connection.tries} times`,
    )
  // Not an error of the network: the answer was none of S3, or the fault is ours.
  return new StorageError('Refused', `${doing}: ${redact(error.message, connection.secrets)}`)
}

function answered(error: S3ServiceException, { secrets }: S3Connection, doing: string): StorageError {
  const { name, message } = error
  const status = s3StatusOf(error)
  const passes = status >= 500 && status !== 501
  const byItself = name in refusals ? 'Refused' : undefined
  const fault = byName[name] ?? byItself ?? byStatus[status] ?? (passes ? 'Unreachable' : 'Refused')
  const said = message === name || message === '' ? '' : `: ${redact(message, secrets)}`
  return new StorageError(fault, `${doing}: the server answered ${status} ${name}${said}`, refusals[name])
}

const isOfSystem = (error: Error): boolean =>
  'code' in error && typeof error.code === 'string' && /^E[A-Z0-9_]+$/.test(error.code) && error.code !== 'ETIMEDOUT'

const redact = (text: string, secrets: readonly string[]): string =>
  secrets.reduce((clean, secret) => clean.replaceAll(secret, '(withheld)'), text)
