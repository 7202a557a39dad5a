import { z } from 'zod'
import { crdOf, type Schema } from './crd.ts'
import { foreignServer } from './foreign-server.ts'
import { sameIn } from './same-in.ts'
import { conditionsPart, runtimeParts } from './status-parts.ts'

/** What one backup is told; a schedule says it of each. */
export const backupFields = {
  cluster: z
    .object({ name: z.string().min(1).max(40).describe('Its name.') })
    .optional()
    .describe('The RedisCluster of this namespace that is backed up.'),
  server: foreignServer
    .optional()
    .describe('Instead of cluster: servers that Slotkeeper does not look after, wherever they are.'),
  storageName: z.string().min(1).max(40).describe('The RedisBackupStorage of this namespace.'),
  target: z
    .enum(['prefer-replica', 'primary'])
    .default('prefer-replica')
    .describe('Which servers are read: a replica in sync where there is one, or primaries only.'),
  consistency: z
    .enum(['shard', 'cluster'])
    .default('shard')
    .describe('shard: each shard at a moment of its own. cluster: all at one moment, for which writes are held back.'),
  maxPauseMs: z
    .int()
    .min(100)
    .max(2_000)
    .default(2_000)
    .describe('consistency cluster: for how long writes may be held back at most.'),
  verify: z
    .enum(['read-back', 'restore'])
    .default('read-back')
    .describe(
      'read-back: all that is stored was read again and agrees. restore: a server is started from each shard as well, and counted, before the backup is completed; only with cluster.',
    ),
  deadlineSeconds: z
    .int()
    .min(60)
    .max(604_800)
    .default(14_400)
    .describe('After this long, from its creation, it has failed.'),
  deletionPolicy: z
    .enum(['Delete', 'Retain'])
    .default('Delete')
    .describe(
      'What becomes of what is stored when the RedisBackup is deleted: Delete takes it out of the storage, Retain leaves all of it there. A retention policy deletes it in any case, unless Retain is set once it has begun to. May be changed at any time.',
    ),
}

/** What holds of `backupFields` together; `path` is where they stand. */
export const backupRules = (path: string) => [
  {
    rule: 'has(self.cluster) != has(self.server)',
    message: `${path}: set exactly one of cluster (a RedisCluster) and server (any other server)`,
  },
  {
    rule: "self.verify != 'restore' || has(self.cluster)",
    message: `${path}.verify: restore starts servers of the image of a RedisCluster, so it needs ${path}.cluster; leave it out, or import the server first`,
  },
]

/** All of the spec, but what becomes of it in the end. */
const UNCHANGED = sameIn(
  '',
  Object.keys(backupFields).filter((name) => name !== 'deletionPolicy'),
)

/** The spec of a RedisBackup: it never changes, but for `deletionPolicy`. */
export const redisBackupSpec = z.object(backupFields).meta({
  'x-kubernetes-validations': [
    ...backupRules('spec'),
    {
      rule: UNCHANGED,
      message: 'spec: a backup never changes, but for deletionPolicy; create another RedisBackup',
    },
  ],
})

/** The spec of a RedisBackup. */
export type RedisBackupSpec = z.infer<typeof redisBackupSpec>

/** What a backup is of, in a word: the name of a RedisCluster, or the address of a server. */
export const backupSourceOf = ({ cluster, server }: Pick<RedisBackupSpec, 'cluster' | 'server'>): string =>
  cluster?.name ?? server?.address ?? ''

const shard = z.object({
  shard: z.int(),
  attempt: z.int(),
  slots: z.string().max(4096),
  streamedBytes: z.int().optional(),
  streamedKeys: z.int().optional(),
  expectedKeys: z.int().optional(),
  record: z.string().max(512).optional(),
  object: z.string().max(512).optional(),
  bytes: z.int().optional(),
  keys: z.int().optional(),
  sha256: z.string().max(64).optional(),
  offset: z.int().optional(),
  takenFrom: z.string().max(300).optional(),
  rdb: z.object({ format: z.string().max(16), version: z.int() }).optional(),
  loaded: z.object({ keys: z.int(), expired: z.int() }).optional(),
})

const redisBackupStatus = z.object({
  observedGeneration: z.int().optional(),
  state: z.string().max(32).optional(),
  deleted: z.boolean().optional(),
  cluster: z.object({ name: z.string().max(300), uid: z.string().max(300) }).optional(),
  restored: z.string().max(64).optional(),
  topology: z.string().max(64).optional(),
  engine: z.object({ engine: z.string().max(16), version: z.string().max(32) }).optional(),
  image: z.string().max(512).optional(),
  beganAt: z.string().max(40).optional(),
  endedAt: z.string().max(40).optional(),
  shards: z
    .array(shard)
    .max(200)
    .optional()
    .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['shard'] }),
  attempt: z.int().optional(),
  retryAt: z.string().max(40).optional(),
  heldMs: z.int().optional(),
  manifest: z.string().max(512).optional(),
  manifestSha256: z.string().max(64).optional(),
  verified: z.enum(['read-back', 'restore']).optional(),
  bytes: z.int().optional(),
  keys: z.int().optional(),
  expired: z.string().max(256).optional(),
  overruled: z.boolean().optional(),
  deletingSince: z.string().max(40).optional(),
  objectsDeleted: z.int().optional(),
  objectsKept: z.boolean().optional(),
  objectsLeft: z.string().max(1024).optional(),
  reason: z.string().max(64).optional(),
  message: z.string().max(1024).optional(),
  ...runtimeParts,
  conditions: conditionsPart,
})

/** The CustomResourceDefinition of RedisBackup. */
export function redisBackupCrd(): Schema {
  return crdOf({
    kind: 'RedisBackup',
    description: 'One backup of a RedisCluster, or of servers that Slotkeeper does not look after.',
    plural: 'redisbackups',
    shortName: 'rdb',
    columns: [
      { name: 'Cluster', type: 'string', jsonPath: '.spec.cluster.name' },
      { name: 'Server', type: 'string', jsonPath: '.spec.server.address', priority: 1 },
      { name: 'State', type: 'string', jsonPath: '.status.state' },
      { name: 'Keys', type: 'integer', jsonPath: '.status.keys' },
      { name: 'Bytes', type: 'integer', jsonPath: '.status.bytes' },
      { name: 'Verified', type: 'string', jsonPath: '.status.verified' },
      { name: 'Ended', type: 'date', jsonPath: '.status.endedAt' },
      { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
      { name: 'Reason', type: 'string', jsonPath: '.status.reason' },
    ],
    name: { most: 40, why: 'Jobs are named after it' },
    spec: redisBackupSpec,
    status: redisBackupStatus,
  })
}
