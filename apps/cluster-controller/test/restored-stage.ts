import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ANNOTATION, claimName, LABEL, volumeName } from '@slotkeeper/api'
import { run } from '@slotkeeper/controller-host'
import { persistentVolumeClaims, pods, redisClusters, secrets, statefulSets } from '@slotkeeper/k8s'
import { evenRanges, formatRanges } from '@slotkeeper/redis-topology'
import { PlayedCluster, until } from '@slotkeeper/testing'
import { clusterApp } from '../src/cluster-app.ts'
import { parseCluster } from '../src/cluster-object.ts'
import { readConfig } from '../src/config.ts'
import { freshSecrets, makePod, type Pod } from './pod.ts'
import { seedVolume } from './seed-volume.ts'

const PATIENCE_MS = 60_000
const NODE_TIMEOUT_MS = 5_000
/** Keys of all shards. */
export const KEYS = 300
/** The slots of the shards. */
export const RANGES = evenRanges(3)

/** What a shard has: its keys, and an RDB file of them. */
export type Content = { readonly keys: readonly string[]; readonly rdb: Uint8Array }
/** What of the spec a test chooses. */
export type Wish = {
  readonly engine: string
  readonly persistence: 'aof' | 'rdb'
  readonly onDataLoss?: 'StartEmpty'
  readonly bootstrap?:
    | { readonly restore: { readonly name: string; readonly uid: string } }
    | { readonly adoptVolumes: { readonly uid: string } }
}
type Template = {
  readonly metadata: object
  readonly spec: {
    readonly containers: readonly [
      {
        readonly env: readonly { readonly name: string; readonly value?: string }[]
        readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[]
      },
    ]
    readonly volumes: readonly object[]
  }
}

/** A pod, its name, and the template that it was made of. */
export type Placed = { readonly pod: Pod; readonly place: string; readonly template: Template }

/**
 * The whole controller with clusters whose pods are played: the API server and the servers are real, the volumes are
 * filled as a restore does, and what StatefulSets and kubelet would do is done by hand.
 */
export class RestoredStage {
  readonly kubernetes: PlayedCluster
  readonly #running: Pod[] = []
  readonly #net = `127.${64 + Math.floor(Math.random() * 64)}.${Math.floor(Math.random() * 256)}`
  #count = 0

  private constructor(kubernetes: PlayedCluster) {
    this.kubernetes = kubernetes
  }

  /** Starts the API server, the event store and the controller. */
  static async open(): Promise<RestoredStage> {
    const kubernetes = await PlayedCluster.start('slotkeeper-cluster-controller', (env, lent) =>
      run(clusterApp, { ...lent, config: readConfig(env) }),
    )
    return new RestoredStage(kubernetes)
  }

  /** Ends all pods, and removes their volumes. */
  async clear(): Promise<void> {
    await Promise.all(this.#running.splice(0).map((pod) => pod.remove()))
  }

  #freshIp(): string {
    this.#count += 1
    return `${this.#net}.${this.#count}`
  }

  /** The contents of all shards, by a server of this engine; `of` is what their values begin with. */
  async contentsBy(engine: string, of = 'value'): Promise<readonly Content[]> {
    const options = {
      engine,
      ip: this.#freshIp(),
      uid: 'a-source',
      persistence: 'rdb',
      secrets: freshSecrets(),
    } as const
    const pod = await makePod({ ...options, nodeTimeoutMs: NODE_TIMEOUT_MS })
    this.#running.push(pod)
    await pod.start()
    await pod.tell(['CLUSTER', 'ADDSLOTSRANGE', '0', '16383'])
    const all = Array.from({ length: KEYS }, (_, number) => `key ${number}`)
    const slots = await pod.tell(...all.map((key) => ['CLUSTER', 'KEYSLOT', key]))
    const contents: Content[] = []
    for (const { first, last } of RANGES) {
      const keys = all.filter((_, place) => first <= Number(slots[place]) && Number(slots[place]) <= last)
      // A primary takes no writes in its first two seconds.
      await until('writes', PATIENCE_MS, async () => {
        const sets = keys.map((key) => ['SET', key, `${of} of ${key}`])
        const answers = await pod.tell(['FLUSHALL'], ...sets)
        return answers.every((answer) => answer === 'OK') ? true : undefined
      })
      await pod.tell(['SAVE'])
      contents.push({ keys, rdb: await readFile(join(pod.data, 'dump.rdb')) })
    }
    await pod.kill()
    return contents
  }

  /** Creates a cluster of three shards with two members each, and makes its pods; nothing runs yet. */
  async create(
    name: string,
    { engine, persistence, ...spec }: Wish,
    volumes: readonly (string | undefined)[] = [],
  ): Promise<readonly Placed[]> {
    await this.kubernetes.create(redisClusters, name, {
      ...spec,
      version: engine,
      shards: 3,
      nodeTimeoutMs: NODE_TIMEOUT_MS,
      storage: { size: '1Gi', persistence },
    })
    return this.place(name, { engine, persistence }, volumes)
  }

  /**
   * Makes the pods of a cluster by its StatefulSets; nothing runs yet.
   *
   * @param volumes folders to be the volumes of the pods, in order; an empty one of its own where there is none
   */
  async place(
    name: string,
    { engine, persistence }: Wish,
    volumes: readonly (string | undefined)[] = [],
  ): Promise<readonly Placed[]> {
    const uid = (await this.kubernetes.find(redisClusters, name))?.metadata.uid ?? ''
    const internal = await until('the Secret of the servers', PATIENCE_MS, async () => {
      const found = await this.kubernetes.find(secrets, `${name}-internal`)
      return (found?.['data'] as Record<string, string> | undefined) ?? undefined
    })
    const files64 = Object.entries(internal).map(([file, text]) => [file, Buffer.from(text, 'base64').toString()])
    const options = { engine, persistence, uid, secrets: Object.fromEntries(files64), nodeTimeoutMs: NODE_TIMEOUT_MS }
    return Promise.all(
      [...RANGES.keys()].flatMap((shard) =>
        [0, 1].map(async (index) => {
          const template = await this.#templateOf(name, shard)
          const { env } = template.spec.containers[0]
          const said = (word: string) => env.find((one) => one.name === word)?.value
          const [adopt, volume] = [said('SLOTKEEPER_ADOPT_UID'), volumes[2 * shard + index]]
          const others = { ...(adopt === undefined ? {} : { adopt }), ...(volume === undefined ? {} : { volume }) }
          const restore = said('SLOTKEEPER_RESTORE_UID') ?? ''
          const pod = await makePod({ ...options, ip: this.#freshIp(), shard, restore, ...others })
          this.#running.push(pod)
          return { pod, place: `${name}-${shard}-${index}`, template }
        }),
      ),
    )
  }

  /** The claim that a restore in place makes for the first pod of a shard; `restoredBy` is who says that it made it. */
  async createClaim(cluster: string, shard: number, restore: string, restoredBy = restore): Promise<void> {
    const spec = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } }
    const marks = { labels: { [LABEL.cluster]: cluster }, annotations: { [ANNOTATION.restoredBy]: restoredBy } }
    const name = claimName(volumeName({ uid: restore, inPlace: true }), cluster, shard, 0)
    await this.kubernetes.create(persistentVolumeClaims, name, spec, marks)
  }

  /** Fills the volumes of the first pods of these shards, as a restore does. */
  async seed(
    placed: readonly Placed[],
    { restore, persistence }: { readonly restore: string; readonly persistence: 'aof' | 'rdb' },
    contents: readonly Content[],
    seeded: readonly number[] = [...RANGES.keys()],
  ): Promise<void> {
    for (const shard of seeded) {
      const range = RANGES[shard]
      const pod = placed[2 * shard]?.pod
      const rdb = contents[shard]?.rdb
      if (range === undefined || pod === undefined || rdb === undefined) throw new Error(`no shard ${shard}`)
      const place = { restore, shard, slots: formatRanges([range]) }
      await seedVolume(pod.data, { ...place, persistence, epoch: shard + 1, currentEpoch: RANGES.length, rdb })
    }
  }

  /** Starts pods, and lets Kubernetes show them. */
  async start(placed: readonly Placed[]): Promise<void> {
    for (const { pod, place, template } of placed) {
      await pod.start()
      await this.#show(place, template, pod.ip)
    }
  }

  #templateOf(name: string, shard: number): Promise<Template> {
    return until(`the StatefulSet ${name}-${shard}`, PATIENCE_MS, async () => {
      const found = await this.kubernetes.find(statefulSets, `${name}-${shard}`)
      return (found?.['spec'] as { readonly template: Template } | undefined)?.template
    })
  }

  /** The pod, as a StatefulSet makes it and kubelet tells of it. */
  async #show(name: string, { metadata, spec }: Template, ip: string): Promise<void> {
    const volume = spec.containers[0].volumeMounts.find((one) => one.mountPath === '/data')?.name ?? ''
    const data = { name: volume, persistentVolumeClaim: { claimName: `${volume}-${name}` } }
    await this.kubernetes.create(pods, name, { ...spec, volumes: [...spec.volumes, data] }, metadata)
    const containerID = `containerd://${Buffer.from(`${volume}${name}`).toString('hex').padStart(64, '0').slice(-64)}`
    const container = { name: 'server', image: 'any', imageID: '', ready: true, restartCount: 0, containerID }
    await this.kubernetes.tell(pods, name, {
      phase: 'Running',
      podIP: ip,
      podIPs: [{ ip }],
      conditions: [{ type: 'Ready', status: 'True' }],
      containerStatuses: [{ ...container, state: { running: {} } }],
    })
  }

  /** The status of a cluster; null while there is none. */
  async statusOf(name: string) {
    const found = await this.kubernetes.find(redisClusters, name)
    return found === null ? null : parseCluster(found).status
  }
}
