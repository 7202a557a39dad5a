import { S3ServiceException } from '@aws-sdk/client-s3'
import type { Bounds } from './bounds.ts'
import { callError, CLOCK_REMEDY, withheld } from './call-error.ts'
import { isPassing } from './retries.ts'
import type { S3Connection } from './s3-connection.ts'
import { s3StatusOf } from './s3-status.ts'
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
  XAdminUserNotFound: 'WrongCredentials',
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

const region = 'Set the region of the bucket'
const refusals: Readonly<Record<string, string>> = {
  RequestTimeTooSkewed: CLOCK_REMEDY,
  AuthorizationHeaderMalformed: region,
  PermanentRedirect: region,
  InvalidObjectState: 'Have it brought back from the archive class first',
}

/** What the error calls itself: the code of S3, else that of the system. */
export const s3CodeOf = (error: unknown): string => {
  if (!(error instanceof Error)) return ''
  if (error instanceof S3ServiceException) return error.name
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name
}

/** What a call on S3 ends with. */
export const s3Error = (connection: S3Connection, error: unknown, bounds: Bounds, doing: string): unknown =>
  callError(error, {
    bounds,
    doing,
    server: connection,
    answered: (failure) => {
      if (failure instanceof S3ServiceException) return answered(failure, connection, doing)
      const fault = byName[s3CodeOf(failure)]
      return fault === undefined ? null : new StorageError(fault, `${doing}: no credentials were found`)
    },
  })

function answered(error: S3ServiceException, { secrets }: S3Connection, doing: string): StorageError {
  const { name, message } = error
  const status = s3StatusOf(error)
  const passes = isPassing(status) || (status >= 500 && status !== 501)
  const byItself = name in refusals ? 'Refused' : undefined
  const fault = byName[name] ?? byItself ?? byStatus[status] ?? (passes ? 'Unreachable' : 'Refused')
  const said = message === name || message === '' ? '' : `: ${withheld(message, secrets)}`
  return new StorageError(fault, `${doing}: the server answered ${status} ${name}${said}`, refusals[name])
}
