import {
  agentOf,
  type CachedAgentPod,
  type CachedJob,
  copiedFor,
  projectAgentPod,
  projectJob,
} from '@slotkeeper/agents'
import { ANNOTATION, defined, LABEL, type RedisRestoreSpec } from '@slotkeeper/api'
import type { Key } from '@slotkeeper/controller'
import type { BackupStatus } from '@slotkeeper/events'
import {
  jobs,
  type Kube,
  type KubeObject,
  persistentVolumeClaims,
  pods,
  redisBackups,
  redisBackupStorages,
  redisClusters,
  redisRestores,
  type Reflector,
  type ResourceDescriptor,
  startReflector,
} from '@slotkeeper/k8s'
import {
  backupNameOf,
  type BackupView,
  type ClaimView,
  isClaimOf,
  isInPlace,
  type RestoreCase,
  type TargetView,
} from '@slotkeeper/restore'
import { targetView } from './target-view.ts'

type Place = { readonly namespace: string }
type CachedRestore = Key & {
  readonly cluster: string
  readonly inPlace: boolean
  readonly backup?: string
  readonly storage?: string
  readonly view: RestoreCase['rivals'][number]
}
type CachedBackup = Key & { readonly view: BackupView }
type CachedStorage = Key & { readonly object: KubeObject }
type CachedTarget = Key & { readonly view: TargetView }
type CachedClaim = Key & { readonly view: ClaimView }

/** Everything that is watched. */
export type Caches = {
  readonly restores: Reflector<CachedRestore>
  readonly backups: Reflector<CachedBackup>
  readonly storages: Reflector<CachedStorage>
  readonly targets: Reflector<CachedTarget>
  readonly claims: Reflector<CachedClaim>
  readonly jobs: Reflector<CachedJob>
  readonly pods: Reflector<CachedAgentPod>
}

type Options = {
  readonly kube: Kube
  /** Empty: all of them. */
  readonly namespaces: readonly string[]
  readonly wake: (key: Key) => void
  readonly onProblem: (error: unknown) => void
  readonly onAccess: (namespace: string, allowed: boolean) => void
}

/** Starts the watches; every change wakes the restores that it may concern. */
export function startCaches({ kube, namespaces, wake, onProblem, onAccess }: Options, signal: AbortSignal): Caches {
  const scope = { kube, onProblem, ...(namespaces.length === 0 ? {} : { namespaces }) }
  const watch = <T extends Place>(
    resource: ResourceDescriptor,
    project: (object: KubeObject) => T,
    concerns: (one: T, restore: CachedRestore) => boolean,
    extra: object = {},
  ): Reflector<T> => {
    const onChange = ({ object }: { readonly object: T }): void => {
      const { namespace } = object
      for (const one of restores.list(namespace)) if (concerns(object, one)) wake({ namespace, name: one.name })
    }
    return startReflector<T>({ ...scope, ...extra, resource, project, onChange }, signal)
  }
  const restores = startReflector<CachedRestore>(
    { ...scope, resource: redisRestores, project: projectRestore, onAccess, onChange: ({ object }) => wake(object) },
    signal,
  )
  const agents = { labelSelector: LABEL.agentOf, indexLabels: [LABEL.agentOf] }
  const isAgentOf = (one: { readonly agentOf: string }, { name }: CachedRestore): boolean =>
    one.agentOf === agentOf({ kind: 'restore', name })
  return {
    restores,
    backups: watch(redisBackups, projectBackup, (one, restore) => restore.backup === one.name),
    // Which storage a backup is in the restore knows only once it has begun.
    storages: watch(redisBackupStorages, projectStorage, (one, { storage = one.name }) => storage === one.name),
    targets: watch(redisClusters, projectTarget, (one, restore) => restore.cluster === one.name),
    claims: watch(persistentVolumeClaims, projectClaim, (one, { cluster }) => isClaimOf(cluster, one.name)),
    jobs: watch(jobs, projectJob, isAgentOf, agents),
    pods: watch(pods, projectAgentPod, isAgentOf, agents),
  }
}

const keyIn = ({ metadata }: KubeObject): Key => ({ namespace: metadata.namespace ?? '', name: metadata.name })

function projectRestore(object: KubeObject): CachedRestore {
  const spec = object['spec'] as RedisRestoreSpec
  const { source, target } = spec
  const backup = backupNameOf(spec, { ...keyIn(object), uid: object.metadata.uid ?? '' })
  return {
    ...keyIn(object),
    cluster: target.cluster.name,
    inPlace: isInPlace(spec),
    view: rivalView(object),
    ...(backup === null ? {} : { backup }),
    ...(source.stored === undefined ? {} : { storage: source.stored.storageName }),
  }
}

function rivalView({ metadata, ...object }: KubeObject): CachedRestore['view'] {
  const { name, uid = '', creationTimestamp = '' } = metadata
  const { state = '' } = (object['status'] ?? {}) as { readonly state?: string }
  const isEnded = ['Completed', 'Failed'].includes(state)
  const hasBegun = !isEnded && !['', 'Waiting', 'Deleting'].includes(state)
  return { name, uid, createdAt: Date.parse(creationTimestamp), hasBegun, isEnded }
}

function projectBackup(object: KubeObject): CachedBackup {
  const { storageName } = object['spec'] as { readonly storageName: string }
  const status = (object['status'] ?? {}) as Partial<BackupStatus>
  const { state = 'not begun', manifest, manifestSha256, endedAt, reason, engine } = status
  const isCompleted = state === 'Completed' && endedAt !== undefined && manifest !== undefined
  const { uid = '', deletionTimestamp } = object.metadata
  const madeBy = copiedFor(object)
  return {
    ...keyIn(object),
    view: {
      uid,
      state,
      storageName,
      isDeleting: deletionTimestamp !== undefined,
      ...defined({ madeBy, reason, message: inWords(status), engine: engineIn(engine) }),
      ...(isCompleted ? defined({ manifest, sha256: manifestSha256 }) : {}),
    },
  }
}

const engineIn = (said: BackupStatus['engine']): BackupView['engine'] =>
  said !== undefined && /^\d+\.\d+/.test(said.version)
    ? { engine: said.engine === 'redis' ? 'redis' : 'valkey', version: said.version }
    : undefined

/** How far a backup is, for people. */
function inWords({ message, state, shards = [] }: Partial<BackupStatus>): string | undefined {
  if (message !== undefined || state !== 'Streaming') return message
  const stored = shards.filter((one) => one.record !== undefined).length
  const keys = shards.reduce((sum, one) => sum + (one.keys ?? one.streamedKeys ?? 0), 0)
  return `${stored} of ${shards.length} shards are stored, ${keys} keys by now`
}

const projectStorage = (object: KubeObject): CachedStorage => ({ ...keyIn(object), object })
const projectTarget = (object: KubeObject): CachedTarget => ({ ...keyIn(object), view: targetView(object) })

function projectClaim(object: KubeObject): CachedClaim {
  const { name, uid = '', annotations = {}, deletionTimestamp } = object.metadata
  const restoredBy = annotations[ANNOTATION.restoredBy]
  const view = { name, uid, isDeleting: deletionTimestamp !== undefined }
  return { ...keyIn(object), view: restoredBy === undefined ? view : { ...view, restoredBy } }
}
