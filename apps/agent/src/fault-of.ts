import { type AgentFault, BACKUP_USER, ManifestError } from '@slotkeeper/backup'
import { ContainerError, type ContainerFault, StorageError, type StorageFault } from '@slotkeeper/object-storage'
import { RdbError, type RdbErrorKind } from '@slotkeeper/rdb'
import { PauseEnded, RedisError, type RedisFailure } from '@slotkeeper/redis-client'
import { AgentError } from './agent-error.ts'
import { BackupError } from './store-snapshot.ts'

const ofStorage: Readonly<Record<StorageFault, AgentFault>> = {
  NotFound: 'ObjectMissing',
  // The names of an attempt are drawn: another attempt draws others.
  Exists: 'Unexpected',
  Forbidden: 'StorageForbidden',
  WrongCredentials: 'StorageForbidden',
  NoBucket: 'StorageMissing',
  Full: 'StorageFull',
  Unreachable: 'StorageUnreachable',
  Slow: 'StorageUnreachable',
  Deadline: 'DeadlineExceeded',
  Refused: 'StorageRefused',
}

const ofContainer: Readonly<Record<ContainerFault, AgentFault>> = {
  WrongKey: 'KeyWrong',
  UnknownKey: 'KeyWrong',
  NotEncrypted: 'KeyWrong',
  OtherSubject: 'ObjectDamaged',
  NotAContainer: 'ObjectDamaged',
  UnknownVersion: 'ObjectDamaged',
  Damaged: 'ObjectDamaged',
  Truncated: 'ObjectDamaged',
  OutOfOrder: 'ObjectDamaged',
  Spliced: 'ObjectDamaged',
  TrailingBytes: 'ObjectDamaged',
}

const ofServer: Readonly<Record<RedisFailure, AgentFault>> = {
  Refused: 'ServerUnreachable',
  TimedOut: 'ServerUnreachable',
  Closed: 'ServerUnreachable',
  Loading: 'ServerUnreachable',
  Answered: 'ServerUnreachable',
  Denied: 'ServerDenied',
  Untrusted: 'ServerUntrusted',
}

const ofFile: Readonly<Record<RdbErrorKind, AgentFault>> = {
  magic: 'DataUnreadable',
  version: 'DataUnreadable',
  opcode: 'DataUnreadable',
  type: 'DataUnreadable',
  length: 'DataUnreadable',
  value: 'DataUnreadable',
  limit: 'DataUnreadable',
  database: 'DataUnreadable',
  truncated: 'DataUnreadable',
  trailing: 'DataUnreadable',
  checksum: 'DataUnreadable',
  // It was written while slots were on their way.
  slots: 'TopologyChanged',
}

const remedies: Partial<Readonly<Record<AgentFault, string>>> = {
  ServerUntrusted: 'Look at tls: ca is what its certificate is signed by, serverName the name that it bears',
  NoFork: 'The server has too little memory to fork, or vm.overcommit_memory is 0: its log says more',
  PauseTooShort:
    'Take it from the primaries (target: primary), or each shard at a moment of its own (consistency: shard)',
  KeysMisplaced: 'Have the keys moved or deleted: the cluster does not serve them where they are',
}

/** What a server says that knows no such command: it was renamed, or the service does not give it to anybody. */
const UNKNOWN_COMMAND = /unknown (sub)?command/i

function remedyOfDenial(said: string): string {
  if (said.includes('NOPERM')) return `Its user needs: ${BACKUP_USER.permissions}`
  if (UNKNOWN_COMMAND.test(said))
    return 'The server lets nobody take a snapshot, as services often do: make a replica of it where you may (REPLICAOF), or have the command back if it was renamed'
  return 'Look whether the servers know this user, and whether the mounted password is theirs'
}

/**
 * What an error means for a task: one of the closed set, and a sentence with a remedy where there is one. What is not
 * known is `Unexpected`.
 */
export function faultOf(error: unknown): { readonly fault: AgentFault; readonly message: string } {
  if (error instanceof AgentError) return { fault: error.fault, message: error.message }
  if (error instanceof StorageError)
    return { fault: ofStorage[error.fault], message: `${error.message}. ${error.remedy}` }
  const fault = faultWithoutRemedy(error)
  const said = error instanceof Error ? error.message : String(error)
  const remedy = fault === 'ServerDenied' ? remedyOfDenial(said) : remedies[fault]
  return { fault, message: remedy === undefined ? said : `${said}. ${remedy}` }
}

function faultOfServer({ reason, message }: RedisError): AgentFault {
  if (message.includes('BGSAVE failed')) return 'NoFork'
  return UNKNOWN_COMMAND.test(message) ? 'ServerDenied' : ofServer[reason]
}

function faultWithoutRemedy(error: unknown): AgentFault {
  if (error instanceof ContainerError) return ofContainer[error.fault]
  if (error instanceof PauseEnded) return 'PauseTooShort'
  if (error instanceof RedisError) return faultOfServer(error)
  if (error instanceof RdbError) return ofFile[error.kind]
  if (error instanceof BackupError) return error.fault
  if (error instanceof ManifestError) return 'ObjectDamaged'
  return 'Unexpected'
}
