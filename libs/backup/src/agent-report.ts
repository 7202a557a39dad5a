import { z } from 'zod'
import { engine, hex, reference } from './manifest.ts'

const count = z.int().nonnegative()
const name = z.string().min(1)
/** How long lists and sentences may be. */
const MOST = { permissions: 8, permission: 200, faults: 5, fault: 300, message: 1_500, example: 500 } as const

/** Why a task did not succeed, and whether another attempt may. */
export const AGENT_FAULTS = {
  StorageUnreachable: 'retry',
  StorageFull: 'retry',
  StorageForbidden: 'person',
  StorageMissing: 'person',
  StorageRefused: 'person',
  ObjectMissing: 'person',
  ObjectDamaged: 'person',
  KeyWrong: 'person',
  SecretMissing: 'person',
  ServerUnreachable: 'retry',
  ServerDenied: 'person',
  ServerUntrusted: 'person',
  ServerUnfit: 'person',
  TopologyChanged: 'retry',
  NoFork: 'retry',
  PauseTooShort: 'retry',
  DataUnreadable: 'person',
  KeysMisplaced: 'person',
  VolumeInUse: 'person',
  VolumeTooSmall: 'person',
  CountsDiffer: 'person',
  NotCounted: 'person',
  DeadlineExceeded: 'person',
  PlanRefused: 'person',
  Interrupted: 'retry',
  Unexpected: 'retry',
} as const satisfies Readonly<Record<string, 'retry' | 'person'>>

/** Why a task did not succeed. */
export type AgentFault = keyof typeof AGENT_FAULTS

const storedShard = z.object({
  shard: count,
  record: name,
  object: name,
  bytes: count,
  sha256: name,
  keys: count,
  slots: z.string(),
  offset: count,
  takenFrom: name,
  role: z.enum(['primary', 'replica']),
  rdb: z.object({ format: z.enum(['redis', 'valkey']), version: count }),
})

/** The most backups that a check of a storage tells of: more do not fit into its last words. */
export const MOST_HELD = 15

/** What a manifest says. `cluster` (`<namespace>/<name>`) and `keys` are absent where it can't be relied on. */
export const heldBackup = z.object({
  manifest: name,
  cluster: name.optional(),
  endedAt: z.iso.datetime(),
  keys: count.optional(),
})

const heldBackups = z.object({
  backups: count,
  /** The newest first. */
  newest: z.array(heldBackup).max(MOST_HELD),
  /** How many of the newest can't be opened with the keys that there are; absent where that could not be found out. */
  unreadable: count.optional(),
  /** Why: a key is not there or is another one, or there are keys and it is not encrypted. */
  unreadableReason: z.enum(['KeyWrong', 'NotEncrypted']).optional(),
  /** One of them, and what is wrong with its key. */
  unreadableMessage: z.string().max(MOST.message).optional(),
})
/** One of the backups that a storage holds. */
export type HeldBackup = z.infer<typeof heldBackup>
/** The backups that a storage holds. */
export type HeldBackups = z.infer<typeof heldBackups>

const done = z.discriminatedUnion('task', [
  z.object({
    task: z.literal('CheckStorage'),
    ok: z.boolean(),
    /** In the storage's words: what its user is not allowed to. */
    missingPermissions: z.array(z.string().max(MOST.permission)).max(MOST.permissions),
    /** What else was wrong, a sentence each. */
    faults: z.array(z.string().max(MOST.fault)).max(MOST.faults),
    /** Whether a second write under one name was refused. */
    keepsFirst: z.boolean().nullable(),
    swept: count,
    /** Null where that could not be found out. */
    held: heldBackups.nullable(),
  }),
  z.object({
    task: z.literal('StoreShards'),
    /** For how long writes were held back, in milliseconds; 0 where each shard has a moment of its own. */
    heldMs: count,
    /** With it `objectOf.record` names the record of every shard of the task, also of those that are left out here. */
    attempt: name,
    shards: z.array(storedShard),
  }),
  z.object({
    task: z.literal('FindServers'),
    engine,
    /** How many shards there are, in the order of their first slots. */
    shards: count,
    /** SHA-256 of who their primaries are, and which slots each has. */
    topology: hex(64),
  }),
  z.object({
    task: z.literal('SealBackup'),
    manifest: name,
    sha256: name,
    bytes: count,
    keys: count,
    expiring: count,
    endedAt: z.iso.datetime(),
  }),
  z.object({ task: z.literal('DeleteBackup'), objects: count }),
  z.object({
    task: z.literal('InspectBackup'),
    /** Of the manifest as it lies in the storage. */
    sha256: hex(64),
    backup: reference,
    cluster: reference,
    engine,
    consistency: z.enum(['shard', 'cluster']),
    beganAt: z.iso.datetime(),
    endedAt: z.iso.datetime(),
    shards: count,
    /** As it is stored. */
    bytes: count,
    /** As servers read it: what a volume must hold. */
    size: count,
    keys: count,
    expiring: count,
    /** Why such servers do not load it; null if they do. */
    refusal: z.string().max(MOST.fault).nullable(),
    /** The spec of the cluster as it was; null where it does not fit in here. */
    spec: z.record(z.string(), z.unknown()).nullable(),
  }),
  z.object({
    task: z.literal('SeedShard'),
    shard: count,
    nodeId: hex(40),
    keys: count,
    expiring: count,
    /** Hashes of which fields have a time of their own: they may go without being counted as expired. */
    endingHashes: count.optional(),
    /** Of the data on the volume. */
    size: count,
  }),
  z.object({
    task: z.literal('LoadShard'),
    shard: count,
    /** What the server has loaded, and what it left out since its time was over. */
    keys: count,
    expired: count,
  }),
  z.object({
    task: z.literal('VerifyRestore'),
    /** What the servers have loaded, and what they left out since its time was over. */
    keys: count,
    expired: count,
  }),
])

/**
 * The last words of an agent: its termination message, which Kubernetes cuts at 4096 bytes. `shards` are left out
 * from the end on where they would not fit; their records are in the storage. It holds no secret.
 */
export const agentReport = z.discriminatedUnion('result', [
  z.object({ result: z.literal('Done'), done }),
  z.object({
    result: z.literal('Failed'),
    fault: z.enum(Object.keys(AGENT_FAULTS) as [AgentFault, ...AgentFault[]]),
    /** A sentence with a remedy where there is one. */
    message: z.string().max(MOST.message),
  }),
])

/** The last words of an agent. */
export type AgentReport = z.infer<typeof agentReport>
/** What a task that succeeded reports. */
export type AgentDone = z.infer<typeof done>
/** One shard that is stored and was read back. */
export type StoredShard = z.infer<typeof storedShard>

/** What `GET /progress` of an agent answers with. */
export const agentProgress = z.object({
  shards: z.array(
    z.object({
      shard: count,
      bytes: count,
      keys: count,
      /** How many keys are likely to come: what was there when it was begun. */
      ofKeys: count.optional(),
      done: z.boolean(),
    }),
  ),
})
/** How far an agent is. */
export type AgentProgress = z.infer<typeof agentProgress>

/** Shards that one agent stores at one moment: each takes some 25 MiB of its memory. */
export const MOST_SHARDS_AT_ONCE = 10

/** The most bytes of a termination message (Kubernetes, container lifecycle). */
export const REPORT_BYTES = 4_096

/** Writes last words so that they fit: sentences are cut, and what is many is left out from the end on. */
export function formatReport(report: AgentReport): string {
  for (let fitting = withinBounds(report); ;) {
    const text = JSON.stringify(fitting)
    const shorter = new TextEncoder().encode(text).length > REPORT_BYTES ? shortened(fitting) : null
    if (shorter === null) return text
    fitting = shorter
  }
}

function withinBounds(report: AgentReport): AgentReport {
  if (report.result === 'Failed') return { ...report, message: cut(report.message, MOST.message) }
  const { done: said } = report
  if (said.task === 'InspectBackup' && said.refusal !== null)
    return { ...report, done: { ...said, refusal: cut(said.refusal, MOST.fault) } }
  if (said.task !== 'CheckStorage') return report
  const missingPermissions = said.missingPermissions.slice(0, MOST.permissions).map((one) => cut(one, MOST.permission))
  const faults = said.faults.slice(0, MOST.faults).map((one) => cut(one, MOST.fault))
  return { ...report, done: { ...said, missingPermissions, faults, held: heldWithin(said.held, MOST.message) } }
}

function heldWithin(held: HeldBackups | null, most: number): HeldBackups | null {
  const example = held?.unreadableMessage
  return held === null || example === undefined ? held : { ...held, unreadableMessage: cut(example, most) }
}

/** With less in it, or null where nothing more can be left out. */
function shortened(report: AgentReport): AgentReport | null {
  if (report.result === 'Failed') {
    const { message } = report
    return message === '' ? null : { ...report, message: cut(message, Math.floor(message.length * 0.8)) }
  }
  const { done: said } = report
  if (said.task === 'StoreShards' && said.shards.length > 0)
    return { ...report, done: { ...said, shards: said.shards.slice(0, -1) } }
  if (said.task === 'InspectBackup' && said.spec !== null) return { ...report, done: { ...said, spec: null } }
  if (said.task !== 'CheckStorage') return null
  // A sentence about one backup is not to push out what there is of all.
  if ((said.held?.unreadableMessage?.length ?? 0) > MOST.example)
    return { ...report, done: { ...said, held: heldWithin(said.held, MOST.example) } }
  if (said.held !== null && said.held.newest.length > 0)
    return { ...report, done: { ...said, held: { ...said.held, newest: said.held.newest.slice(0, -1) } } }
  if (said.faults.length > 0) return { ...report, done: { ...said, faults: said.faults.slice(0, -1) } }
  if (said.missingPermissions.length === 0) return null
  return { ...report, done: { ...said, missingPermissions: said.missingPermissions.slice(0, -1) } }
}

const cut = (text: string, most: number): string =>
  text.length <= most ? text : `${text.slice(0, Math.max(0, most - 1))}${most > 0 ? '…' : ''}`

/** Reads last words; null for what is none: an agent that was killed leaves no words, or not all of them. */
export function parseReport(text: string | undefined): AgentReport | null {
  if (text === undefined) return null
  try {
    const read = agentReport.safeParse(JSON.parse(text))
    return read.success ? read.data : null
  } catch {
    return null
  }
}
