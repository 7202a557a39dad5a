import { CLIENT_PORT, LABEL } from '@slotkeeper/api'
import type { Kube } from '@slotkeeper/k8s'
import type { Delivery } from '@slotkeeper/nats'
import { evenRanges } from '@slotkeeper/redis-topology'
import { type LedgerWriter, startLedgerWriter, until } from '@slotkeeper/testing'
import type { CutMode, PodSignal } from '../local/src/index.ts'
import type { Stage } from '../promises/stage.ts'
import type { Allowance } from './contract.ts'
import type { ControllerPods } from './controller-pods.ts'
import type { SeenStatus } from './invariants.ts'
import type { Random } from './random.ts'
import type { Persistence, Shape } from './scenario.ts'
import type { SourceBackup } from './source-backup.ts'
import { type SeenPod, startWatch, type Watch } from './watch.ts'

const PATIENCE_MS = 120_000
const PER_SECOND = 200

/** What a trial takes place on: the platform with Slotkeeper, and the story of all clusters as it is told. */
export type Ground = {
  readonly stage: Stage
  readonly kube: Kube
  readonly controller: ControllerPods
  /** What clusters are restored from; made when it is asked for first. */
  readonly backup: () => Promise<SourceBackup>
  readonly story: readonly Delivery[]
  /** Begins to listen again, from the beginning of a stream that was made anew. */
  listenAnew(): Promise<void>
}

/** What a cluster had in it before its trial began. */
export type Heritage = {
  /** What is not there as it should be, in words; empty when all is. */
  missing(): Promise<readonly string[]>
}

/** A client of one server. */
export type Client = Awaited<ReturnType<Stage['connect']>>

/** The members of a shard as the status has them; the replicas are those in sync. */
export type ShardNow = { readonly shard: number; readonly primary: string; readonly replicas: readonly string[] }

type Given = Pick<
  Trial,
  | 'ground'
  | 'name'
  | 'uid'
  | 'random'
  | 'persistence'
  | 'nodeTimeoutMs'
  | 'heritage'
  | 'tags'
  | 'writer'
  | 'watch'
  | 'toldBefore'
>

/** What a trial is made from. */
export type Beginning = {
  readonly name: string
  readonly random: Random
  readonly persistence: Persistence
  readonly shape?: Shape
}

/** One cluster under the writer, watched, and the means to break it. */
export class Trial {
  readonly ground: Ground
  readonly name: string
  readonly uid: string
  readonly random: Random
  readonly persistence: Persistence
  readonly nodeTimeoutMs: number
  readonly heritage: Heritage
  /** A tag for each shard, under which keys are its own. */
  readonly tags: readonly string[]
  readonly writer: LedgerWriter
  readonly watch: Watch
  /** How much had been told of it when the trial began. */
  toldBefore: number
  /** What may be lost. A scenario that attacks no primary leaves it: nothing. */
  allowance: Allowance = { unconfirmed: false, emptied: [] }
  /** When the first fault began. */
  faultAt = Infinity
  /** Shards whose primaries a scenario attacks: only these may get another. */
  readonly attacked = new Set<number>()
  /** Pods that a scenario attacks: only these may be made anew or restarted. */
  readonly expected = new Set<string>()
  /** Whether somebody is there to write a status. */
  honest = true
  /** Commands that a scenario itself sends to servers, though no controller ever may. */
  readonly ownCommands = new Set<string>()
  /** A figure of the scenario's own, for its line. */
  note = ''

  private constructor(given: Given) {
    this.ground = given.ground
    this.name = given.name
    this.uid = given.uid
    this.random = given.random
    this.persistence = given.persistence
    this.nodeTimeoutMs = given.nodeTimeoutMs
    this.heritage = given.heritage
    this.tags = given.tags
    this.writer = given.writer
    this.watch = given.watch
    this.toldBefore = given.toldBefore
  }

  /** Forms a cluster, starts to watch it and to write to it. */
  static async begin(ground: Ground, { name, random, persistence, shape = {} }: Beginning): Promise<Trial> {
    const { stage, kube } = ground
    const { shards = 3, replicasPerShard = 1, nodeTimeoutMs = 3000, retain = false, whileForming } = shape
    const storage = persistence === 'none' ? {} : { storage: { size: '100Mi', persistence, retain } }
    const spec = { shards, replicasPerShard, nodeTimeoutMs, ...storage, ...shape.spec }
    const heritage = await (shape.origin ?? createEmpty)(ground, name, spec)
    await whileForming?.(ground, name, random)
    const { metadata, status } = await stage.healthy(name)
    const [control, auth] = await Promise.all([stage.secret(`${name}-internal`), stage.secret(`${name}-auth`)])
    const [host, port] = [`${name}-nodes.${stage.namespace}.svc.cluster.local`, CLIENT_PORT]
    const { password = '' } = auth
    const tags = await tagsOf(await stage.connect(`${name}-0-0`, { username: 'default', password }), shards)
    const dial = (...to: readonly [string, number]) => stage.platform.dial(...to)
    const watch = await startWatch({
      kube,
      dial,
      namespace: stage.namespace,
      name,
      control: { username: 'slotkeeper', password: control['control-password'] ?? '' },
    })
    // By name, as applications do: addresses change.
    const startAt = watch.pods().map((pod) => ({ host: `${pod.name}.${host}`, port }))
    const writer = startLedgerWriter({ dial, startAt, password, perSecond: PER_SECOND, tags })
    const trial = new Trial({
      ground,
      name,
      uid: metadata.uid,
      random,
      persistence,
      nodeTimeoutMs,
      heritage,
      tags,
      writer,
      watch,
      toldBefore: status?.lifecycle?.seq ?? 0,
    })
    await trial.writesGoOn(20)
    return trial
  }

  get stage(): Stage {
    return this.ground.stage
  }

  /** The numbers of all shards. */
  get allShards(): readonly number[] {
    return this.tags.map((_, shard) => shard)
  }

  /** Waits for that many more acknowledged keys in every shard, or in these. */
  async writesGoOn(more: number, shards: readonly number[] = this.allShards): Promise<void> {
    const count = (): readonly number[] =>
      shards.map(
        (shard) => this.writer.entries().filter((one) => one.lane === shard && one.outcome !== 'failed').length,
      )
    const before = count()
    await until(`${more} more writes to each of the shards ${shards.join(', ')}`, PATIENCE_MS, async () =>
      count().every((now, index) => now >= (before[index] ?? 0) + more) ? true : undefined,
    )
  }

  /** The status as it is now; empty when it was erased. */
  async status(): Promise<SeenStatus['status']> {
    return ((await this.stage.read(this.name)).status ?? { state: '' }) as SeenStatus['status']
  }

  /** A shard as the status has it. */
  async shard(shard: number): Promise<ShardNow> {
    const found = (await this.status()).topology?.[shard]
    return { shard, primary: found?.primary ?? '', replicas: found?.attached ?? [] }
  }

  /** A shard that is drawn. */
  anyShard(): Promise<ShardNow> {
    return this.shard(this.random.below(this.tags.length))
  }

  /** All shards as the status has them. */
  shards(): Promise<readonly ShardNow[]> {
    return Promise.all(this.allShards.map((shard) => this.shard(shard)))
  }

  /**
   * Says what is about to be broken, and breaks it: members of these shards may lose their role, and these pods may be
   * restarted or made anew; writes that no replica had may be lost.
   */
  async fault<T>(
    what: { readonly shards?: readonly number[]; readonly pods?: readonly string[]; readonly loses?: boolean },
    run: () => Promise<T>,
  ): Promise<T> {
    what.shards?.forEach((shard) => this.attacked.add(shard))
    what.pods?.forEach((pod) => this.expected.add(pod))
    if (what.loses ?? (what.shards ?? []).length > 0) this.allowance = { ...this.allowance, unconfirmed: true }
    this.faultAt = Math.min(this.faultAt, performance.now())
    return run()
  }

  /** Waits until these pods were made anew, or their containers. */
  async disturbs(pods: readonly string[]): Promise<void> {
    await until(`a new life of ${pods.join(', ')}`, PATIENCE_MS, async () => {
      const disturbed = this.watch.disturbed()
      return pods.every((pod) => disturbed.includes(pod)) || undefined
    })
  }

  /** Takes the controller away; there is nobody to write a status then. */
  async unattended(): Promise<void> {
    this.honest = false
    await this.ground.controller.scale(0)
  }

  /** Brings back what is beside the cluster: the network, and the controller. */
  async restore(): Promise<void> {
    await this.heal()
    if ((await this.ground.controller.list()).length === 0) await this.ground.controller.scale(1)
  }

  /** Gives up the latest writes, or all data, of these shards, as a person does. */
  async giveUp(shards: readonly number[]): Promise<void> {
    const until30 = new Date(Date.now() + 30 * 60_000).toISOString()
    const value = `slotkeeper.dev/accept-data-loss=${shards.join(',')}@${until30}`
    await this.stage.kubectl('annotate', 'rdc', this.name, '--overwrite', value)
  }

  /** Begins the account again: what was told and what happened to pods until now was only to set the scene. */
  async startOver(): Promise<void> {
    this.toldBefore = (await this.status()).lifecycle?.seq ?? 0
  }

  /** The label by which the objects of the cluster are found. */
  get selector(): string {
    return `${LABEL.cluster}=${this.name}`
  }

  /** The names of the pods. */
  podNames(): readonly string[] {
    return this.watch
      .pods()
      .map(({ name }) => name)
      .toSorted()
  }

  /** Sends a signal to a pod's server. */
  async signal(pod: string, signal: PodSignal): Promise<void> {
    await this.stage.platform.switchboard.killInPod(this.stage.namespace, pod, signal)
  }

  /** A pod as the watch has it; throws when there is none. */
  pod(name: string): SeenPod {
    const found = this.watch.pods().find((one) => one.name === name)
    if (found === undefined) throw new Error(`there is no pod ${name}`)
    return found
  }

  /**
   * Cuts these pods off from all other pods of the cluster and from the controller: in both directions, or only what
   * they send.
   */
  async isolate(pods: readonly string[], mode: CutMode, which: 'both' | 'outward' = 'both'): Promise<void> {
    const inside = pods.map((name) => this.pod(name).ip)
    const others = [...this.watch.pods(), ...(await this.ground.controller.list())].map(({ ip }) => ip)
    const outside = others.filter((ip) => ip !== '' && !inside.includes(ip))
    const { cut } = this.stage.platform.switchboard
    await Promise.all(
      inside.flatMap((one) =>
        outside.flatMap((other) => [cut(one, other, mode), ...(which === 'both' ? [cut(other, one, mode)] : [])]),
      ),
    )
  }

  /** Mends all cuts. */
  async heal(): Promise<void> {
    await this.stage.platform.switchboard.heal()
  }

  /** Waits until the cluster is as it should be. */
  sees(what: string, holds: (status: SeenStatus['status']) => boolean): Promise<unknown> {
    return this.stage.sees(this.name, what, ({ status }) => holds((status ?? { state: '' }) as SeenStatus['status']))
  }

  /** Waits until a shard has another primary than that pod. */
  moved(shard: number, from: string): Promise<unknown> {
    return this.sees(`another primary of shard ${shard} than ${from}`, ({ topology }) => {
      const now = topology?.[shard]
      return now?.primary !== undefined && now.primary !== from && now.primaryDown !== true
    })
  }

  /** The events of this cluster so far. */
  told(): readonly Delivery[] {
    return this.ground.story.filter(({ event }) => event.uid === this.uid)
  }

  /** How many events of a type there were with such data. */
  count(type: string, data: Readonly<Record<string, unknown>> = {}): number {
    const fits = (told: Readonly<Record<string, unknown>>): boolean =>
      Object.entries(data).every(([field, value]) => told[field] === value)
    return this.told().filter(({ event }) => event.type === type && fits(event.cloudEvent.data)).length
  }

  /** Runs with a control client of a pod's server. */
  async control<T>(pod: string, ask: (client: Client) => Promise<T>): Promise<T> {
    const { 'control-password': password = '' } = await this.stage.secret(`${this.name}-internal`)
    const client = await this.stage.connect(pod, { username: 'slotkeeper', password })
    try {
      return await ask(client)
    } finally {
      client.disconnect()
    }
  }

  /** Ends writing and watching, and has the cluster deleted with its volumes; what comes next need not wait for that. */
  async end(): Promise<void> {
    this.writer.close()
    await this.watch.stop()
    await this.stage.kubectl('delete', 'rdc,rdr', this.name, '--wait=false', '--ignore-not-found')
    await this.stage.kubectl('delete', 'pvc', '-l', this.selector, '--wait=false')
  }
}

/** A cluster as somebody creates it who has no data yet. */
async function createEmpty({ stage }: Ground, name: string, spec: object): Promise<Heritage> {
  await stage.create(name, spec)
  return { missing: () => Promise.resolve([]) }
}

/** Finds a tag for each shard. */
async function tagsOf(client: Client, shards: number): Promise<readonly string[]> {
  const letters = [...'abcdefghijklmnopqrstuvwxyz']
  const slots = await Promise.all(letters.map(async (letter) => Number(await client.cluster('KEYSLOT', letter))))
  client.disconnect()
  return evenRanges(shards).map(({ first, last }) => {
    const found = letters.find((_, index) => (slots[index] ?? -1) >= first && (slots[index] ?? -1) <= last)
    if (found === undefined) throw new Error(`no letter is a tag of the slots from ${first} to ${last}`)
    return found
  })
}
