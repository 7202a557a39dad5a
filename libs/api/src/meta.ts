/** The API group of every kind of Slotkeeper. */
export const GROUP = 'slotkeeper.dev'
/** The one served version; additive only. */
export const VERSION = 'v1beta1'
/** The field manager of everything that we apply. */
export const FIELD_MANAGER = 'slotkeeper'

/** Label keys. */
export const LABEL = {
  cluster: `${GROUP}/cluster`,
  shard: `${GROUP}/shard`,
  role: `${GROUP}/role`,
  /** On backups: the schedule that made them. */
  schedule: `${GROUP}/schedule`,
  /** On Jobs and pods of agents: whose they are, as `backup.nightly` or `storage.archive`. */
  agentOf: `${GROUP}/agent-of`,
  /** On pods that fill volumes of a cluster that is not there yet: its name. */
  seeds: `${GROUP}/seeds`,
  name: 'app.kubernetes.io/name',
  managedBy: 'app.kubernetes.io/managed-by',
} as const

/** Labels of every object of a cluster. */
export function labelsOf(cluster: string): Readonly<Record<string, string>> {
  return { [LABEL.cluster]: cluster, [LABEL.name]: 'slotkeeper', [LABEL.managedBy]: 'slotkeeper' }
}

/** Annotation keys. */
export const ANNOTATION = {
  specHash: `${GROUP}/spec-hash`,
  podHash: `${GROUP}/pod-hash`,
  /** On the Job of an agent: what it is there for, as JSON. */
  agent: `${GROUP}/agent`,
  /** On claims: the uid of the restore that has made and filled them. */
  restoredBy: `${GROUP}/restored-by`,
  /** On clusters: the uid of the restore in place that gave the last order. It stays when the order is taken back. */
  restoreOrderedBy: `${GROUP}/restore-ordered-by`,
  /** A person gives up the data of shards: `<shards>@<RFC 3339 time, at most an hour ahead>` (SAFETY 21). */
  acceptDataLoss: `${GROUP}/accept-data-loss`,
  /** On a storage, by a person: each word that was not there before has it tried at once. */
  check: `${GROUP}/check`,
  /**
   * On a backup that a retention policy deletes: the generation of its spec and the rule. One without it, or of another
   * generation, is deleted by a person.
   */
  expired: `${GROUP}/expired`,
  /** The same, on one that its schedule deletes. */
  discarded: `${GROUP}/discarded`,
} as const

/** The Secret with the users of a cluster's servers, and with the passwords of those that are ours. */
export const internalSecretOf = (cluster: string): string => `${cluster}-internal`

/** The finalizer that lets the last events of a deleted object be told. */
export const FINALIZER = `${GROUP}/lifecycle`

/** The port of clients. The bus port is derived from the cluster's uid: see `busPort`. */
export const CLIENT_PORT = 6379

/**
 * The bus port of a cluster: 16379 + a hash of its uid, so that two clusters that are given each other's addresses
 * can't merge (research: bus traffic is unauthenticated without TLS).
 */
export function busPort(uid: string): number {
  return 16379 + (shortHash(uid) % 16000)
}

/** A hash of 32 bits (FNV-1a), the same for ever: names are made of it. */
export function shortHash(text: string): number {
  let hash = 2166136261
  for (const char of text) hash = Math.imul(hash ^ char.charCodeAt(0), 16777619) >>> 0
  return hash
}
