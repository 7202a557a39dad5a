import { CLIENT_PORT } from '@slotkeeper/api'
import { clusterCalls } from '@slotkeeper/redis-client'
import { until } from '@slotkeeper/testing'
import { healthy } from '../demo/tour.ts'
import { type ClusterWatch, watchCluster } from './cluster-watch.ts'
import { type ClientView, startPlainClient } from './plain-client.ts'
import { type Servers, serversOf } from './servers-of.ts'
import type { Stage } from './stage.ts'
import { applyCluster, deleteCluster } from './staged-clusters.ts'
import { untilWhole } from './wholeness.ts'
import { startWriteProbe, TAGS } from './write-probe.ts'

const SHAPE = { shards: 3, servers: 6 }
const PATIENCE_MS = 120_000

/** What a loss was to those who write. */
export type Loss = {
  /** The longest time in which no server of a shard accepted a write, in milliseconds; the worst shard's. */
  readonly gapMs: number
  readonly client: ClientView
}

/** A cluster of three shards with a replica each, that is to lose something. */
export class Subject {
  readonly stage: Stage
  readonly name: string
  readonly watch: ClusterWatch
  readonly #servers: Servers
  readonly #signal: AbortSignal
  readonly #password: string

  private constructor(stage: Stage, name: string, signal: AbortSignal, password: string) {
    this.stage = stage
    this.name = name
    this.#signal = signal
    this.#password = password
    this.watch = watchCluster(stage.kube, { namespace: stage.namespace, name, podCount: SHAPE.servers }, signal)
    this.#servers = serversOf(stage, name, this.watch, signal)
  }

  /** Creates a cluster on the stage and waits until it is Healthy. */
  static async create(stage: Stage, name: string, storage: object | null, signal: AbortSignal): Promise<Subject> {
    const spec = { version: 'valkey-9.1', shards: SHAPE.shards, replicasPerShard: 1 }
    await applyCluster(stage, name, storage === null ? spec : { ...spec, storage }, signal)
    await healthy(stage.platform, stage.namespace, name)
    const path = 'jsonpath={.data.password}'
    const encoded = await stage.platform.kubectl(['-n', stage.namespace, 'get', 'secret', `${name}-auth`, '-o', path], {
      signal,
    })
    const subject = new Subject(stage, name, signal, Buffer.from(encoded, 'base64').toString('utf8'))
    // The client starts at the pods that the watch has told of.
    await until(`the pods of ${name}`, PATIENCE_MS, async () => subject.watch.runningAt(), { signal })
    return subject
  }

  /** The pod that is the primary of a shard, by its server's own word: it holds also when no controller is there. */
  async primaryOf(shard: number): Promise<string> {
    return until(`the primary of shard ${shard} of ${this.name}`, PATIENCE_MS, async () => {
      const seen = await this.#servers.see()
      const primaries = seen.filter(
        ({ pod, contact }) =>
          pod.name.startsWith(`${this.name}-${shard}-`) && contact.type === 'up' && contact.view.role === 'primary',
      )
      return primaries.length === 1 ? primaries[0]?.pod.name : undefined
    })
  }

  /** Has a replica take the role of its primary, in order. */
  async handOver(shard: number, to: string): Promise<void> {
    await this.#servers.call(to, clusterCalls.handOver())
    await until(`${to} as primary`, PATIENCE_MS, async () => (await this.primaryOf(shard)) === to || undefined)
  }

  /** Waits until the object says Healthy. */
  async healthy(): Promise<void> {
    await healthy(this.stage.platform, this.stage.namespace, this.name)
  }

  /** Waits until the servers themselves say that the cluster is whole. */
  async whole(): Promise<void> {
    await untilWhole(this.#servers.look, SHAPE, performance.now(), this.#signal)
  }

  /** Waits until all its servers answer, whatever they say. */
  async answers(): Promise<void> {
    const all = async (): Promise<true | undefined> =>
      (await this.#servers.look()).filter((one) => one.type === 'up').length === SHAPE.servers || undefined
    await until(`answers of all servers of ${this.name}`, PATIENCE_MS, all, { signal: this.#signal })
  }

  /** kubectl in the namespace. */
  kubectl(...args: readonly string[]): Promise<string> {
    const { platform, namespace } = this.stage
    return platform.kubectl(['-n', namespace, ...args], { deadline: PATIENCE_MS, signal: this.#signal })
  }

  /**
   * Writes to these shards, by a probe of each server and by an ordinary client, breaks something, and goes on until
   * `mended`: the cluster is whole in the view of its servers when nothing else is said.
   *
   * @param fault resolves when it has happened
   */
  async lose(
    shards: readonly number[],
    fault: () => Promise<unknown>,
    mended: () => Promise<unknown> = () => this.whole(),
  ): Promise<Loss> {
    const dial = (host: string, port: number) => this.stage.platform.dial(host, port)
    const password = this.#password
    const probe = startWriteProbe({ dial, password, shards, pods: () => this.watch.pods() }, this.#signal)
    // By name, as applications do: addresses change.
    const domain = `${this.name}-nodes.${this.stage.namespace}.svc.cluster.local`
    const startAt = this.watch.pods().map(({ name }) => ({ host: `${name}.${domain}`, port: CLIENT_PORT }))
    const tags = shards.map((shard) => TAGS[shard] ?? '')
    const client = startPlainClient({ dial, startAt, password }, tags, this.#signal)
    const writes = async (since: number): Promise<void> => {
      const wait = (what: string, isSeen: () => boolean): Promise<true> =>
        until(`${what} shards ${shards.join(', ')} of ${this.name}`, PATIENCE_MS, async () => isSeen() || undefined, {
          everyMs: 20,
          signal: this.#signal,
        })
      await wait('a server that accepts writes to', () => probe.acceptedSince(since))
      await wait('answers to the client from', () => client.answeredSince(since))
    }
    try {
      await writes(performance.now())
      const since = performance.now()
      await fault()
      await writes(performance.now())
      await mended()
      await writes(performance.now())
      const gapMs = probe.gapMs(since)
      return { gapMs, client: await client.finish(since) }
    } finally {
      client.close()
      await probe.stop()
    }
  }

  /** Deletes it with its volumes, unless the bench was interrupted. */
  async end(): Promise<void> {
    await this.#servers.close()
    await this.watch.stop()
    if (!this.#signal.aborted) await deleteCluster(this.stage, this.name, this.#signal)
  }
}
