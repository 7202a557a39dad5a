import { agentPorts, type AgentPorts, ProgressMemory } from '@slotkeeper/agents'
import {
  GROUP,
  type RedisBackupScheduleSpec,
  type RedisBackupSpec,
  type RedisBackupStorageSpec,
  VERSION,
} from '@slotkeeper/api'
import { backupAllows } from '@slotkeeper/backup'
import type { Controller } from '@slotkeeper/controller'
import { type App, endsBy, type Kind, type KindPorts, kindOf } from '@slotkeeper/controller-host'
import {
  type BackupEvent,
  backupNoteOf,
  type BackupStatus,
  type ScheduleEvent,
  scheduleNoteOf,
  type ScheduleStatus,
  type StorageEvent,
  storageNoteOf,
  type StorageStatus,
} from '@slotkeeper/events'
import { type Objects, redisBackups, redisBackupSchedules, redisBackupStorages } from '@slotkeeper/k8s'
import { act } from './act.ts'
import { actOnSchedule } from './act-on-schedule.ts'
import type { AppCommand } from './app-command.ts'
import { type BackupObject, parseBackup } from './backup-object.ts'
import type { Config } from './config.ts'
import { decideBackup, type ObservedBackup } from './decide-backup.ts'
import { decideSchedule, type ObservedSchedule, type ScheduleAppCommand } from './decide-schedule.ts'
import { decideStorage, type ObservedStorage } from './decide-storage.ts'
import type { Metrics } from '@slotkeeper/observability'
import { tellLastBackups } from './last-backups.ts'
import { observeBackup, observeStorage } from './observe.ts'
import { parseSchedule, type ScheduleObject } from './schedule-object.ts'
import { SharedCaches } from './shared-caches.ts'
import { parseStorage, type StorageObject } from './storage-object.ts'

/** The process that looks after RedisBackups, their storages and their schedules. */
export const backupApp: App<Config> = {
  name: 'backup-controller',
  kinds: (host) => {
    const { kube, objects, onProblem, config } = host
    const ports = agentPorts(objects, config)
    const caches = new SharedCaches({ kube, onProblem, namespaces: config.watchNamespaces })
    return [storageKind(ports, caches, host.metrics), backupKind(ports, caches), scheduleKind(objects, caches)]
  },
}

type StorageController = Controller<RedisBackupStorageSpec, StorageStatus, ObservedStorage, AppCommand, StorageEvent>
type ScheduleController = Controller<
  RedisBackupScheduleSpec,
  ScheduleStatus,
  ObservedSchedule,
  ScheduleAppCommand,
  ScheduleEvent
>
type BackupController = Controller<RedisBackupSpec, BackupStatus, ObservedBackup, AppCommand, BackupEvent>

function storageKind(ports: AgentPorts, caches: SharedCaches, metrics: Metrics): Kind {
  const controller = ({ eventTrouble, onAccess }: KindPorts<StorageObject>): StorageController => ({
    kind: { group: GROUP, version: VERSION, plural: redisBackupStorages.plural },
    wakes: (wake, signal) => caches.follow('storage', { wake, onAccess }, signal),
    observe: async (object, io) => {
      const all = await caches.synced(io.signal, object.metadata.namespace)
      tellLastBackups(metrics.lastBackup, all.backups.list())
      return observeStorage(all, object)
    },
    decide: (input) => decideStorage(input, eventTrouble(input.object)),
    // It has no state in which one of its few commands would be wrong; the finalizer goes only with the object.
    allows: (state, { type }) => (type === 'RemoveFinalizer') === (state === 'Deleting') || type === 'StopAgent',
    act: (command, io) => act(ports, command, io),
    ends: endsBy,
  })
  return kindOf({
    resource: redisBackupStorages,
    eventKind: 'storage',
    parse: parseStorage,
    noteOf: storageNoteOf,
    controller,
  })
}

function backupKind(ports: AgentPorts, caches: SharedCaches): Kind {
  const progress = new ProgressMemory()
  const controller = ({ eventTrouble, onAccess }: KindPorts<BackupObject>): BackupController => ({
    kind: { group: GROUP, version: VERSION, plural: redisBackups.plural },
    wakes: (wake, signal) => caches.follow('backup', { wake, onAccess }, signal),
    observe: async (object, io) =>
      observeBackup(await caches.synced(io.signal, object.metadata.namespace), progress, object, io.signal),
    decide: (input) => decideBackup(input, eventTrouble(input.object)),
    allows: (state, command) => backupAllows(state, command.type),
    act: (command, io) => act(ports, command, io),
    ends: endsBy,
  })
  return kindOf({ resource: redisBackups, eventKind: 'backup', parse: parseBackup, noteOf: backupNoteOf, controller })
}

function scheduleKind(objects: Objects, caches: SharedCaches): Kind {
  const controller = ({ eventTrouble, onAccess }: KindPorts<ScheduleObject>): ScheduleController => ({
    kind: { group: GROUP, version: VERSION, plural: redisBackupSchedules.plural },
    wakes: (wake, signal) => caches.follow('schedule', { wake, onAccess }, signal),
    observe: async ({ metadata: { namespace, name } }, io) => {
      const { backups } = await caches.synced(io.signal, namespace)
      return backups.list(namespace).flatMap(({ scheduled }) => (scheduled?.by === name ? [scheduled] : []))
    },
    decide: (input) => decideSchedule(input, eventTrouble(input.object)),
    allows: (state, { type }) => (type === 'RemoveFinalizer') === (state === 'Deleting'),
    act: (command, io) => actOnSchedule(objects, command, io),
    ends: endsBy,
  })
  return kindOf({
    resource: redisBackupSchedules,
    eventKind: 'backupschedule',
    parse: parseSchedule,
    noteOf: scheduleNoteOf,
    controller,
  })
}
