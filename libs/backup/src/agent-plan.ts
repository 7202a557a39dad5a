import { z } from 'zod'
import { heldBackup } from './agent-report.ts'
import { backupShard, engine, hex, reference, slots } from './manifest.ts'

const count = z.int().nonnegative()
const name = z.string().min(1)
/** A folder of the agent's pod in which a Secret is mounted, a file for each of its keys. */
const mounted = z.string().startsWith('/')

/** A key of a Secret; Kubernetes has files of its own beside them, whose names begin with a dot. */
const secretKey = z.string().regex(/^[A-Za-z0-9_-][A-Za-z0-9._-]*$/, 'must be a key of a Secret')

const storage = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('s3'),
    /** Absent: AWS, by region. */
    endpoint: z.url().optional(),
    region: name,
    bucket: name,
    /** Empty, or ending in a slash. */
    prefix: z.string(),
    pathStyle: z.boolean(),
    /** With the files accessKeyId, secretAccessKey and, where there is one, sessionToken. Absent: the environment's own. */
    credentials: mounted.optional(),
    /** A file with the certificates that the endpoint is trusted by. */
    ca: mounted.optional(),
  }),
  z.object({
    type: z.literal('azure'),
    account: name,
    container: name,
    /** Absent: that of the account in Azure's public cloud. */
    endpoint: z.url().optional(),
    /** Empty, or ending in a slash. */
    prefix: z.string(),
    /** With one of the files accountKey and sasToken. */
    credentials: mounted,
  }),
  z.object({ type: z.literal('directory'), path: mounted }),
])

const server = z.object({
  pod: name,
  host: name,
  port: z.int().min(1).max(65_535),
  nodeId: z.string().regex(/^[0-9a-f]{40}$/),
})

/** Where a server is that is none of ours, as whom it is entered, and how it is trusted. */
const foreign = {
  host: name,
  port: z.int().min(1).max(65_535),
  username: name,
  /** A folder with the password under the name backup-password; null where there is none. */
  credentials: mounted.nullable(),
  /** Absent: without TLS. `ca` is a file of certificates, `certificate` a folder with tls.crt and tls.key. */
  tls: z.object({ ca: mounted.optional(), certificate: mounted.optional(), serverName: name.optional() }).optional(),
}

/** What is stored, and how: of whatever servers. */
const storing = {
  backup: reference,
  cluster: reference,
  consistency: z.enum(['shard', 'cluster']),
  target: z.enum(['prefer-replica', 'primary']),
  /** For how long writes may be held back for one moment of all shards: 2 s at most (SAFETY 13). */
  pauseMs: z.int().min(1).max(2_000),
  /** Of zstd. */
  level: z.int().min(1).max(19),
  maxBytesPerSecond: z.int().positive().optional(),
}

const shardToStore = z.object({ shard: count, primary: server, replicas: z.array(server) })

const task = z.discriminatedUnion('type', [
  /**
   * Writes, reads, lists and deletes a small object, takes back uploads of crashed agents older than `sweepAfterMs`, and tells which
   * backups are there; of those that are `known` the manifests are not read again.
   */
  z.object({ type: z.literal('CheckStorage'), sweepAfterMs: count, known: z.array(heldBackup).default([]) }),
  /** Streams shards into the storage; with `cluster`, all of them at one moment. */
  z.object({
    type: z.literal('StoreShards'),
    ...storing,
    shards: z.array(shardToStore).min(1),
    /** A user of the servers that may PSYNC, and a folder with its password under the name backup-password. */
    username: name,
    credentials: mounted,
  }),
  /** Asks a server that is none of ours, and those that it names, what they are: can they be copied, and into how many shards? */
  z.object({ type: z.literal('FindServers'), ...foreign, target: z.enum(['prefer-replica', 'primary']) }),
  /** As StoreShards, of a server that is none of ours and those that it names: it finds them itself. */
  z.object({
    type: z.literal('StoreFound'),
    ...storing,
    ...foreign,
    /** As FindServers reported it: where slots have moved since, or a primary is another one, nothing is stored. */
    topology: hex(64),
    /** Which of the shards that are found are stored, by number. */
    shards: z.array(count).min(1),
  }),
  /** Reads the records of all shards, writes the manifest, and deletes whatever else attempts have left below the backup. */
  z.object({
    type: z.literal('SealBackup'),
    backup: reference,
    cluster: reference,
    consistency: z.enum(['shard', 'cluster']),
    beganAt: z.iso.datetime(),
    engine,
    /** The spec of the cluster as it was, to be restored by. */
    spec: z.record(z.string(), z.unknown()),
    /** The records that successful attempts reported, by shard. */
    records: z.array(z.object({ shard: count, record: name })).min(1),
  }),
  /** Deletes every object of a backup, the manifest first: what has none is no backup. */
  z.object({ type: z.literal('DeleteBackup'), backup: reference }),
  /** Reads the manifest of a backup, tells what is in it, and whether servers of this kind load it. */
  z.object({
    type: z.literal('InspectBackup'),
    manifest: name,
    /** Null: servers as those that it was taken from. */
    target: engine.nullable(),
  }),
  /**
   * Fills the volume of a primary that was never started: its data, and its own row of the table of nodes (SAFETY 15). A
   * volume that holds anything but an earlier attempt of the same restore is refused.
   */
  z.object({
    type: z.literal('SeedShard'),
    manifest: name,
    /** As InspectBackup reported it: what was inspected is what is restored. */
    sha256: hex(64),
    /** Where the volume is mounted. */
    volume: mounted,
    /** The uid of the restore, which the volume is marked with: a word of a line. */
    restore: z.string().regex(/^\S+$/, 'must be one word'),
    shard: count,
    slots,
    /** The epoch of this primary, which no other one has; `currentEpoch` is the highest of all. */
    epoch: z.int().positive(),
    currentEpoch: z.int().positive(),
    /** `aof`: as the base of an append-only file, for the servers start with it and would not look at an RDB file. */
    persistence: z.enum(['rdb', 'aof']),
    maxBytesPerSecond: z.int().positive().optional(),
  }),
  /**
   * Fills a volume with one shard of a backup, and asks the server beside it, which starts from it and is removed with the
   * agent, what it has loaded.
   */
  z.object({
    type: z.literal('LoadShard'),
    manifest: name,
    /** As it was sealed. */
    sha256: hex(64),
    /** Where the volume is mounted that both have. */
    volume: mounted,
    shard: count,
    /** Where the server listens, on the loopback that both have. */
    port: z.int().min(1).max(65_535),
    maxBytesPerSecond: z.int().positive().optional(),
  }),
  /** Asks servers that were started from seeded volumes what they have loaded, and whether they own their slots. */
  z.object({
    type: z.literal('VerifyRestore'),
    /** Of the keys so many may be missing that no server counts as expired (`endingHashes` of SeedShard). */
    shards: z.array(z.object({ shard: count, server, slots, keys: count, endingHashes: count.optional() })).min(1),
    /** As in StoreShards. */
    username: name,
    credentials: mounted,
  }),
])

/** What a folder of the pod is mounted from, for sentences that people act on: names only, never values. */
const mountedSecret = z.strictObject({
  path: mounted,
  namespace: name,
  secret: name,
  /** The field that names the Secret, and of which kind; absent where nobody names it, since it is made with the cluster. */
  field: name.optional(),
  /** Keys of the Secret by file, where the file has another name. */
  keys: z.record(name, name).optional(),
})
/** What a folder of an agent's pod is mounted from. */
export type MountedSecret = z.infer<typeof mountedSecret>

/** What one agent is to do, in the environment variable SLOTKEEPER_PLAN of its Job. It holds no secret. */
export const agentPlan = z.object({
  storage,
  /** A folder with one file for each key (32 bytes in base64), its name the id; `current` encrypts, all decrypt. */
  encryption: z.object({ keys: mounted, current: secretKey }).nullable(),
  /** For the whole task, from the start of the process. */
  deadlineMs: z.int().positive(),
  /** Where `GET /progress` is answered. */
  progressPort: z.int().min(0).max(65_535),
  /** What each Secret is called that the pod has mounted. A controller of an older image under the same tag does not say it. */
  mounts: z.array(mountedSecret).default([]),
  task,
})

/** What one agent is to do. */
export type AgentPlan = z.infer<typeof agentPlan>
/** Writes a plan for an environment variable: Kubernetes makes something else of `$(NAME)` and of `$$` in one. */
export const formatPlan = (plan: AgentPlan): string => JSON.stringify(plan).replaceAll('$', String.raw`\u0024`)
/** One of the tasks. */
export type AgentTask = z.infer<typeof task>
/** Where an agent keeps things. */
export type AgentStorage = z.infer<typeof storage>
/** A server that an agent may talk to. */
export type AgentServer = z.infer<typeof server>

/** The record of one shard, beside its object: what the manifest will say of it. */
export const shardRecord = z.object({
  kind: z.literal('slotkeeper.dev/backup-shard'),
  version: z.literal(1),
  backup: reference,
  shard: backupShard,
})
/** The record of one shard. */
export type ShardRecord = z.infer<typeof shardRecord>
