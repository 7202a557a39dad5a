import { agentOf, agentRuns, type ProgressMemory, type RunsContext, storageView } from '@slotkeeper/agents'
import { backupSourceOf, LABEL } from '@slotkeeper/api'
import type { AgentRun } from '@slotkeeper/backup'
import type { Owner } from './app-command.ts'
import type { BackupObject } from './backup-object.ts'
import type { Caches } from './caches.ts'
import type { ObservedBackup } from './decide-backup.ts'
import type { ObservedStorage } from './decide-storage.ts'
import type { StorageObject } from './storage-object.ts'

/** Looks at everything that a decision about a backup depends on. */
export async function observeBackup(
  caches: Caches,
  progress: ProgressMemory,
  { metadata, spec, status }: BackupObject,
  signal: AbortSignal,
): Promise<ObservedBackup> {
  const { namespace, name, uid } = metadata
  const pods = caches.pods.byLabel(LABEL.agentOf, agentOf({ kind: 'backup', name }), namespace)
  const isStreaming = status?.state === 'Streaming'
  const so = isStreaming ? await progress.look(pods, Date.now(), signal) : new Map()
  progress.keepOnly((jobUid) => caches.pods.list().some((pod) => pod.jobUid === jobUid))
  const siblings = caches.backups
    .list(namespace)
    .filter((one) => one.storage === spec.storageName && one.uid !== uid)
    .flatMap((one) => one.completed ?? [])
  return {
    source: caches.sources.get(namespace, backupSourceOf(spec))?.source ?? null,
    storage: storageView(caches.storages.get(namespace, spec.storageName)?.object),
    runs: runsOf(caches, { kind: 'backup', namespace, name, uid }, so),
    siblings,
    // What is not known is kept.
    isCopy: caches.backups.get(namespace, name)?.isCopy !== false,
  }
}

/** Looks at everything that a decision about a storage depends on. */
export function observeStorage(caches: Caches, { metadata }: StorageObject): ObservedStorage {
  const { namespace, name, uid } = metadata
  return {
    runs: runsOf(caches, { kind: 'storage', namespace, name, uid }, new Map()),
    backups: caches.backups
      .list(namespace)
      .filter((one) => one.storage === name)
      .flatMap((one) => one.completed ?? []),
  }
}

function runsOf(caches: Caches, owner: Owner, progress: RunsContext['progress']): readonly AgentRun[] {
  const { namespace, uid } = owner
  const jobs = caches.jobs.byLabel(LABEL.agentOf, agentOf(owner), namespace).filter((one) => one.ownerUid === uid)
  return agentRuns(jobs, caches.pods.byLabel(LABEL.agentOf, agentOf(owner), namespace), { progress, now: Date.now() })
}
