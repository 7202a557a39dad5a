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
  { apiGroups: ['apps'], resources: ['statefulsets'], verbs: ['get', 'list', 'watch', 'create', 'patch'] },
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

/** What it may do besides in its own namespace: its Lease, and what it says about its own pod. */
export const OWN_NAMESPACE_RULES: readonly Rule[] = [
  { apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: ['get', 'create', 'patch'] },
  { apiGroups: [''], resources: ['configmaps'], verbs: ['get', 'list', 'create', 'delete'] },
  // About the controller's own pod, also where only some namespaces are watched.
  { apiGroups: ['events.k8s.io'], resources: ['events'], verbs: ['create', 'patch'] },
]

/** Optional: without it a lost node is not told of, and the taint of one that is switched off proves nothing. */
export const NODES_RULES: readonly Rule[] = [{ apiGroups: [''], resources: ['nodes'], verbs: ['list', 'watch'] }]

const LABELS = { 'app.kubernetes.io/name': 'slotkeeper', 'app.kubernetes.io/component': 'cluster-controller' }

const NAME = 'slotkeeper-cluster-controller'

/** A role and its binding to the service account; cluster-wide ones by the prefix of their kinds. */
function granted(prefix: 'Cluster' | '', name: string, rules: readonly Rule[]): readonly object[] {
  const [apiGroup, kind] = ['rbac.authorization.k8s.io', `${prefix}Role`]
  const metadata = { name, labels: LABELS }
  const subjects = [{ kind: 'ServiceAccount', name: NAME, namespace: 'slotkeeper-system' }]
  return [
    { apiVersion: `${apiGroup}/v1`, kind, metadata, rules },
    { apiVersion: `${apiGroup}/v1`, kind: `${kind}Binding`, metadata, roleRef: { apiGroup, kind, name }, subjects },
  ]
}

const asYaml = (documents: readonly object[]): string =>
  documents.map((one) => stringify(one, { lineWidth: 0, aliasDuplicateObjects: false })).join('---\n')

/** The service account of the cluster controller with its roles, as YAML documents. */
export function clusterControllerRbac(): string {
  const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: NAME, labels: LABELS } }
  return asYaml([
    account,
    ...granted('Cluster', NAME, CLUSTER_CONTROLLER_RULES),
    ...granted('Cluster', `${NAME}-nodes`, NODES_RULES),
    ...granted('', NAME, OWN_NAMESPACE_RULES),
  ])
}

/** What the cluster controller may do in one namespace that it watches, where it may nothing cluster-wide. */
export function watchedNamespaceRbac(): string {
  return asYaml(granted('', `${NAME}-watched`, CLUSTER_CONTROLLER_RULES))
}
