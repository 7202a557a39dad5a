import { z } from 'zod'
import { crdOf, type Schema } from './crd.ts'
import { imagePullSecrets, quantity, resources } from './pod-parts.ts'
import { conditionsPart, runtimeParts } from './status-parts.ts'

const secretName = z.string().min(1).max(253).describe('A Secret of this namespace.')

const endpoint = z
  .string()
  .max(512)
  .regex(/^https?:\/\/[^\s/]+(\/[^\s]*)?$/)
  .optional()

const folder = z
  .string()
  .max(256)
  .regex(/^([A-Za-z0-9_-][A-Za-z0-9!_.*'()=@:,+-]*\/?)*$/)
  .default('')

const s3 = z
  .object({
    bucket: z
      .string()
      .min(3)
      .max(63)
      .regex(/^[a-z0-9][a-z0-9.-]*[a-z0-9]$/)
      .describe('Its name. It must be there: it is never created.'),
    endpoint: endpoint.describe('Where the server is, as https://s3.example.com. Absent: AWS, by region.'),
    prefix: folder.describe('Folder inside the bucket.'),
    region: z
      .string()
      .min(1)
      .max(63)
      .default('us-east-1')
      .describe('The region of the bucket; many servers other than AWS take any.'),
    pathStyle: z
      .boolean()
      .default(false)
      .describe('Address the bucket by path, as most servers other than AWS want it.'),
    credentials: z
      .object({ secretName })
      .optional()
      .describe(
        'Secret with the keys accessKeyId, secretAccessKey and, where there is one, sessionToken. Absent: what the environment of the pod offers, a role of its service account for one.',
      ),
    ca: z
      .object({
        secretName,
        key: z.string().min(1).max(253).default('ca.crt').describe('The key of the Secret that holds them, as PEM.'),
      })
      .optional()
      .describe('Secret with the certificates by which the endpoint is trusted.'),
  })
  .describe('A bucket of AWS S3, or of what speaks like it.')

const azure = z
  .object({
    account: z
      .string()
      .min(3)
      .max(24)
      .regex(/^[a-z0-9]*$/)
      .describe('The storage account.'),
    container: z
      .string()
      .min(3)
      .max(63)
      .regex(/^[a-z0-9](-?[a-z0-9])*$/)
      .describe('Its name. It must be there: it is never created.'),
    endpoint: endpoint.describe(
      'Of the blobs of the account. Absent: https://<account>.blob.core.windows.net. Other clouds of Azure and Azurite have their own. With http:// a token (SAS) goes over the network in clear, with each request.',
    ),
    prefix: folder.describe('Folder inside the container.'),
    credentials: z
      .object({ secretName })
      .describe(
        'Secret with one of the keys accountKey and sasToken: a key of the account, or a token (SAS) that may read, create, write, delete and list in the container.',
      ),
  })
  .describe('A container of Azure Blob Storage.')

const filesystem = z
  .object({
    claimName: z
      .string()
      .min(1)
      .max(253)
      .describe('A PersistentVolumeClaim of this namespace, of a kind that all nodes can mount (ReadWriteMany).'),
    path: z
      .string()
      .max(256)
      .regex(/^([A-Za-z0-9_-][A-Za-z0-9_.-]*\/?)*$/)
      .default('')
      .describe('Folder inside the volume. It must be there: it is never created.'),
  })
  .describe('A volume, by its PersistentVolumeClaim.')

/** What says where the objects of a storage are. */
const PLACE = [
  ['s3', 'bucket'],
  ['s3', 'prefix'],
  ['azure', 'account'],
  ['azure', 'container'],
  ['azure', 'prefix'],
  ['filesystem', 'claimName'],
  ['filesystem', 'path'],
] as const

/** The spec of a RedisBackupStorage. */
export const redisBackupStorageSpec = z
  .object({
    s3: s3.optional(),
    azure: azure.optional(),
    filesystem: filesystem.optional(),
    encryption: z
      .object({
        secretName,
        currentKey: z
          .string()
          .max(253)
          .regex(/^[A-Za-z0-9_-][A-Za-z0-9._-]*$/)
          .describe('The key of the Secret that new backups are encrypted with.'),
      })
      .optional()
      .describe(
        'Secret with one entry for each key: 32 bytes in base64 (openssl rand -base64 32). To rotate, add one and name it here; backups from before need the key that they were encrypted with. Absent: not encrypted.',
      ),
    compressionLevel: z.int().min(1).max(19).default(1).describe('Of zstd.'),
    maxBytesPerSecond: z
      .int()
      .min(1_048_576)
      .optional()
      .describe('The most that one agent reads from the servers. Too little, and a busy server gives it up.'),
    retentionPolicy: z
      .object({
        keep: z.int().min(1).max(1_000).optional().describe('Completed backups to keep of each cluster.'),
        maxAge: z
          .string()
          .max(16)
          .regex(/^[1-9][0-9]*[mhd]$/)
          .optional()
          .describe('Completed backups older than this are deleted, as 12h or 30d; the newest of a cluster never is.'),
      })
      .optional()
      .describe('Absent: backups stay until somebody deletes them.'),
    agent: z
      .object({
        serviceAccountName: z.string().min(1).max(253).optional().describe('As whom they run. Absent: default.'),
        imagePullSecrets: imagePullSecrets.describe('Of this namespace, for the image of Slotkeeper.'),
        resources: resources.describe('Of each agent. Absent: requests of 100m CPU and 256Mi, a limit of 512Mi.'),
        scratch: z
          .object({
            size: quantity.describe('Room for one shard, as 10Gi.'),
            storageClassName: z.string().max(253).optional().describe('StorageClass. Absent: the default one.'),
          })
          .optional()
          .describe(
            'The volume of a server that is started from a shard (verify: restore); it goes with its pod. Absent: the disk of the node.',
          ),
        nodeSelector: z
          .record(z.string().max(253), z.string().max(1024))
          .optional()
          .describe('Labels of the nodes that they may run on.'),
        tolerations: z
          .array(z.record(z.string(), z.unknown()).meta({ 'x-kubernetes-preserve-unknown-fields': true }))
          .max(16)
          .optional()
          .describe('Taints of nodes that do not keep them off, as in a pod.'),
      })
      .optional()
      .describe('The pods that read and write here.'),
  })
  .meta({
    'x-kubernetes-validations': [
      {
        rule: '[has(self.s3), has(self.azure), has(self.filesystem)].filter(one, one).size() == 1',
        message: 'spec: set exactly one of s3, azure and filesystem',
      },
      ...PLACE.map(([path, what]) => ({
        rule: `has(oldSelf.${path}) == has(self.${path}) && (!has(self.${path}) || self.${path}.${what} == oldSelf.${path}.${what})`,
        message: `spec.${path}.${what}: backups are found by it, so it never changes; create another RedisBackupStorage`,
      })),
      ...['s3', 'azure'].map((path) => ({
        rule: `!has(self.${path}) || has(self.${path}.endpoint) == has(oldSelf.${path}.endpoint) && (!has(self.${path}.endpoint) || self.${path}.endpoint == oldSelf.${path}.endpoint)`,
        message: `spec.${path}.endpoint: backups are found by it, so it never changes; create another RedisBackupStorage`,
      })),
      ...['s3', 'azure'].map((path) => ({
        rule: `!has(self.${path}) || !has(self.${path}.endpoint) || !self.${path}.endpoint.matches('[?#@]')`,
        message: `spec.${path}.endpoint: without ?, # and @, since whoever reads this object reads it; put tokens and passwords into the Secret of spec.${path}.credentials`,
      })),
      {
        rule: "!has(self.s3) || !has(self.s3.ca) || (has(self.s3.endpoint) && self.s3.endpoint.startsWith('https://'))",
        message: 'spec.s3.ca: only an endpoint that begins with https:// is checked by certificates',
      },
    ],
  })

/** The spec of a RedisBackupStorage. */
export type RedisBackupStorageSpec = z.infer<typeof redisBackupStorageSpec>

const redisBackupStorageStatus = z.object({
  observedGeneration: z.int().optional(),
  state: z.string().max(32).optional(),
  deleted: z.boolean().optional(),
  checks: z.int().optional(),
  failedChecks: z.int().optional(),
  checkedAt: z.string().max(40).optional(),
  checkedGeneration: z.int().optional(),
  nextCheckAt: z
    .string()
    .max(40)
    .optional()
    .describe(
      'When it is tried again; absent while it is time or being tried. A change of its spec, or another word in the annotation slotkeeper.dev/check, has it tried at once.',
    ),
  checkAsked: z.string().max(64).optional(),
  reason: z.string().max(64).optional(),
  message: z.string().max(1024).optional(),
  keepsFirst: z.boolean().optional(),
  backups: z.int().optional(),
  bytes: z.int().optional(),
  backupsChangedAt: z.string().max(40).optional(),
  recoveryWindow: z.object({ from: z.string().max(40), to: z.string().max(40) }).optional(),
  held: z
    .object({
      backups: z.int(),
      newest: z
        .array(
          z.object({
            manifest: z.string().max(512),
            cluster: z.string().max(253).optional(),
            endedAt: z.string().max(40),
            keys: z.int().optional(),
          }),
        )
        .max(32),
      unreadable: z
        .int()
        .optional()
        .describe(
          'How many of the newest cannot be opened with the keys that encryption names; the condition BackupsReadable says what to do.',
        ),
      unreadableReason: z.string().max(64).optional(),
      unreadableMessage: z.string().max(1_500).optional().describe('One of them, and what is wrong with its key.'),
    })
    .optional()
    .describe(
      'What lay in it at the last check (checkedAt), with or without a RedisBackup: how many backups, and the newest. It is looked at every six hours, and some minutes after a backup was completed there or deleted. A RedisRestore names one by its manifest.',
    ),
  ...runtimeParts,
  conditions: conditionsPart,
})

/** The CustomResourceDefinition of RedisBackupStorage. */
export function redisBackupStorageCrd(): Schema {
  return crdOf({
    kind: 'RedisBackupStorage',
    description: 'Where backups are kept: a bucket of S3, a container of Azure, or a volume.',
    plural: 'redisbackupstorages',
    shortName: 'rdbs',
    columns: [
      { name: 'Ready', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].status' },
      { name: 'State', type: 'string', jsonPath: '.status.state' },
      { name: 'Encryption', type: 'string', jsonPath: '.spec.encryption.currentKey' },
      { name: 'Backups', type: 'integer', jsonPath: '.status.backups' },
      { name: 'Last', type: 'date', jsonPath: '.status.recoveryWindow.to' },
      { name: 'Next check', type: 'string', jsonPath: '.status.nextCheckAt', priority: 1 },
      { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
      { name: 'Reason', type: 'string', jsonPath: '.status.reason' },
    ],
    name: { most: 40, why: 'Jobs are named after it' },
    spec: redisBackupStorageSpec,
    status: redisBackupStorageStatus,
  })
}
