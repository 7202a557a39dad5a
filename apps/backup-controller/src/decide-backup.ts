import { failuresInWords, type ScratchServer } from '@slotkeeper/agents'
import { backupSourceOf, CLIENT_PORT, defined, FINALIZER, redisClusterSpec } from '@slotkeeper/api'
import {
  type BackupCase,
  backupMetaOf,
  type BackupState,
  deletionMs,
  isPaused,
  nextBackup,
  objectOf,
  planBackup,
  type Source,
} from '@slotkeeper/backup'
import type { Decision, Input } from '@slotkeeper/controller'
import { type EventTrouble, release, statusToWrite } from '@slotkeeper/controller-host'
import { backupChanges, type BackupEvent, type BackupStatus } from '@slotkeeper/events'
import type { AppCommand } from './app-command.ts'
import type { BackupObject } from './backup-object.ts'
import { isDeletedBy } from './deletion-mark.ts'

/** What is seen of a backup. */
export type ObservedBackup = Pick<BackupCase, 'source' | 'storage' | 'runs' | 'siblings' | 'isCopy'>

/** A server as those that were backed up: by the image that they had, whatever became of them. */
function scratchOf({ image = '', cluster }: BackupStatus, source: Source | null): ScratchServer {
  const read = source?.uid === cluster?.uid ? redisClusterSpec.safeParse(source?.spec) : undefined
  return { image, port: CLIENT_PORT, ...(read?.success === true ? { cluster: read.data } : {}) }
}

/** Beyond what a deletion may take at most: after this it goes though what is told could not be spilled. */
const SPILL_MS = 300_000
const LOOK_MS = {
  Waiting: 10_000,
  Adopting: 5_000,
  Finding: 2_000,
  Streaming: 2_000,
  Sealing: 2_000,
  Verifying: 2_000,
  Completed: 60_000,
  Failed: 60_000,
  Deleting: 500,
}
/** Between two attempts to delete its objects. */
const PAUSE_LOOK_MS = 10_000

/** For how long nothing is to be done, of which so much is slept at most that its end is not missed. */
const pauseLeft = ({ retryAt = '' }: BackupStatus, now: number): number =>
  Math.max(LOOK_MS.Deleting, Math.min(PAUSE_LOOK_MS, Date.parse(retryAt) - now))

/** What is done by agents that enter servers. */
const READS_SERVERS: readonly string[] = ['find', 'store']

/** PURE: what became of the agents -> state -> next status -> events -> commands. */
export function decideBackup(
  { object, observed, failures, now }: Input<BackupObject, ObservedBackup>,
  eventTrouble: EventTrouble | null,
): Decision<BackupStatus, AppCommand, BackupEvent> {
  const {
    namespace,
    name,
    uid,
    generation,
    creationTimestamp = '',
    deletionTimestamp,
    finalizers = [],
  } = object.metadata
  const hasFinalizer = finalizers.includes(FINALIZER)
  const given: BackupCase = {
    backup: {
      namespace,
      name,
      uid,
      hasFinalizer,
      isLetGo: isDeletedBy('expired', object.metadata),
      isDiscarded: isDeletedBy('discarded', object.metadata),
      createdAt: Date.parse(creationTimestamp),
      ...(deletionTimestamp === undefined ? {} : { deletionAt: Date.parse(deletionTimestamp) }),
    },
    spec: object.spec,
    status: object.status,
    ...observed,
    trouble: failuresInWords(failures),
    now,
  }
  const { status: next, finding } = nextBackup(given)
  const state = next.state as BackupState
  const message = next.message ?? given.trouble ?? backupMetaOf(state).sentence
  const status = statusToWrite(next, {
    message,
    generation,
    now,
    trouble: eventTrouble,
    isReady: state === 'Completed',
    isStalled: state === 'Failed',
  })
  const { cluster, server, storageName, consistency } = object.spec
  const source = backupSourceOf(object.spec)
  const context = { cluster: source, storage: storageName, consistency, path: objectOf.all(given.backup) }
  const events = backupChanges(object.status, status, context)
  const of = { kind: 'backup', namespace, name, uid } as const
  const extra = observed.storage === null ? {} : { storage: observed.storage.spec }
  const commands = planBackup(given, status).map((command): AppCommand => ({
    ...command,
    of,
    ...(command.type === 'RunAgent' ? extra : {}),
    ...(command.type === 'RunAgent' && READS_SERVERS.includes(command.step)
      ? defined({ cluster: cluster?.name, server, isCopy: server === undefined ? undefined : observed.isCopy })
      : {}),
    ...(command.type === 'RunAgent' && command.step === 'load' ? { scratch: scratchOf(status, observed.source) } : {}),
  }))
  return {
    findings: finding === 'Sound' ? [] : [{ type: finding, about: name, message }],
    status,
    events,
    commands: [...commands, ...release(object, of, now, deletionMs(next) + SPILL_MS)],
    lookAgainInMs: state === 'Deleting' && isPaused(next, now) ? pauseLeft(next, now) : LOOK_MS[state],
  }
}
