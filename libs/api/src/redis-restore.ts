import { z } from 'zod'
import { crdOf, type Schema } from './crd.ts'
import { foreignServerFields, foreignServerRules } from './foreign-server.ts'
import { backupFields } from './redis-backup.ts'
import { sameIn } from './same-in.ts'
import { redisClusterSpec } from './redis-cluster.ts'
import { conditionsPart, runtimeParts } from './status-parts.ts'

/** Where a copy is kept, and of how many moments it is. */
const copied = {
  storageName: backupFields.storageName.describe(
    'The RedisBackupStorage of this namespace that the copy goes through. It goes with the RedisRestore.',
  ),
  consistency: backupFields.consistency,
}

/** What a restore may be made of, of which it names one. */
const SOURCES = ['backup', 'stored', 'cluster', 'server'] as const

const source = z
  .object({
    backup: z
      .object({ name: z.string().min(1).max(40).describe('Its name.') })
      .optional()
      .describe('A completed RedisBackup of this namespace.'),
    stored: z
      .object({
        storageName: z.string().min(1).max(40).describe('The RedisBackupStorage of this namespace that holds it.'),
        manifest: z
          .string()
          .max(512)
          .regex(/^([^/\s]+\/){3}manifest$/)
          .describe('Name of its manifest in the storage: <namespace>/<backup>/<uid>/manifest.'),
      })
      .optional()
      .describe('A backup that is in a storage, whether or not its RedisBackup is there.'),
    cluster: z
      .object({ name: z.string().min(1).max(40).describe('Its name.'), ...copied })
      .optional()
      .describe(
        'A RedisCluster of this namespace, as it is now: it is copied by a RedisBackup that the restore makes.',
      ),
    server: z
      .object({ ...foreignServerFields, ...copied })
      .meta({ 'x-kubernetes-validations': foreignServerRules('spec.source.server') })
      .optional()
      .describe('Servers that Slotkeeper does not look after, as they are now: copied in the same way.'),
  })
  .meta({
    'x-kubernetes-validations': [
      {
        rule: `[${SOURCES.map((one) => `has(self.${one})`).join(', ')}].filter(one, one).size() == 1`,
        message:
          'spec.source: set exactly one of backup (a RedisBackup), stored (what a storage holds), cluster (a running RedisCluster) and server (any other server)',
      },
    ],
  })

const target = z
  .object({
    cluster: z
      .object({
        name: z
          .string()
          .regex(/^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$/)
          .describe('Its name.'),
      })
      .describe(
        'The RedisCluster that is created. None of that name, and none of its volumes, may be there, but with inPlace.',
      ),
    inPlace: z
      .object({
        confirm: z
          .string()
          .min(1)
          .max(64)
          .optional()
          .describe(
            'The uid of the RedisCluster that may give up all it holds. Absent: the restore says what would be lost, and waits. May be set later, once.',
          ),
        oldVolumes: z
          .enum(['Keep', 'Delete'])
          .default('Keep')
          .describe('What becomes of the volumes that the cluster has now, once the restore is Completed.'),
      })
      .optional()
      .describe(
        'The RedisCluster is there, and gives up all it holds for what is restored; its spec, Services and passwords stay.',
      ),
    shards: z
      .int()
      .min(3)
      .max(200)
      .optional()
      .describe('Without template: how many shards it has. Absent: as many as the cluster had.'),
    template: redisClusterSpec
      .optional()
      .describe('Its spec. Absent: the spec of the cluster that was backed up, as it was then.'),
  })
  .meta({
    'x-kubernetes-validations': [
      {
        rule: '!(has(self.shards) && has(self.template))',
        message: 'spec.target.shards: with a template set spec.target.template.shards instead',
      },
      {
        rule: '!has(self.inPlace) || !(has(self.shards) || has(self.template))',
        message:
          'spec.target.inPlace: leave shards and template out, the spec of the cluster that is there stays as it is',
      },
      {
        rule: '!has(self.template) || !has(self.template.bootstrap)',
        message: 'spec.target.template.bootstrap: leave it out, the restore sets it',
      },
    ],
  })

/** All of the spec, but that what may be lost is confirmed once. */
const UNCHANGED = [
  sameIn('', ['source', 'deadlineSeconds']),
  sameIn('target.', ['cluster', 'shards', 'template']),
  'has(self.target.inPlace) == has(oldSelf.target.inPlace)',
  '(!has(self.target.inPlace) || (self.target.inPlace.oldVolumes == oldSelf.target.inPlace.oldVolumes && (!has(oldSelf.target.inPlace.confirm) || (has(self.target.inPlace.confirm) && self.target.inPlace.confirm == oldSelf.target.inPlace.confirm))))',
].join(' && ')

/** The spec of a RedisRestore: it never changes, but for the consent of a restore in place. */
export const redisRestoreSpec = z
  .object({
    source: source.describe('What is restored: exactly one of these.'),
    target: target.describe('The cluster that gets it.'),
    deadlineSeconds: z
      .int()
      .min(60)
      .max(604_800)
      .default(14_400)
      .describe('After this long, from its creation, it has failed.'),
  })
  .meta({
    'x-kubernetes-validations': [
      {
        rule: '!has(self.source.server) || has(self.target.template) || has(self.target.inPlace)',
        message: 'spec.target.template: say what the cluster is to be, a server has no spec of one',
      },
      {
        rule: '!has(self.source.cluster) || self.source.cluster.name != self.target.cluster.name',
        message: 'spec.target.cluster.name: a cluster is not restored from itself, name another one',
      },
      { rule: UNCHANGED, message: 'spec: a restore never changes; create another RedisRestore' },
    ],
  })

/** The spec of a RedisRestore. */
export type RedisRestoreSpec = z.infer<typeof redisRestoreSpec>

const shard = z.object({
  shard: z.int(),
  slots: z.string().max(4096),
  attempt: z.int(),
  streamedBytes: z.int().optional(),
  streamedKeys: z.int().optional(),
  expectedKeys: z.int().optional(),
  nodeId: z.string().max(40).optional(),
  keys: z.int().optional(),
  endingHashes: z.int().optional(),
  size: z.int().optional(),
})

const redisRestoreStatus = z.object({
  observedGeneration: z.int().optional(),
  state: z.string().max(32).optional(),
  deleted: z.boolean().optional(),
  copy: z.object({ name: z.string().max(63), uid: z.string().max(64) }).optional(),
  storageName: z.string().max(253).optional(),
  manifest: z.string().max(512).optional(),
  sealedSha256: z.string().max(64).optional(),
  manifestSha256: z.string().max(64).optional(),
  engine: z.object({ engine: z.string().max(16), version: z.string().max(32) }).optional(),
  takenAt: z.string().max(40).optional(),
  keys: z.int().optional(),
  bytes: z.int().optional(),
  size: z.int().optional(),
  spec: z
    .record(z.string(), z.unknown())
    .meta({ 'x-kubernetes-preserve-unknown-fields': true })
    .optional()
    .describe('The spec that the cluster is created with.'),
  replaces: z
    .object({
      uid: z.string().max(64),
      formedAt: z.string().max(40),
      volume: z.string().max(63),
      restoredBy: z.string().max(64).optional(),
    })
    .optional()
    .describe('In place: the cluster as it was found.'),
  oldVolumes: z.int().optional().describe('In place: claims that are left of what the cluster had before.'),
  clusterUid: z.string().max(64).optional(),
  claimsStay: z.boolean().optional(),
  withdrawn: z.boolean().optional(),
  operation: z
    .object({
      id: z.string().max(128),
      type: z.string().max(64),
      target: z.string().max(253),
      since: z.string().max(40),
    })
    .optional(),
  formedAt: z.string().max(40).optional(),
  shards: z
    .array(shard)
    .max(200)
    .optional()
    .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['shard'] }),
  attempt: z.int().optional(),
  retryAt: z.string().max(40).optional(),
  loadedKeys: z.int().optional(),
  expiredKeys: z.int().optional(),
  beganAt: z.string().max(40).optional(),
  endedAt: z.string().max(40).optional(),
  deletingSince: z.string().max(40).optional(),
  reason: z.string().max(64).optional(),
  message: z.string().max(1024).optional(),
  ...runtimeParts,
  conditions: conditionsPart,
})

/** The CustomResourceDefinition of RedisRestore. */
export function redisRestoreCrd(): Schema {
  return crdOf({
    kind: 'RedisRestore',
    description: 'Makes a RedisCluster of a backup, or has one that is there take its data.',
    plural: 'redisrestores',
    shortName: 'rdr',
    columns: [
      { name: 'Cluster', type: 'string', jsonPath: '.spec.target.cluster.name' },
      { name: 'State', type: 'string', jsonPath: '.status.state' },
      { name: 'Keys', type: 'integer', jsonPath: '.status.keys' },
      { name: 'Taken', type: 'date', jsonPath: '.status.takenAt' },
      { name: 'Ended', type: 'date', jsonPath: '.status.endedAt' },
      { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
      { name: 'Reason', type: 'string', jsonPath: '.status.reason' },
    ],
    name: { most: 40, why: 'Jobs are named after it' },
    spec: redisRestoreSpec,
    status: redisRestoreStatus,
  })
}
