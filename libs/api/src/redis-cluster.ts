import { z } from 'zod'
import { imagePullSecrets, podParts, quantity, resources, stringMap } from './pod-parts.ts'
import { conditionsPart, runtimeParts } from './status-parts.ts'

/** Says in CEL that a field can't be changed yet, and what to do instead. */
function fixed(field: string): { readonly rule: string; readonly message: string } {
  return {
    rule: 'self == oldSelf',
    message: `${field} cannot be changed yet: create a new cluster with the value that you want`,
  }
}

/** Names that Slotkeeper sets itself, in `spec.config`. */
export const RESERVED_CONFIG = [
  'port',
  'dir',
  'bind',
  'timeout',
  'aclfile',
  'user',
  'masterauth',
  'masteruser',
  'requirepass',
  'appendonly',
  'save',
  'maxmemory',
  'daemonize',
  'pidfile',
  'logfile',
  'include',
  'dbfilename',
  'appenddirname',
  'appendfilename',
  'replicaof',
  'slaveof',
  'protected-mode',
  'unixsocket',
  'rename-command',
  'loadmodule',
  'enable-debug-command',
  'enable-module-command',
] as const
const RESERVED_PREFIXES = ['cluster-', 'tls-', 'replica-announce', 'slave-announce'] as const

const configRules = [
  {
    rule: `self.all(k, !(k in [${RESERVED_CONFIG.map((name) => `'${name}'`).join(', ')}]) && ${RESERVED_PREFIXES.map((p) => `!k.startsWith('${p}')`).join(' && ')})`,
    message:
      'spec.config holds a name that Slotkeeper sets itself (port, dir, bind, timeout, aclfile, user, masterauth, requirepass, appendonly, save, maxmemory, cluster-*, tls-*, *-announce-*): use the field of the spec that is made for it (storage.persistence, maxMemory, nodeTimeoutMs, auth) or leave it out',
  },
  {
    rule: "self.all(k, k.matches('^[a-z][a-z0-9-]*$'))",
    message: 'spec.config: names are lower case words joined by hyphens, as in redis.conf',
  },
  {
    rule: "self.all(k, !self[k].contains('\\n') && !self[k].contains('\\r'))",
    message: 'spec.config: a value is one line',
  },
]

const storage = z
  .object({
    size: quantity
      .describe('Size of the volume of each pod.')
      .meta({ 'x-kubernetes-validations': [fixed('spec.storage.size')] }),
    storageClassName: z
      .string()
      .max(253)
      .optional()
      .describe("StorageClass; absent: the cluster's default.")
      .meta({ 'x-kubernetes-validations': [fixed('spec.storage.storageClassName')] }),
    persistence: z
      .enum(['aof', 'rdb', 'none'])
      .default('aof')
      .describe('What the servers write to their volume.')
      .meta({ 'x-kubernetes-validations': [fixed('spec.storage.persistence')] }),
    retain: z.boolean().default(true).describe('Keep the volumes when the RedisCluster is deleted.'),
  })
  .describe('Volumes. Absent: the data lives and dies with the pod (emptyDir, persistence none).')

const spread = z.enum(['Disabled', 'Preferred', 'Required']).default('Preferred')

/** Says in CEL whether a cluster is one of a restore. */
const RESTORED = (self: string): string => `has(${self}.bootstrap) && has(${self}.bootstrap.restore)`
/** Says in CEL whether a restore into a cluster that is there was ordered, of a cluster of a restore. */
const IN_PLACE = 'has(self.bootstrap.restore.inPlace) && self.bootstrap.restore.inPlace'

/** Says in CEL whether a cluster takes over, or gives up, volumes that another one left. */
const CLAIMS = (self: string, way: 'adoptVolumes' | 'discardVolumes'): string =>
  `has(${self}.bootstrap) && has(${self}.bootstrap.${way})`
/** Says in CEL that such a word stays as it is once it is said. */
const stays = (way: 'adoptVolumes' | 'discardVolumes') => ({
  rule: `!(${CLAIMS('oldSelf', way)}) || ((${CLAIMS('self', way)}) && self.bootstrap.${way} == oldSelf.bootstrap.${way})`,
  message: `spec.bootstrap.${way} stays once it is set: delete this cluster, which leaves the volumes as they are, and create it with the uid that you want`,
})

const formerCluster = z.object({
  uid: z
    .string()
    .min(1)
    .max(64)
    .regex(/^[0-9A-Za-z-]+$/)
    .describe('metadata.uid of the RedisCluster that left them, as the condition Stalled names it.'),
})

const bootstrap = z
  .object({
    adoptVolumes: formerCluster
      .optional()
      .describe('Takes over the volumes that a deleted cluster of this name left, with all that is on them.'),
    discardVolumes: formerCluster
      .optional()
      .describe(
        'Discards all that a deleted cluster of this name left on its volumes, and forms an empty cluster there.',
      ),
    restore: z
      .object({
        name: z.string().min(1).max(253).describe('Its name.'),
        uid: z.string().min(1).max(64).describe('Its metadata.uid.'),
        inPlace: z
          .boolean()
          .optional()
          .describe('It gives up what the cluster held before, for volumes of their own that were filled beside it.'),
        former: z
          .object({
            name: z.string().max(253).describe('Its name.'),
            uid: z.string().max(64).describe('Its metadata.uid.'),
          })
          .optional()
          .describe('The restore in place whose data the cluster had when this one was ordered.'),
      })
      .optional()
      .describe('The RedisRestore that filled the volumes of the first primaries. Set by the restore controller only.'),
  })
  .describe('What the cluster is made of. Absent: it is formed empty.')

/** The spec of a RedisCluster. Every field has a reader: `spec-readers.test.ts` fails the build otherwise. */
export const redisClusterSpec = z
  .object({
    version: z
      .enum(['redis-7.0', 'redis-8.0', 'valkey-8.1', 'valkey-9.1'])
      .optional()
      .describe('Catalogue name of engine and version. Exactly one of version and image.'),
    image: z
      .string()
      .min(3)
      .max(512)
      .regex(/^[^\s]+(:[A-Za-z0-9_][A-Za-z0-9_.-]*)(@sha256:[0-9a-f]{64})?$/)
      .optional()
      .describe('Image with tag, and digest if you like. Exactly one of version and image.'),
    imagePullPolicy: z
      .enum(['Always', 'IfNotPresent', 'Never'])
      .default('IfNotPresent')
      .describe('When nodes fetch the image.'),
    imagePullSecrets: imagePullSecrets.describe('Of this namespace, for the image of the servers.'),
    shards: z
      .int()
      .min(3)
      .max(200)
      .describe('Number of shards; each owns a part of the 16384 slots.')
      .meta({ 'x-kubernetes-validations': [fixed('spec.shards')] }),
    replicasPerShard: z
      .int()
      .min(0)
      .max(5)
      .default(1)
      .describe('Replicas beside the primary of each shard. 0 means that a lost pod is lost data.')
      .meta({ 'x-kubernetes-validations': [fixed('spec.replicasPerShard')] }),
    resources: resources.describe('Of each server.'),
    maxMemory: z
      .string()
      .max(32)
      .regex(/^([1-9][0-9]?%|100%|[0-9]+(k|M|G|Ki|Mi|Gi)?)$/)
      .default('75%')
      .describe('maxmemory: a quantity, or a percentage of resources.limits.memory (no limit there: unlimited).'),
    config: z
      .record(z.string().max(64), z.string().max(512))
      .refine((config) => Object.keys(config).length <= 64)
      .optional()
      .describe('Lines of redis.conf by name.')
      .meta({ maxProperties: 64, 'x-kubernetes-validations': configRules }),
    storage: storage.optional(),
    onDataLoss: z
      .enum(['Stall', 'StartEmpty'])
      .optional()
      .describe(
        'When all data of a shard is gone: wait for a person, or serve its slots empty. Absent: StartEmpty where nothing is written to a volume (persistence none), else Stall.',
      ),
    auth: z
      .object({
        secretName: z
          .string()
          .min(1)
          .max(253)
          .describe('Secret with the key `password`.')
          .meta({ 'x-kubernetes-validations': [fixed('spec.auth.secretName')] }),
      })
      .optional()
      .describe('Absent: a password is generated into the Secret <name>-auth.'),
    nodeTimeoutMs: z.int().min(1000).max(60000).default(5000).describe('cluster-node-timeout in milliseconds.'),
    spread: z
      .object({
        nodes: spread.describe('Whether no node may, or should, have two of them.'),
        zones: spread.describe('The same for zones.'),
      })
      .optional()
      .describe('How the members of one shard are kept apart.'),
    podDisruptionBudget: z
      .object({
        mode: z
          .enum(['Shard', 'Cluster', 'Disabled'])
          .default('Shard')
          .describe('Shard: one of each shard. Cluster: one of all. Disabled: no budget is made.'),
      })
      .optional()
      .describe('How many pods may be evicted at a time.'),
    pod: podParts.optional(),
    service: z
      .object({
        type: z.enum(['ClusterIP']).default('ClusterIP').describe('The only kind there is so far.'),
        annotations: stringMap.optional().describe('Of the Service.'),
      })
      .optional()
      .describe('The Service for clients, named after the cluster.'),
    bootstrap: bootstrap.optional(),
    paused: z.boolean().optional().describe('The controller looks and reports, and does nothing.'),
  })
  .meta({
    'x-kubernetes-validations': [
      {
        rule: 'self.shards * (self.replicasPerShard + 1) <= 200',
        message:
          'spec: shards times (1 + replicasPerShard) may be 200 at most: take fewer shards or replicas, with more memory each',
      },
      {
        rule: 'has(self.version) != has(self.image)',
        message:
          'spec: set exactly one of version (for example valkey-9.1) and image (for example docker.io/valkey/valkey:9.1)',
      },
      {
        rule: '(has(self.version) == has(oldSelf.version)) && (!has(self.version) || self.version == oldSelf.version) && (!has(self.image) || self.image == oldSelf.image)',
        message:
          'spec.version and spec.image cannot be changed yet: create a new cluster with the version that you want',
      },
      {
        rule: 'has(self.storage) == has(oldSelf.storage)',
        message: 'spec.storage cannot be changed yet: create a new cluster with the storage that you want',
      },
      {
        rule: '!has(self.storage) || !has(oldSelf.storage) || has(self.storage.storageClassName) == has(oldSelf.storage.storageClassName)',
        message:
          'spec.storage.storageClassName cannot be changed yet: create a new cluster with the class that you want',
      },
      {
        rule: 'has(self.auth) == has(oldSelf.auth)',
        message: 'spec.auth cannot be changed yet: create a new cluster with the Secret that you want',
      },
      {
        rule: `(${RESTORED('self')}) ? ((${RESTORED('oldSelf')}) && self.bootstrap.restore == oldSelf.bootstrap.restore) || (${IN_PLACE} && (!(${RESTORED('oldSelf')}) || self.bootstrap.restore.uid != oldSelf.bootstrap.restore.uid)) : true`,
        message:
          'spec.bootstrap.restore stays as a restore has set it: to restore a backup, create a RedisRestore, with target.inPlace for a cluster that is there',
      },
      {
        rule: `!(${RESTORED('self')}) || (has(self.storage) && self.storage.persistence != 'none')`,
        message:
          'spec.bootstrap.restore needs volumes that keep their data: set spec.storage with persistence aof or rdb',
      },
      stays('adoptVolumes'),
      stays('discardVolumes'),
      {
        // A restore in place comes later, and has volumes of its own.
        rule: `[(${RESTORED('self')}) && !(${IN_PLACE}), ${CLAIMS('self', 'adoptVolumes')}, ${CLAIMS('self', 'discardVolumes')}].filter(one, one).size() <= 1`,
        message: 'spec.bootstrap: set one of adoptVolumes, discardVolumes and restore',
      },
      {
        rule: `!(${CLAIMS('self', 'adoptVolumes')}) || (has(self.storage) && self.storage.persistence != 'none')`,
        message:
          'spec.bootstrap.adoptVolumes needs volumes that keep their data: set spec.storage with the persistence of the cluster that left them',
      },
      {
        rule: `!(${CLAIMS('self', 'discardVolumes')}) || has(self.storage)`,
        message: 'spec.bootstrap.discardVolumes needs volumes: set spec.storage',
      },
    ],
  })

/** Says in CEL that nothing was started yet on what an order has filled, so that it may be taken back. */
const WITHDRAWABLE = [
  'has(oldSelf.spec.bootstrap.restore.inPlace) && oldSelf.spec.bootstrap.restore.inPlace',
  '!has(oldSelf.spec.bootstrap.restore.former) && has(self.status) && has(self.status.formedAt)',
  "(!has(self.status.restored) || (self.status.restored.uid == oldSelf.spec.bootstrap.restore.uid && !has(self.status.restored.formedAt) && has(self.status.operation) && self.status.operation.type == 'ReplaceVolumes'))",
].join(' && ')

/** What is held of spec and status together. */
export const redisClusterRules: readonly { readonly rule: string; readonly message: string }[] = [
  {
    rule: `(${RESTORED('self.spec')}) || !(${RESTORED('oldSelf.spec')}) || (${WITHDRAWABLE})`,
    message:
      'spec.bootstrap.restore stays as a restore has set it. The order of a restore in place may be taken out until servers are started on what was restored: it is too late for that, or there is a former one to be set instead (docs/backups.md, In place)',
  },
  {
    rule: `!has(self.status) || !(has(self.status.formedAt) || has(self.status.operation)) || (${(['adoptVolumes', 'discardVolumes'] as const).map((way) => `(${CLAIMS('self.spec', way)}) == (${CLAIMS('oldSelf.spec', way)})`).join(' && ')})`,
    message:
      'spec.bootstrap: adoptVolumes and discardVolumes are for a cluster that has not been formed; this one has data of its own, so nothing was changed',
  },
]

/** What a user asks for, with defaults filled in. */
export type RedisClusterSpec = z.infer<typeof redisClusterSpec>

/** The images of the catalogue's versions. */
export const CATALOGUE: Readonly<Record<NonNullable<RedisClusterSpec['version']>, string>> = {
  'redis-7.0': 'docker.io/library/redis:7.0',
  'redis-8.0': 'docker.io/library/redis:8.0',
  'valkey-8.1': 'docker.io/valkey/valkey:8.1',
  'valkey-9.1': 'docker.io/valkey/valkey:9.1',
}

const moment = z.string().max(40)
const restoreRecord = { name: z.string().max(253), uid: z.string().max(64), since: moment }

/** The status of a RedisCluster as stored. */
export const redisClusterStatus = z
  .object({
    observedGeneration: z.int().optional(),
    observedBy: z.string().max(64).optional(),
    specHash: z.string().max(80).optional(),
    state: z.string().max(32).optional(),
    deleted: z.boolean().optional(),
    version: z.string().max(64).optional(),
    formedAt: z.string().max(40).optional(),
    restored: z
      .object({
        ...restoreRecord,
        formedAt: moment.optional(),
        former: z.object({ ...restoreRecord, formedAt: moment }).optional(),
      })
      .optional()
      .describe(
        'The restore in place whose data it has; formedAt: when it was whole with it. Until then former is the one whose data it had before.',
      ),
    shards: z.int().optional(),
    readyShards: z.int().optional(),
    selector: z.string().max(512).optional(),
    binding: z.object({ name: z.string().max(253) }).optional(),
    topology: z
      .array(
        z.object({
          shard: z.int(),
          slots: z.string().max(4096),
          primary: z.string().max(63).optional(),
          epoch: z.int().optional(),
          nodes: z.record(z.string().max(63), z.string().max(40)),
          primaryDown: z.boolean().optional(),
          attached: z.array(z.string().max(63)).max(8).optional(),
          incarnations: z.record(z.string().max(63), z.string().max(16)).optional(),
          addresses: z.record(z.string().max(63), z.string().max(64)).optional(),
          hosts: z.record(z.string().max(63), z.string().max(253)).optional(),
        }),
      )
      .max(200)
      .optional()
      .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['shard'] }),
    operation: z
      .object({
        id: z.string().max(64),
        type: z.string().max(64),
        target: z.string().max(253),
        since: z.string().max(40),
      })
      .optional(),
    openSlots: z.string().max(2048).optional(),
    claimedVolumes: z.object({ uid: z.string().max(64), how: z.enum(['Adopted', 'Discarded']) }).optional(),
    override: z
      .object({ value: z.string().max(256), shards: z.array(z.int()).max(200), until: z.string().max(40) })
      .optional(),
    ...runtimeParts,
    conditions: conditionsPart,
  })
  .meta({
    'x-kubernetes-validations': [
      {
        rule: '!has(oldSelf.formedAt) || (has(self.formedAt) && self.formedAt == oldSelf.formedAt)',
        message: 'status.formedAt stays once it is set: erase the whole status instead',
      },
    ],
  })

/** The status of a RedisCluster. */
export type RedisClusterStatus = z.infer<typeof redisClusterStatus>
