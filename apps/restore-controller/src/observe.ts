import { agentOf, agentRuns, type ProgressMemory, storageView } from '@slotkeeper/agents'
import { LABEL } from '@slotkeeper/api'
import { backupNameOf, isClaimOf } from '@slotkeeper/restore'
import type { Caches } from './caches.ts'
import type { ObservedRestore } from './decide-restore.ts'
import type { RestoreObject } from './restore-object.ts'

/** Looks at everything that a decision about a restore depends on. */
export async function observe(
  caches: Caches,
  progress: ProgressMemory,
  { metadata, spec, status }: RestoreObject,
  signal: AbortSignal,
): Promise<ObservedRestore> {
  const { namespace, name, uid } = metadata
  await Promise.all(Object.values(caches).map((one) => one.synced(signal, namespace)))
  const { source, target } = spec
  const owner = agentOf({ kind: 'restore', name })
  const pods = caches.pods.byLabel(LABEL.agentOf, owner, namespace)
  const so = status?.state === 'Seeding' ? await progress.look(pods, Date.now(), signal) : new Map()
  progress.keepOnly((jobUid) => caches.pods.list().some((pod) => pod.jobUid === jobUid))
  const jobs = caches.jobs.byLabel(LABEL.agentOf, owner, namespace).filter((one) => one.ownerUid === uid)
  const backupName = backupNameOf(spec, metadata)
  const backup = backupName === null ? undefined : caches.backups.get(namespace, backupName)
  const storageName = status?.storageName ?? source.stored?.storageName ?? backup?.view.storageName ?? ''
  const claims = caches.claims.list(namespace).filter((one) => isClaimOf(target.cluster.name, one.name))
  return {
    backup: backup?.view ?? null,
    storage: storageView(caches.storages.get(namespace, storageName)?.object),
    target: caches.targets.get(namespace, target.cluster.name)?.view ?? null,
    rivals: caches.restores
      .list(namespace)
      .filter((one) => one.inPlace && one.cluster === target.cluster.name && one.name !== name)
      .map((one) => one.view),
    claims: claims.map((one) => one.view),
    runs: agentRuns(jobs, pods, { progress: so, now: Date.now() }),
  }
}
