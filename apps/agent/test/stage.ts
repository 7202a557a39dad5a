import { randomBytes, randomUUID } from 'node:crypto'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type AgentPlan, type AgentStorage, type AgentTask, BACKUP_USER, type BackupRef } from '@slotkeeper/backup'
import {
  type ContainerKeys,
  type ObjectStore,
  openAzure,
  openDirectory,
  openS3,
  parseContainerKey,
} from '@slotkeeper/object-storage'
import {
  type AzureStorage,
  closeConnections,
  formCluster,
  kept,
  type ObjectStorage,
  type Place,
  SHARDS,
  startAzureStorage,
  startObjectStorage,
  until,
} from '@slotkeeper/testing'
import { keepSecret } from './agent-process.ts'

export const PATIENCE_MS = 60_000
/** A key of the shard 0, 1 and 2. */
export const TAGS = ['{t2}', '{t1}', '{t0}'] as const
const PASSWORD = keepSecret(randomBytes(12).toString('hex'))
export const CLUSTER = { namespace: 'shop', name: 'orders', uid: 'of-the-cluster' }

/** The user of backups, as a line of redis.conf. */
export const USER = { user: `${BACKUP_USER.name} on >${PASSWORD} ${BACKUP_USER.permissions}` }

/** A cluster of three shards with a replica each, whose servers know the user of backups. */
export const startCluster = (
  engine: string,
  config: Readonly<Record<string, string>> = {},
): Promise<readonly Place[]> => formCluster(engine, { 'repl-diskless-sync': 'yes', ...USER, ...config })

/** Ends the servers of clusters. */
export async function removeAll(places: readonly Place[]): Promise<void> {
  closeConnections()
  await Promise.all(places.map(({ server }) => server.remove()))
}

/** Stores so many values of a MiB, which do not get smaller, in the shard of the tag. */
export async function fill({ server }: Place, tag: string, values: number): Promise<void> {
  for (let index = 0; index < values; index += 1)
    await until('it is written', PATIENCE_MS, async () =>
      kept(server).binary([['SET', `${tag}:${index}`, randomBytes(1024 * 1024)]], PATIENCE_MS),
    )
}

/** Folders as Kubernetes mounts Secrets: each key a link to where the data of the moment is. */
export class Mounts {
  readonly #folder: string

  private constructor(folder: string) {
    this.#folder = folder
  }

  static async make(): Promise<Mounts> {
    return new Mounts(await mkdtemp(join(tmpdir(), 'slotkeeper-mounts-')))
  }

  async mount(data: Readonly<Record<string, string>>): Promise<string> {
    const folder = join(this.#folder, randomUUID())
    await mkdir(join(folder, '..2026'), { recursive: true })
    await symlink('..2026', join(folder, '..data'))
    for (const [key, value] of Object.entries(data)) {
      await writeFile(join(folder, '..2026', key), value)
      await symlink(join('..data', key), join(folder, key))
    }
    return folder
  }

  remove(): Promise<void> {
    return rm(this.#folder, { recursive: true, force: true })
  }
}

/** A storage as a plan names it, and as a test looks into it. */
export type StoragePlace = { readonly storage: AgentStorage; readonly store: ObjectStore }

/** Everything that plans need, made once in a test file. */
export class Stage {
  readonly mounts: Mounts
  readonly s3: ObjectStorage
  readonly encryption: NonNullable<AgentPlan['encryption']>
  readonly keys: ContainerKeys
  readonly credentials: string
  readonly #folders: string[] = []
  readonly #stores: ObjectStore[] = []
  #azure: AzureStorage | undefined

  private constructor(parts: Pick<Stage, 'mounts' | 's3' | 'encryption' | 'keys' | 'credentials'>) {
    this.mounts = parts.mounts
    this.s3 = parts.s3
    this.encryption = parts.encryption
    this.keys = parts.keys
    this.credentials = parts.credentials
  }

  static async make(users?: Readonly<Record<string, readonly string[]>>): Promise<Stage> {
    const mounts = await Mounts.make()
    const text = keepSecret(randomBytes(32).toString('base64'))
    const keys = await mounts.mount({ '2026': `${text}\n`, '2025': randomBytes(32).toString('base64') })
    const { id, key } = parseContainerKey('2026', text)
    const credentials = await mounts.mount({ [BACKUP_USER.passwordKey]: `${PASSWORD}\n` })
    const s3 = await startObjectStorage(users === undefined ? {} : { users })
    return new Stage({ mounts, s3, encryption: { keys, current: id }, keys: new Map([[id, key]]), credentials })
  }

  /** A folder of the bucket of its own. */
  async bucket(endpoint = this.s3.endpoint, user = this.s3.admin): Promise<StoragePlace> {
    const { bucket } = this.s3
    const credentials = await this.mounts.mount({ ...user, secretAccessKey: `${keepSecret(user.secretAccessKey)}\n` })
    const prefix = `${randomUUID()}/`
    const store = openS3({ endpoint: this.s3.endpoint, bucket, prefix, credentials: this.s3.admin })
    this.#stores.push(store)
    return {
      storage: { type: 's3', endpoint, region: 'us-east-1', bucket, prefix, pathStyle: true, credentials },
      store,
    }
  }

  /** A folder of a container of its own; its server is started for the first. */
  async container(): Promise<StoragePlace> {
    this.#azure ??= await startAzureStorage()
    const { account, accountKey, container, endpoint } = this.#azure
    const credentials = await this.mounts.mount({ accountKey: `${keepSecret(accountKey)}\n` })
    const place = { account, container, endpoint, prefix: `${randomUUID()}/` }
    const store = openAzure({ ...place, credentials: { accountKey } })
    this.#stores.push(store)
    return { storage: { type: 'azure', ...place, credentials }, store }
  }

  /** An empty folder. */
  async folder(): Promise<string> {
    const path = await mkdtemp(join(tmpdir(), 'slotkeeper-backups-'))
    this.#folders.push(path)
    return path
  }

  /** A directory of its own. */
  async directory(): Promise<StoragePlace> {
    const path = await this.folder()
    return { storage: { type: 'directory', path }, store: openDirectory({ directory: path }) }
  }

  plan(storage: AgentStorage, task: AgentTask, more: Partial<AgentPlan> = {}): AgentPlan {
    return { storage, encryption: this.encryption, deadlineMs: 120_000, progressPort: 0, mounts: [], task, ...more }
  }

  async close(): Promise<void> {
    for (const store of this.#stores) store.close()
    await this.s3.stop()
    await this.#azure?.stop()
    await this.mounts.remove()
    await Promise.all(this.#folders.map((folder) => rm(folder, { recursive: true, force: true })))
  }
}

/** A backup that no other has the name of. */
export const drawBackup = (): BackupRef => ({ namespace: 'shop', name: 'nightly', uid: randomUUID() })

const podOf = ({ id, server: { host, port } }: Place, pod: string) => ({ pod, host, port, nodeId: id })

/** The task of storing all shards of a cluster that `startCluster` made. */
export function storing(
  places: readonly Place[],
  more: Partial<Extract<AgentTask, { type: 'StoreShards' }>> & { readonly credentials: string },
): Extract<AgentTask, { type: 'StoreShards' }> {
  return {
    type: 'StoreShards',
    backup: drawBackup(),
    cluster: CLUSTER,
    consistency: 'shard',
    target: 'prefer-replica',
    shards: places.slice(0, SHARDS).map((primary, shard) => ({
      shard,
      primary: podOf(primary, `orders-${shard}-0`),
      replicas: places.slice(shard + SHARDS, shard + SHARDS + 1).map((replica) => podOf(replica, `orders-${shard}-1`)),
    })),
    username: BACKUP_USER.name,
    pauseMs: 2_000,
    level: 1,
    ...more,
  }
}

/** The task of sealing what a store task has reported. */
export const sealing = (
  { backup, consistency }: ReturnType<typeof storing>,
  engine: string,
  records: readonly { readonly shard: number; readonly record: string }[],
): Extract<AgentTask, { type: 'SealBackup' }> => ({
  type: 'SealBackup',
  backup,
  cluster: CLUSTER,
  consistency,
  beganAt: new Date().toISOString(),
  engine: { engine: engine.startsWith('redis') ? 'redis' : 'valkey', version: '1.2.3' },
  spec: { shards: SHARDS },
  records: records.map(({ shard, record }) => ({ shard, record })),
})

/** The names of all objects. */
export async function namesIn(store: ObjectStore, prefix = ''): Promise<readonly string[]> {
  const names: string[] = []
  for await (const { key } of store.list(prefix, limits())) names.push(key)
  return names
}

/** The names of uploads that were begun and not ended; they are gone afterwards. */
export const unfinishedIn = async (store: ObjectStore): Promise<readonly string[]> =>
  (await store.sweep('', new Date(Date.now() + 86_400_000), limits())).map(({ key }) => key)

/** Limits that no test reaches. */
export const limits = () => ({ signal: AbortSignal.timeout(PATIENCE_MS), deadlineMs: PATIENCE_MS })
