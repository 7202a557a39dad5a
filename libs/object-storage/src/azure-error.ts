import type { AzureConnection } from './azure-connection.ts'
import { AzureRefusal, type WrongTime } from './azure-answer.ts'
import type { Bounds } from './bounds.ts'
import { callError, CLOCK_REMEDY, withheld } from './call-error.ts'
import { isPassing } from './retries.ts'
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

const lease = 'Somebody holds a lease on it: break the lease, or remove the policy that takes it'

const refusals: Readonly<Record<string, string>> = {
  BlobImmutableDueToPolicy: 'Wait until its retention is over, or keep backups in a container without',
  BlobArchived: 'Have it brought back from the archive tier first',
  SnapshotsPresent: 'Delete its snapshots first; they are none of ours',
  LeaseIdMissing: lease,
  LeaseIdMismatchWithBlobOperation: lease,
  LeaseNotPresentWithBlobOperation: lease,
  LeaseLost: lease,
}

/** Of a request that was not known for its time: the kind, what it is, and what to do. */
const wrongTimes: Readonly<Record<WrongTime, readonly [StorageFault, string, string]>> = {
  clock: ['Refused', 'the clocks of this machine and the server differ too much', CLOCK_REMEDY],
  expired: ['WrongCredentials', 'the token has expired', 'Make a new token, and put it into the Secret'],
  early: ['WrongCredentials', 'the token is not valid yet', 'Wait until it is, or make one that begins earlier'],
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

function answered(refusal: AzureRefusal, { secrets, token }: AzureConnection, doing: string): StorageError {
  const { status, code, message } = refusal
  const byItself = code in refusals ? 'Refused' : undefined
  const passes = isPassing(status) || (status >= 500 && status !== 501)
  // One code stands for several kinds of no, of which a network that is closed is none of the credentials' fault.
  const isUnknown = code === 'AuthorizationFailure' && message.startsWith('Server failed to authenticate')
  const fault =
    (isUnknown ? 'WrongCredentials' : byCode[code]) ??
    byItself ??
    byStatus[status] ??
    (passes ? 'Unreachable' : 'Refused')
  const isDenied = fault === 'WrongCredentials' || fault === 'Forbidden'
  const time = isDenied ? (refusal.wrongTime ?? (isOver(token, refusal.at) ? 'expired' : null)) : null
  if (time !== null) {
    const [kind, what, remedy] = wrongTimes[time]
    return new StorageError(kind, `${doing}: the server answered ${status} ${code}: ${what}`, remedy)
  }
  const said = message === '' ? '' : `: ${withheld(message, secrets)}`
  return new StorageError(fault, `${doing}: the server answered ${status} ${code}${said}`, refusals[code])
}

/** Whether a token says of itself that its time is over; not all servers do. */
const isOver = (token: string, at: Date): boolean =>
  Date.parse(new URLSearchParams(token).get('se') ?? '') <= at.getTime()
