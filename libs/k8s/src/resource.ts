/** A kind of object as the API server addresses it. */
export type ResourceDescriptor = {
  /** Empty for the core group. */
  readonly group: string
  readonly version: string
  readonly plural: string
  readonly kind: string
  readonly namespaced: boolean
}

/** Which object of a kind; a cluster-scoped one has an empty namespace. */
export type ObjectKey = { readonly namespace: string; readonly name: string }

function namespaced(group: string, version: string, plural: string, kind: string): ResourceDescriptor {
  return { group, version, plural, kind, namespaced: true }
}

/** Pods. */
export const pods = namespaced('', 'v1', 'pods', 'Pod')
/** Services. */
export const services = namespaced('', 'v1', 'services', 'Service')
/** ConfigMaps. */
export const configMaps = namespaced('', 'v1', 'configmaps', 'ConfigMap')
/** Secrets: get by name only, never list or watch. */
export const secrets = namespaced('', 'v1', 'secrets', 'Secret')
/** PersistentVolumeClaims. */
export const persistentVolumeClaims = namespaced('', 'v1', 'persistentvolumeclaims', 'PersistentVolumeClaim')
/** StatefulSets. */
export const statefulSets = namespaced('apps', 'v1', 'statefulsets', 'StatefulSet')
/** PodDisruptionBudgets. */
export const podDisruptionBudgets = namespaced('policy', 'v1', 'poddisruptionbudgets', 'PodDisruptionBudget')
/** Leases of leader election. */
export const leases = namespaced('coordination.k8s.io', 'v1', 'leases', 'Lease')
/** Events, of the newer API. */
export const events = namespaced('events.k8s.io', 'v1', 'events', 'Event')
/** Our own clusters. */
export const redisClusters = namespaced('slotkeeper.dev', 'v1beta1', 'redisclusters', 'RedisCluster')
/** Our own storages of backups. */
export const redisBackupStorages = namespaced('slotkeeper.dev', 'v1beta1', 'redisbackupstorages', 'RedisBackupStorage')
/** Our own schedules of backups. */
export const redisBackupSchedules = namespaced(
  'slotkeeper.dev',
  'v1beta1',
  'redisbackupschedules',
  'RedisBackupSchedule',
)
/** Our own restores. */
export const redisRestores = namespaced('slotkeeper.dev', 'v1beta1', 'redisrestores', 'RedisRestore')
/** Our own backups. */
export const redisBackups = namespaced('slotkeeper.dev', 'v1beta1', 'redisbackups', 'RedisBackup')
/** Jobs. */
export const jobs = namespaced('batch', 'v1', 'jobs', 'Job')
/** Nodes. */
export const nodes: ResourceDescriptor = { group: '', version: 'v1', plural: 'nodes', kind: 'Node', namespaced: false }

/** `v1`, `apps/v1`. */
export function apiVersionOf(resource: ResourceDescriptor): string {
  return resource.group === '' ? resource.version : `${resource.group}/${resource.version}`
}

/** Path of the collection; of all namespaces when none is given. */
export function collectionPath(resource: ResourceDescriptor, namespace = ''): string {
  const root = resource.group === '' ? `/api/${resource.version}` : `/apis/${resource.group}/${resource.version}`
  const scope = resource.namespaced && namespace !== '' ? `/namespaces/${encodeURIComponent(namespace)}` : ''
  return `${root}${scope}/${resource.plural}`
}

/** Path of one object or of one of its subresources. */
export function objectPath(resource: ResourceDescriptor, key: ObjectKey, subresource?: 'status'): string {
  // An empty segment would address the collection: a delete would then delete all of it.
  if (key.name === '') throw new Error(`a ${resource.kind} without a name`)
  if (resource.namespaced && key.namespace === '') throw new Error(`${resource.kind} ${key.name} without a namespace`)
  const path = `${collectionPath(resource, key.namespace)}/${encodeURIComponent(key.name)}`
  return subresource === undefined ? path : `${path}/${subresource}`
}
