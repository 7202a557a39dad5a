import { ManifestError } from '@slotkeeper/backup'
import { ContainerError, StorageError } from '@slotkeeper/object-storage'
import { RdbError } from '@slotkeeper/rdb'
import { PauseEnded, RedisError } from '@slotkeeper/redis-client'
import { expect, test } from 'vitest'
import { AgentError } from './agent-error.ts'
import { faultOf } from './fault-of.ts'
import { BackupError } from './store-snapshot.ts'

const NO_FORK = "ERR BGSAVE failed, replication can't continue"

test.each([
  ['StorageUnreachable', new StorageError('Unreachable', 'no connection')],
  ['StorageUnreachable', new StorageError('Slow', 'nothing moved')],
  ['StorageFull', new StorageError('Full', 'no room')],
  ['StorageForbidden', new StorageError('Forbidden', 'not allowed')],
  ['StorageForbidden', new StorageError('WrongCredentials', 'not known')],
  ['StorageMissing', new StorageError('NoBucket', 'no bucket')],
  ['StorageRefused', new StorageError('Refused', 'something')],
  ['ObjectMissing', new StorageError('NotFound', 'no object')],
  ['Unexpected', new StorageError('Exists', 'the name is taken')],
  ['DeadlineExceeded', new StorageError('Deadline', 'too late')],
  ['KeyWrong', new ContainerError('WrongKey', 'a namesake')],
  ['KeyWrong', new ContainerError('UnknownKey', 'another key')],
  ['KeyWrong', new ContainerError('NotEncrypted', 'no key')],
  ['ObjectDamaged', new ContainerError('Damaged', 'bytes were changed')],
  ['ObjectDamaged', new ContainerError('OtherSubject', 'another object')],
  ['ObjectDamaged', new ManifestError('shards: must be numbered')],
  ['ObjectDamaged', new BackupError('ObjectDamaged', 'not what was stored')],
  ['KeysMisplaced', new BackupError('KeysMisplaced', 'keys of 3 slots')],
  ['ServerDenied', new RedisError('Denied', 'WRONGPASS')],
  ['ServerDenied', new RedisError('Answered', "ERR unknown command 'PSYNC', with args beginning with: '?' '-1'")],
  ['ServerUntrusted', new RedisError('Untrusted', 'TLS: self-signed certificate')],
  ['ServerUnreachable', new RedisError('Refused', 'connection refused')],
  ['ServerUnreachable', new RedisError('TimedOut', 'no answer')],
  ['ServerUnreachable', new RedisError('Loading', 'loading')],
  ['ServerUnreachable', new RedisError('Closed', 'closed')],
  ['ServerUnreachable', new RedisError('Answered', 'the replica has no primary')],
  ['NoFork', new RedisError('Answered', NO_FORK)],
  ['PauseTooShort', new PauseEnded('not all had forked')],
  ['DataUnreadable', new RdbError('checksum', 'it was altered', 17)],
  ['DataUnreadable', new RdbError('database', 'a key of database 1', 17)],
  ['TopologyChanged', new RdbError('slots', 'slots were moving', 17)],
  ['Interrupted', new AgentError('Interrupted', 'told to end')],
  ['SecretMissing', new AgentError('SecretMissing', 'no key')],
  ['Unexpected', new TypeError('a mistake of ours')],
  ['Unexpected', 'no error at all'],
])('%s for %o', (fault, error) => {
  const found = faultOf(error)
  expect(found.fault).toBe(fault)
  expect(found.message).toContain(error instanceof Error ? error.message : error)
})

test('a remedy follows where there is one', () => {
  expect(faultOf(new StorageError('Full', 'no room')).message).toBe('no room. Make room, or raise the quota')
  expect(faultOf(new RedisError('Denied', 'orders-0-0: WRONGPASS')).message).toMatch(/WRONGPASS\. Look whether/)
  expect(faultOf(new RedisError('Denied', 'NOPERM no psync')).message).toMatch(/Its user needs: -@all \+psync/)
  expect(faultOf(new RedisError('Answered', 'ERR unknown command PSYNC')).message).toMatch(/make a replica of it/)
})
