import { redisBackups, redisBackupStorages, redisRestores, type ResourceDescriptor } from '@slotkeeper/k8s'
import type { Delivery } from '@slotkeeper/nats'
import { until } from '@slotkeeper/testing'
import { type S3Server, startS3 } from '../demo/s3-server.ts'
import type { Stage } from './stage.ts'

const PATIENCE_MS = 120_000
const API = 'slotkeeper.dev/v1beta1'
const KINDS = [redisBackups, redisBackupStorages, redisRestores]

/** What a status of a backup, a storage or a restore may say. */
export type OneStatus = {
  readonly state?: string
  readonly reason?: string
  readonly message?: string
  readonly keys?: number
  readonly bytes?: number
  readonly heldMs?: number
  readonly manifest?: string
  readonly verified?: string
  readonly loadedKeys?: number
  readonly held?: {
    readonly backups: number
    readonly newest: readonly { readonly manifest: string; readonly cluster?: string; readonly keys?: number }[]
  }
  readonly shards?: readonly {
    readonly shard: number
    readonly attempt: number
    readonly keys?: number
    readonly takenFrom?: string
    readonly loaded?: { readonly keys: number }
  }[]
  readonly conditions?: readonly { readonly type: string; readonly status: string; readonly message: string }[]
}

/** A namespace of a promise test in which backups are taken: with an S3 server of its own. */
export class BackupStage {
  readonly stage: Stage
  readonly s3: S3Server

  private constructor(stage: Stage, s3: S3Server) {
    this.stage = stage
    this.s3 = s3
  }

  /** Starts the S3 server, and makes the Secret `credentials`. */
  static async open(stage: Stage): Promise<BackupStage> {
    const opened = new BackupStage(stage, await startS3(stage))
    await opened.secret('credentials', opened.s3.credentials)
    return opened
  }

  /** Makes a Secret. */
  secret(name: string, stringData: object): Promise<void> {
    return this.stage.apply({ apiVersion: 'v1', kind: 'Secret', metadata: { name }, stringData })
  }

  /** Applies a RedisBackupStorage. */
  storage(name: string, spec: object): Promise<void> {
    return this.#apply('RedisBackupStorage', name, spec)
  }

  /** The bucket of the S3 server, and what `change` says. */
  s3Spec(change: object = {}): object {
    const { endpoint } = this.s3
    const credentials = { secretName: 'credentials' }
    return { s3: { endpoint, bucket: 'backups', pathStyle: true, credentials, ...change } }
  }

  /** Applies a RedisBackup of a cluster into the storage `archive`. */
  backup(name: string, cluster: string, spec: object = {}): Promise<void> {
    return this.#apply('RedisBackup', name, { cluster: { name: cluster }, storageName: 'archive', ...spec })
  }

  /** Applies a RedisRestore. */
  restore(name: string, source: object, target: object): Promise<void> {
    return this.#apply('RedisRestore', name, { source, target })
  }

  #apply(kind: string, name: string, spec: object): Promise<void> {
    return this.stage.apply({ apiVersion: API, kind, metadata: { name }, spec })
  }

  /** Waits until an object is as it should be; the error says how it was last. */
  async sees(
    resource: ResourceDescriptor,
    name: string,
    what: string,
    holds: (one: OneStatus) => boolean,
  ): Promise<OneStatus> {
    let last: OneStatus = {}
    try {
      return await until(`${resource.kind} ${name}: ${what}`, PATIENCE_MS, async () => {
        last = ((await this.stage.find(resource, name))?.['status'] ?? {}) as OneStatus
        return holds(last) ? last : undefined
      })
    } catch (error) {
      throw new Error(`last seen: ${JSON.stringify(last)}`, { cause: error })
    }
  }

  /** Waits until an object is in a state; fails at once where it has failed instead. */
  async inState(resource: ResourceDescriptor, name: string, state: string): Promise<OneStatus> {
    const isOver = (one: OneStatus): boolean => one.state === state || (one.state === 'Failed' && resource !== KINDS[1])
    const status = await this.sees(resource, name, state, isOver)
    if (status.state !== state) throw new Error(`${resource.kind} ${name} has failed: ${JSON.stringify(status)}`)
    return status
  }

  /** Sets keys from `first` on, each where it belongs, as clients do. */
  async fill(cluster: string, count: number, first = 0): Promise<void> {
    const { password = '' } = await this.stage.secret(`${cluster}-auth`)
    const { status } = await this.stage.read(cluster)
    const clients = await Promise.all(
      (status?.topology ?? []).map(({ primary = '' }) =>
        this.stage.connect(primary, { username: 'default', password }),
      ),
    )
    for (let number = first; number < first + count; number++) {
      const answers = await Promise.allSettled(clients.map((client) => client.set(`key:${number}`, valueOf(number))))
      const taken = answers.filter((one) => one.status === 'fulfilled').length
      if (taken !== 1) throw new Error(`key:${number} was taken by ${taken} servers`)
    }
    for (const client of clients) client.disconnect()
  }

  /** How many of these keys a cluster has, with their values. */
  async count(cluster: string, count: number): Promise<number> {
    const { password = '' } = await this.stage.secret(`${cluster}-auth`)
    const { status } = await this.stage.read(cluster)
    const clients = await Promise.all(
      (status?.topology ?? []).map(({ primary = '' }) =>
        this.stage.connect(primary, { username: 'default', password }),
      ),
    )
    let found = 0
    for (let number = 0; number < count; number++) {
      const answers = await Promise.allSettled(clients.map((client) => client.get(`key:${number}`)))
      if (answers.some((one) => one.status === 'fulfilled' && one.value === valueOf(number))) found += 1
    }
    for (const client of clients) client.disconnect()
    return found
  }
}

const valueOf = (number: number): string => `value of ${number}`.padEnd(100, '.')

/** The events of one object in a story, once one of them is as it should be; in their order. */
export async function storyOf(
  story: readonly Delivery[],
  kind: string,
  name: string,
  isLast: (event: Delivery['event']) => boolean,
): Promise<readonly Delivery['event'][]> {
  return until(`the last event of ${name}`, PATIENCE_MS, () => {
    const its = story.map((one) => one.event).filter((one) => one.kind === kind && one.name === name)
    return Promise.resolve(its.some(isLast) ? its : undefined)
  })
}
