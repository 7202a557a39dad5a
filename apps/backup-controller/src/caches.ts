import { type CachedAgentPod, type CachedJob, copiedFor, projectAgentPod, projectJob } from '@slotkeeper/agents'
import { backupSourceOf, LABEL, type RedisBackupSpec } from '@slotkeeper/api'
import { proofOf, type ScheduledBackup, type Sibling, type Source } from '@slotkeeper/backup'
import type { Key } from '@slotkeeper/controller'
import type { BackupStatus } from '@slotkeeper/events'
import {
  jobs,
  type Kube,
  type KubeObject,
  pods,
  redisBackups,
  redisBackupSchedules,
  redisBackupStorages,
  redisClusters,
  type Reflector,
  type ResourceDescriptor,
  startReflector,
} from '@slotkeeper/k8s'
import type { WatchedKind } from './app-command.ts'
import { sourceOf } from './source-of.ts'

/** What is kept of a backup. */
export type CachedBackup = Key & {
  readonly uid: string
  /** Name of its cluster, or address of its server. */
  readonly cluster: string
  readonly storage: string
  /** Whether nothing of its cluster concerns it any more. */
  readonly hasEnded: boolean
  /** Whether it is the copy of a restore: it stays for as long as that does, and nobody counts on it. */
  readonly isCopy: boolean
  /** Present once it is completed, and while nobody deletes it. */
  readonly completed?: Sibling & { readonly bytes: number }
  /** Present where a schedule made it. */
  readonly scheduled?: ScheduledBackup & { readonly by: string }
}
/** What is kept of a storage. */
export type CachedStorage = Key & { readonly object: KubeObject }
/** What is kept of a cluster. */
export type CachedSource = Key & { readonly source: Source }

/** Everything that is watched, for all kinds. */
export type Caches = {
  readonly backups: Reflector<CachedBackup>
  readonly schedules: Reflector<Key>
  readonly storages: Reflector<CachedStorage>
  readonly sources: Reflector<CachedSource>
  readonly jobs: Reflector<CachedJob>
  readonly pods: Reflector<CachedAgentPod>
  /** Resolves when everything in a namespace was listed once. */
  synced(signal: AbortSignal, namespace: string): Promise<void>
}

/** What is done when something changes, by the kind that it concerns. */
export type Wakes = Readonly<Record<WatchedKind, (key: Key) => void>>

type Options = {
  readonly kube: Kube
  readonly namespaces: readonly string[]
  readonly wakes: Wakes
  readonly onProblem: (error: unknown) => void
  readonly onAccess: Readonly<Record<WatchedKind, (namespace: string, allowed: boolean) => void>>
}

type OfAgent = { readonly namespace: string; readonly agentOf: string }

/** Starts the watches; every change wakes the backups, storages and schedules that it may concern. */
export function startCaches(options: Options, signal: AbortSignal): Caches {
  const { kube, namespaces, wakes, onProblem } = options
  const scope = { kube, onProblem, ...(namespaces.length === 0 ? {} : { namespaces }) }
  const agents = { ...scope, labelSelector: LABEL.agentOf, indexLabels: [LABEL.agentOf] }
  const wakeThose = (which: (one: CachedBackup) => boolean): void => {
    for (const { namespace, name } of backups.list().filter(which)) wakes.backup({ namespace, name })
  }
  const backups = startReflector<CachedBackup>(
    {
      ...scope,
      resource: redisBackups,
      project: projectBackup,
      onAccess: options.onAccess.backup,
      onChange: ({ object }) => {
        wakes.backup(object)
        wakes.storage({ namespace: object.namespace, name: object.storage })
        if (object.scheduled !== undefined) wakes.schedule({ namespace: object.namespace, name: object.scheduled.by })
        // A newer one may be what an older one was kept for.
        if (object.completed !== undefined)
          wakeThose((one) => one.namespace === object.namespace && one.storage === object.storage)
      },
    },
    signal,
  )
  const storages = startReflector<CachedStorage>(
    {
      ...scope,
      resource: redisBackupStorages,
      onAccess: options.onAccess.storage,
      project: (object) => ({ ...keyIn(object), object }),
      onChange: ({ object }) => {
        wakes.storage(object)
        wakeThose((one) => one.namespace === object.namespace && one.storage === object.name)
      },
    },
    signal,
  )
  const sources = startReflector<CachedSource>(
    {
      ...scope,
      resource: redisClusters,
      project: (object) => ({ ...keyIn(object), source: sourceOf(object) }),
      onChange: ({ object }) =>
        wakeThose((one) => one.namespace === object.namespace && one.cluster === object.name && !one.hasEnded),
    },
    signal,
  )
  const watch = <T extends OfAgent>(resource: ResourceDescriptor, project: (object: KubeObject) => T): Reflector<T> =>
    startReflector<T>({ ...agents, resource, project, onChange: ({ object }) => wakeOwner(wakes, object) }, signal)
  const schedules = startReflector<Key>(
    {
      ...scope,
      resource: redisBackupSchedules,
      onAccess: options.onAccess.schedule,
      project: keyIn,
      onChange: ({ object }) => wakes.schedule(object),
    },
    signal,
  )
  const owned = { jobs: watch(jobs, projectJob), pods: watch(pods, projectAgentPod) }
  const caches = { backups, storages, schedules, sources, ...owned }
  return { ...caches, synced: (stop, namespace) => allSynced(Object.values(caches), stop, namespace) }
}

async function allSynced(
  all: readonly Pick<Reflector<unknown>, 'synced'>[],
  signal: AbortSignal,
  namespace: string,
): Promise<void> {
  await Promise.all(all.map((one) => one.synced(signal, namespace)))
}

function wakeOwner(wakes: Wakes, { namespace, agentOf }: OfAgent): void {
  const [kind, name = ''] = agentOf.split('.')
  if (kind === 'backup') wakes.backup({ namespace, name })
  else wakes.storage({ namespace, name })
}

const keyIn = ({ metadata }: KubeObject): Key => ({ namespace: metadata.namespace ?? '', name: metadata.name })

function projectBackup(object: KubeObject): CachedBackup {
  const { metadata } = object
  const spec = object['spec'] as RedisBackupSpec
  const status = (object['status'] ?? {}) as Partial<BackupStatus>
  return {
    ...keyIn(object),
    uid: metadata.uid ?? '',
    cluster: backupSourceOf(spec),
    storage: spec.storageName,
    hasEnded: status.endedAt !== undefined,
    isCopy: copiedFor(object) !== undefined,
    ...completedPart(object, status),
    ...scheduledPart(object, status),
  }
}

/** What a completed backup is to others: one that is being deleted, or goes with a restore, is none to rely on. */
export function completedPart(object: KubeObject, status: Partial<BackupStatus>): Pick<CachedBackup, 'completed'> {
  const { metadata } = object
  const { state, endedAt, cluster, bytes = 0, expired, verified } = status
  if (state !== 'Completed' || endedAt === undefined || cluster === undefined) return {}
  if (metadata.deletionTimestamp !== undefined || expired !== undefined || copiedFor(object) !== undefined) return {}
  const { uid = '', name } = metadata
  const proof = proofOf(object['spec'] as RedisBackupSpec, verified)
  return { completed: { uid, name, clusterUid: cluster.uid, endedAt, bytes, ...proof } }
}

function scheduledPart(
  { metadata, spec }: KubeObject,
  { state = '', endedAt }: Partial<BackupStatus>,
): Pick<CachedBackup, 'scheduled'> {
  const { uid = '', name, labels = {}, deletionTimestamp, creationTimestamp = '' } = metadata
  const { deadlineSeconds } = spec as RedisBackupSpec
  const by = labels[LABEL.schedule]
  if (by === undefined) return {}
  const ended = endedAt === undefined ? {} : { endedAt }
  const deadlineAt = Date.parse(creationTimestamp) + deadlineSeconds * 1_000
  return { scheduled: { by, name, uid, state, deadlineAt, ...ended, isDeleting: deletionTimestamp !== undefined } }
}
