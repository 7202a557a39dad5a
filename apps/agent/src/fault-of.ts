import { type AgentFault, ManifestError } from '@slotkeeper/backup'
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
  ServerDenied: 'Look whether the servers know this user, and whether the mounted password is theirs',
  NoFork: 'The server has too little memory to fork, or vm.overcommit_memory is 0: its log says more',
  PauseTooShort:
    'Take it from the primaries (target: primary), or each shard at a moment of its own (consistency: shard)',
  KeysMisplaced: 'Have the keys moved or deleted: the cluster does not serve them where they are',
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
  const remedy = remedies[fault]
  return { fault, message: remedy === undefined ? said : `${said}. ${remedy}` }
}

function faultWithoutRemedy(error: unknown): AgentFault {
  if (error instanceof ContainerError) return ofContainer[error.fault]
  if (error instanceof PauseEnded) return 'PauseTooShort'
  if (error instanceof RedisError) return error.message.includes('BGSAVE failed') ? 'NoFork' : ofServer[error.reason]
  if (error instanceof RdbError) return ofFile[error.kind]
  if (error instanceof BackupError) return error.fault
  if (error instanceof ManifestError) return 'ObjectDamaged'
  return 'Unexpected'
}
