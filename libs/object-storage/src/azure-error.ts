import type { AzureConnection } from './azure-connection.ts'
import { AzureRefusal } from './azure-request.ts'
import type { Bounds } from './bounds.ts'
import { callError, withheld } from './call-error.ts'
import { StorageError, type StorageFault } from './storage-error.ts'

const byCode: Readonly<Record<string, StorageFault>> = {
  BlobNotFound: 'NotFound',
  ContainerNotFound: 'NoBucket',
  ContainerBeingDeleted: 'NoBucket',
  AuthenticationFailed: 'WrongCredentials',
  InvalidAuthenticationInfo: 'WrongCredentials',
  NoAuthenticationInformation: 'WrongCredentials',
  KeyBasedAuthenticationNotPermitted: 'WrongCredentials',
  BlobAlreadyExists: 'Exists',
  ConditionNotMet: 'Exists',
  // A token that may create, and not write over.
  UnauthorizedBlobOverwrite: 'Exists',
  // Another put of the same name has ended, or was taken back, meanwhile: its blocks and ours lie together.
  InvalidBlockList: 'Unreachable',
}

const byStatus: Readonly<Record<number, StorageFault>> = {
  401: 'WrongCredentials',
  403: 'Forbidden',
  404: 'NotFound',
  412: 'Exists',
}

const refusals: Readonly<Record<string, string>> = {
  BlobImmutableDueToPolicy: 'Wait until its retention is over, or keep backups in a container without',
  BlobArchived: 'Have it brought back from the archive tier first',
  SnapshotsPresent: 'Delete its snapshots first; they are none of ours',
}

/** The code of Azure that the server answered, or nothing. */
export const azureCodeOf = (error: unknown): string => (error instanceof AzureRefusal ? error.code : '')

/** Whether an object was there already where none may be, or was another one than was meant. */
export const isTaken = (error: unknown): boolean =>
  azureCodeOf(error) === 'BlobAlreadyExists' || azureCodeOf(error) === 'ConditionNotMet'

/** What a call on Azure ends with. */
export const azureError = (connection: AzureConnection, error: unknown, bounds: Bounds, doing: string): unknown =>
  callError(error, {
    bounds,
    doing,
    server: connection,
    answered: (failure) => (failure instanceof AzureRefusal ? answered(failure, connection, doing) : null),
  })

function answered({ status, code, message }: AzureRefusal, { secrets }: AzureConnection, doing: string): StorageError {
  const byItself = code in refusals ? 'Refused' : undefined
  const passes = status >= 500 && status !== 501
  // One code stands for several kinds of no, of which a network that is closed is none of the credentials' fault.
  const isUnknown = code === 'AuthorizationFailure' && message.startsWith('Server failed to authenticate')
  const fault =
    (isUnknown ? 'WrongCredentials' : byCode[code]) ??
    byItself ??
    byStatus[status] ??
    (passes ? 'Unreachable' : 'Refused')
  const said = message === '' ? '' : `: ${withheld(message, secrets)}`
  return new StorageError(fault, `${doing}: the server answered ${status} ${code}${said}`, refusals[code])
}
