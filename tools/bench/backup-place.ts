import { randomBytes, randomUUID } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type AgentPlan, type AgentTask, BACKUP_USER } from '@slotkeeper/backup'
import { type ObjectStore, openS3, parseContainerKey, unpackContainer } from '@slotkeeper/object-storage'
import { type Place, readToolchain, startObjectStorage, until } from '@slotkeeper/testing'
import { runAgent } from './agent-process.ts'

/** One shard that is to be backed up. */
export type PlacedShard = { readonly primary: Place; readonly replicas: readonly Place[] }

/** A backup that is sealed, and what it took. */
export type TakenBackup = {
  readonly manifest: string
  readonly sha256: string
  /** As it is stored. */
  readonly bytes: number
  readonly objects: readonly string[]
  /** From the start of the first agent's process to the end of the second's. */
  readonly seconds: number
  /** Until the first object was whole in the storage: read back is it after that. */
  readonly uploaded: number
  readonly mostMiB: number
}

const DEADLINE_MS = 600_000
const LOOK_MS = 100
const KEY_ID = '2026'
const CLUSTER = { namespace: 'bench', name: 'orders', uid: 'of-the-cluster' }

/** An S3 server, and all that agents need to keep encrypted backups in it. */
export class BackupPlace {
  /** A line of redis.conf: the user that backups are taken by. */
  readonly user: Readonly<Record<string, string>>
  readonly #plan: Omit<AgentPlan, 'task'>
  readonly #store: ObjectStore
  readonly #key: string
  readonly #credentials: string
  readonly #end: () => Promise<void>

  private constructor(parts: {
    readonly password: string
    readonly plan: Omit<AgentPlan, 'task'>
    readonly store: ObjectStore
    readonly key: string
    readonly credentials: string
    readonly end: () => Promise<void>
  }) {
    this.user = { user: `${BACKUP_USER.name} on >${parts.password} ${BACKUP_USER.permissions}` }
    this.#plan = parts.plan
    this.#store = parts.store
    this.#key = parts.key
    this.#credentials = parts.credentials
    this.#end = parts.end
  }

  /** Starts it. */
  static async start(): Promise<BackupPlace> {
    const home = await mkdtemp(join(tmpdir(), 'slotkeeper-bench-secrets-'))
    const mount = async (name: string, files: Readonly<Record<string, string>>): Promise<string> => {
      const folder = join(home, name)
      await mkdir(folder)
      await Promise.all(Object.entries(files).map(([file, text]) => writeFile(join(folder, file), text)))
      return folder
    }
    const password = randomBytes(12).toString('hex')
    const key = randomBytes(32).toString('base64')
    const s3 = await startObjectStorage()
    const { endpoint, bucket, admin } = s3
    const store = openS3({ endpoint, bucket, prefix: '', credentials: admin })
    const storage = { type: 's3', endpoint, region: 'us-east-1', bucket, prefix: '', pathStyle: true } as const
    return new BackupPlace({
      password,
      key,
      store,
      credentials: await mount('user', { [BACKUP_USER.passwordKey]: password }),
      plan: {
        storage: { ...storage, credentials: await mount('storage', { ...admin }) },
        encryption: { keys: await mount('keys', { [KEY_ID]: key }), current: KEY_ID },
        deadlineMs: DEADLINE_MS,
        progressPort: 0,
        mounts: [],
      },
      end: async () => {
        store.close()
        await s3.stop()
        await rm(home, { recursive: true, force: true })
      },
    })
  }

  /** What an agent is told. */
  plan(task: AgentTask): AgentPlan {
    return { ...this.#plan, task }
  }

  /** Has agents store and seal these shards, of a replica where there is one. */
  async backUp(engine: string, shards: readonly PlacedShard[], signal: AbortSignal): Promise<TakenBackup> {
    const version = (await readToolchain()).servers[engine]?.version ?? ''
    const of = { backup: { ...CLUSTER, uid: randomUUID() }, cluster: CLUSTER, consistency: 'shard' } as const
    const beganAt = new Date().toISOString()
    const known = new Set(await this.#names(signal))
    const start = performance.now()
    const seen = new AbortController()
    const uploaded = until(
      'an upload that has ended',
      DEADLINE_MS,
      async () => (await this.#names(signal)).some((name) => !known.has(name)) || undefined,
      { everyMs: LOOK_MS, signal: AbortSignal.any([signal, seen.signal]) },
    ).then(() => (performance.now() - start) / 1000)
    const [stored] = await Promise.all([
      runAgent('StoreShards', this.plan(this.#storing(of, shards)), signal).catch((error: unknown) => {
        seen.abort(error)
        throw error
      }),
      uploaded,
    ])
    const sealing = {
      type: 'SealBackup',
      ...of,
      beganAt,
      engine: { engine: engine.startsWith('redis') ? 'redis' : 'valkey', version },
      spec: { shards: shards.length },
      records: stored.done.shards.map(({ shard, record }) => ({ shard, record })),
    } as const
    const { done, mostMiB } = await runAgent('SealBackup', this.plan(sealing), signal)
    const { manifest, sha256, bytes } = done
    return {
      manifest,
      sha256,
      bytes,
      objects: stored.done.shards.map(({ object }) => object),
      seconds: (performance.now() - start) / 1000,
      uploaded: await uploaded,
      mostMiB: Math.max(mostMiB, stored.mostMiB),
    }
  }

  /** Reads an object of a backup as it is: an RDB file. */
  read(object: string, signal: AbortSignal): AsyncGenerator<Buffer> {
    const { id, key } = parseContainerKey(KEY_ID, this.#key)
    return unpackContainer(this.#store.get(object, { signal, deadlineMs: DEADLINE_MS }), { keys: new Map([[id, key]]) })
  }

  /** Ends it; what it held is gone. */
  stop(): Promise<void> {
    return this.#end()
  }

  async #names(signal: AbortSignal): Promise<readonly string[]> {
    const names: string[] = []
    for await (const { key } of this.#store.list('', { signal, deadlineMs: DEADLINE_MS })) names.push(key)
    return names
  }

  #storing(
    of: Pick<Extract<AgentTask, { type: 'StoreShards' }>, 'backup' | 'cluster' | 'consistency'>,
    shards: readonly PlacedShard[],
  ): AgentTask {
    return {
      type: 'StoreShards',
      ...of,
      target: 'prefer-replica',
      shards: shards.map(({ primary, replicas }, shard) => ({
        shard,
        primary: serverOf(primary, `orders-${shard}-0`),
        replicas: replicas.map((replica, index) => serverOf(replica, `orders-${shard}-${index + 1}`)),
      })),
      username: BACKUP_USER.name,
      credentials: this.#credentials,
      pauseMs: 2_000,
      level: 1,
    }
  }
}

const serverOf = ({ id, server: { host, port } }: Place, pod: string) => ({ pod, host, port, nodeId: id })
