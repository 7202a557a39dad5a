import { stringify } from 'yaml'

type Rule = {
  readonly apiGroups: readonly string[]
  readonly resources: readonly string[]
  readonly verbs: readonly string[]
}

/** What the cluster controller may do: what it does, and nothing besides (`rbac.test.ts`). Secrets are read by name, never listed or watched; no pods/exec. */
export const CLUSTER_CONTROLLER_RULES: readonly Rule[] = [
  { apiGroups: ['slotkeeper.dev'], resources: ['redisclusters'], verbs: ['get', 'list', 'watch', 'patch'] },
  { apiGroups: ['slotkeeper.dev'], resources: ['redisclusters/status'], verbs: ['patch'] },
  // Where OwnerReferencesPermissionEnforcement is on (OpenShift), an owner is named only by who may do this.
  { apiGroups: ['slotkeeper.dev'], resources: ['redisclusters/finalizers'], verbs: ['update'] },
  // Deleted only for a restore in place, once they leave their claims there (`replace-volumes.ts`).
  { apiGroups: ['apps'], resources: ['statefulsets'], verbs: ['get', 'list', 'watch', 'create', 'patch', 'delete'] },
  { apiGroups: [''], resources: ['persistentvolumeclaims'], verbs: ['list'] },
  { apiGroups: [''], resources: ['services', 'configmaps'], verbs: ['get', 'list', 'watch', 'create', 'patch'] },
  {
    apiGroups: ['policy'],
    resources: ['poddisruptionbudgets'],
    verbs: ['get', 'list', 'watch', 'create', 'patch', 'delete'],
  },
  { apiGroups: [''], resources: ['pods'], verbs: ['get', 'list', 'watch', 'patch', 'delete'] },
  { apiGroups: [''], resources: ['secrets'], verbs: ['get', 'create'] },
  { apiGroups: ['events.k8s.io'], resources: ['events'], verbs: ['create', 'patch'] },
]

/** What the backup controller may do. It reads no Secret: its agents are given theirs by the kubelet. */
export const BACKUP_CONTROLLER_RULES: readonly Rule[] = [
  {
    apiGroups: ['slotkeeper.dev'],
    resources: ['redisbackups'],
    verbs: ['get', 'list', 'watch', 'create', 'patch', 'delete'],
  },
  {
    apiGroups: ['slotkeeper.dev'],
    resources: ['redisbackupstorages', 'redisbackupschedules'],
    verbs: ['get', 'list', 'watch', 'patch'],
  },
  {
    apiGroups: ['slotkeeper.dev'],
    resources: ['redisbackups/status', 'redisbackupstorages/status', 'redisbackupschedules/status'],
    verbs: ['patch'],
  },
  {
    apiGroups: ['slotkeeper.dev'],
    resources: ['redisbackups/finalizers', 'redisbackupstorages/finalizers', 'redisbackupschedules/finalizers'],
    verbs: ['update'],
  },
  { apiGroups: ['slotkeeper.dev'], resources: ['redisclusters'], verbs: ['list', 'watch'] },
  // What is being restored does not expire.
  { apiGroups: ['slotkeeper.dev'], resources: ['redisrestores'], verbs: ['list'] },
  { apiGroups: ['batch'], resources: ['jobs'], verbs: ['list', 'watch', 'create', 'delete'] },
  { apiGroups: [''], resources: ['pods'], verbs: ['list', 'watch'] },
  { apiGroups: ['events.k8s.io'], resources: ['events'], verbs: ['create', 'patch'] },
]

/**
 * What the restore controller may do. It reads no Secret, and deletes no claim but what it has made, and what a cluster had
 * before a restore in place whose owner wants that (`act.ts`).
 */
export const RESTORE_CONTROLLER_RULES: readonly Rule[] = [
  { apiGroups: ['slotkeeper.dev'], resources: ['redisrestores'], verbs: ['get', 'list', 'watch', 'patch'] },
  { apiGroups: ['slotkeeper.dev'], resources: ['redisrestores/status'], verbs: ['patch'] },
  { apiGroups: ['slotkeeper.dev'], resources: ['redisrestores/finalizers'], verbs: ['update'] },
  { apiGroups: ['slotkeeper.dev'], resources: ['redisbackups'], verbs: ['list', 'watch', 'create'] },
  { apiGroups: ['slotkeeper.dev'], resources: ['redisbackupstorages'], verbs: ['list', 'watch'] },
  {
    apiGroups: ['slotkeeper.dev'],
    resources: ['redisclusters'],
    verbs: ['get', 'list', 'watch', 'create', 'patch'],
  },
  { apiGroups: [''], resources: ['persistentvolumeclaims'], verbs: ['get', 'list', 'watch', 'create', 'delete'] },
  { apiGroups: ['batch'], resources: ['jobs'], verbs: ['list', 'watch', 'create', 'delete'] },
  { apiGroups: [''], resources: ['pods'], verbs: ['list', 'watch'] },
  { apiGroups: ['events.k8s.io'], resources: ['events'], verbs: ['create', 'patch'] },
]

/** What it may do besides in its own namespace: its Lease, and what it says about its own pod. */
export const OWN_NAMESPACE_RULES: readonly Rule[] = [
  { apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: ['get', 'create', 'patch'] },
  { apiGroups: [''], resources: ['configmaps'], verbs: ['get', 'list', 'create', 'delete'] },
  // About the controller's own pod, also where only some namespaces are watched.
  { apiGroups: ['events.k8s.io'], resources: ['events'], verbs: ['create', 'patch'] },
]

/** Its own pod tells which image its agents run. */
export const OWN_POD_RULES: readonly Rule[] = [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }]

/** Optional: without it a lost node is not told of, and the taint of one that is switched off proves nothing. */
export const NODES_RULES: readonly Rule[] = [{ apiGroups: [''], resources: ['nodes'], verbs: ['list', 'watch'] }]

const labelsOf = (name: string) => ({
  'app.kubernetes.io/name': 'slotkeeper',
  'app.kubernetes.io/component': name.replace('slotkeeper-', ''),
})

const CLUSTER_CONTROLLER = 'slotkeeper-cluster-controller'
const BACKUP_CONTROLLER = 'slotkeeper-backup-controller'
const RESTORE_CONTROLLER = 'slotkeeper-restore-controller'

type Grant = {
  readonly account: string
  /** Where the account is; said only where it is not installed along with the role. */
  readonly namespace?: string
  readonly suffix?: string
}

/**
 * A role and its binding to a service account; cluster-wide ones by the prefix of their kinds. Of an account that is installed
 * along with them kustomize writes the namespace, wherever an overlay puts it; one that stood here it would leave as it is.
 */
function granted(
  { account, suffix = '', ...where }: Grant,
  prefix: 'Cluster' | '',
  rules: readonly Rule[],
): readonly object[] {
  const [apiGroup, kind] = ['rbac.authorization.k8s.io', `${prefix}Role`]
  const name = `${account}${suffix}`
  const metadata = { name, labels: labelsOf(account) }
  const subjects = [{ kind: 'ServiceAccount', name: account, ...where }]
  return [
    { apiVersion: `${apiGroup}/v1`, kind, metadata, rules },
    { apiVersion: `${apiGroup}/v1`, kind: `${kind}Binding`, metadata, roleRef: { apiGroup, kind, name }, subjects },
  ]
}

const accountOf = (name: string): object => ({
  apiVersion: 'v1',
  kind: 'ServiceAccount',
  metadata: { name, labels: labelsOf(name) },
})

const asYaml = (documents: readonly object[]): string =>
  documents.map((one) => stringify(one, { lineWidth: 0, aliasDuplicateObjects: false })).join('---\n')

/** The service account of the cluster controller with its roles, as YAML documents. */
export function clusterControllerRbac(): string {
  return asYaml([
    accountOf(CLUSTER_CONTROLLER),
    ...granted({ account: CLUSTER_CONTROLLER }, 'Cluster', CLUSTER_CONTROLLER_RULES),
    ...granted({ account: CLUSTER_CONTROLLER, suffix: '-nodes' }, 'Cluster', NODES_RULES),
    ...granted({ account: CLUSTER_CONTROLLER }, '', OWN_NAMESPACE_RULES),
  ])
}

/** The service account of the backup controller with its roles, as YAML documents. */
export const backupControllerRbac = (): string => agentsControllerRbac(BACKUP_CONTROLLER, BACKUP_CONTROLLER_RULES)

/** The service account of the restore controller with its roles, as YAML documents. */
export const restoreControllerRbac = (): string => agentsControllerRbac(RESTORE_CONTROLLER, RESTORE_CONTROLLER_RULES)

/** Of one that starts agents: it asks for its own pod besides. */
function agentsControllerRbac(account: string, rules: readonly Rule[]): string {
  return asYaml([
    accountOf(account),
    ...granted({ account }, 'Cluster', rules),
    ...granted({ account }, '', [...OWN_NAMESPACE_RULES, ...OWN_POD_RULES]),
  ])
}

/** What the controllers may do in one namespace that they watch, where they may nothing cluster-wide. */
export function watchedNamespaceRbac(): string {
  const from = { namespace: 'slotkeeper-system', suffix: '-watched' }
  return asYaml([
    ...granted({ account: CLUSTER_CONTROLLER, ...from }, '', CLUSTER_CONTROLLER_RULES),
    ...granted({ account: BACKUP_CONTROLLER, ...from }, '', BACKUP_CONTROLLER_RULES),
    ...granted({ account: RESTORE_CONTROLLER, ...from }, '', RESTORE_CONTROLLER_RULES),
  ])
}
