import {
  assess,
  attachedToRemember,
  type Case,
  type ClusterCommand,
  containerToken,
  diagnose,
  type History,
  intentFor,
  isFinished,
  isUp,
  type Member,
  openSlotsOf,
  outlived,
  plan,
  type Snapshot,
} from '@slotkeeper/redis-topology'
import { clusterCalls, compareKey, observeInboundLinks, observeNode, observeSlots, repairSlots } from '../src/index.ts'
import {
  kept,
  NODE_TIMEOUT_MS,
  PATIENCE_MS,
  type Place,
  type RedisConfig,
  SHARDS,
  until,
  WITHIN_MS,
} from '@slotkeeper/testing'

const SETTINGS = ['cluster-node-timeout', 'cluster-replica-no-failover']
const BUDGET_MS = 1_000
const MOVER = { username: 'mover', password: 'moves' }
/** What servers are to be started with that a Healer heals: they may be elected, and enter each other by name. */
export const MOVER_CONFIG: RedisConfig = {
  user: `${MOVER.username} on >${MOVER.password} ~* &* +@all`,
  'cluster-replica-no-failover': 'no',
  // What a server was sent it has again when it comes back.
  appendonly: 'yes',
  appendfsync: 'no',
}

type Operation = NonNullable<History['operation']>

/** Observes, decides and acts on a cluster of this machine as the controller does on one of pods. */
export class Healer {
  readonly #places: readonly Place[]
  #attached: readonly string[] = []
  #operation: Operation | undefined
  #begun = 0
  #seen = { what: '', since: 0 }
  #disputes: Awaited<ReturnType<typeof repairSlots>>['disputes'] = []
  /** Places whose process was ended, and not started again. */
  readonly dead = new Set<Place>()
  /** What was ordered, in order. */
  readonly ordered: string[] = []
  moved = 0
  /** Whether the lease holds. */
  mayOrder = true

  constructor(places: readonly Place[]) {
    this.#places = places
  }

  /** For how long marks and counts have stayed as they are, in milliseconds. */
  get quietMs(): number {
    return performance.now() - this.#seen.since
  }

  /** Passes until one finds nothing and nobody is missing; `meanwhile` happens after each. */
  async untilNothingIsFound(meanwhile: () => Promise<void> = () => Promise.resolve()): Promise<void> {
    let last: readonly string[] = []
    try {
      await until('nothing is found', PATIENCE_MS, async () => {
        last = await this.pass()
        const quiet = last.length === 0 && this.dead.size === 0
        await meanwhile()
        return quiet ? true : undefined
      })
    } catch (error) {
      throw new Error(`last found: ${last.join('; ')}; ordered: ${this.ordered.slice(-20).join(', ')}`, {
        cause: error,
      })
    }
  }

  /** One pass; gives what was found. */
  async pass(): Promise<readonly string[]> {
    const given = await this.#look()
    const findings = diagnose(given)
    this.#attached = given.picture.shards.flatMap((shard) => attachedToRemember(shard, this.#attached))
    const current = this.#operation
    if (current !== undefined && (isFinished(given, findings, true) || outlived(given, findings) !== null))
      this.#operation = undefined
    const intent = this.#operation === undefined ? intentFor(given, findings, true) : null
    if (intent !== null) {
      this.#begun += 1
      this.#operation = { id: String(this.#begun), since: new Date().toISOString(), ...intent }
    }
    const operation = this.#operation
    const decided = operation === undefined ? given : { ...given, history: { ...given.history, operation } }
    for (const command of plan(decided, findings, true, operation?.id)) {
      this.ordered.push(command.type)
      await this.#act(command)
    }
    return findings.map((one) => `${one.type}: ${one.message}`)
  }

  async #look(): Promise<Case> {
    const members = await Promise.all(this.#places.map((place, number) => this.#member(place, number)))
    const links = members.some((one) => one.contact.type === 'refused')
      ? await Promise.all(
          members.filter(isUp).map(async (one) => {
            const found = await observeInboundLinks(kept(this.#at(one.pod).server), WITHIN_MS)
            return found === null ? [] : [[one.pod, found] as const]
          }),
        )
      : []
    const openSlots = await this.#openSlots(members)
    const snapshot: Snapshot = {
      members,
      inboundLinks: Object.fromEntries(links.flat()),
      ...(openSlots === undefined ? {} : { openSlots }),
    }
    const desired = {
      shards: SHARDS,
      membersPerShard: 2,
      nodeTimeoutMs: NODE_TIMEOUT_MS,
      settings: {},
      mayStartEmpty: [],
      restored: false,
      adopted: false,
      consented: [],
      releasePodsAfterMs: 300_000,
    }
    const history: History = {
      formedAt: '2026-01-01T00:00:00Z',
      unreadyMs: 0,
      nodes: Object.fromEntries(this.#places.map(({ id }, number) => [podOf(number), id])),
      slots: {},
      epochs: {},
      hosts: {},
      attached: this.#attached,
      incarnations: Object.fromEntries(
        this.#places.map((_, number) => [podOf(number), containerToken(containerOf(number))]),
      ),
      ...(this.#operation === undefined ? {} : { operation: this.#operation }),
    }
    return { desired, snapshot, history, picture: assess(desired, snapshot, history) }
  }

  async #member(place: Place, number: number): Promise<Member> {
    const ended = this.dead.has(place)
    const containerId = containerOf(number)
    return {
      pod: podOf(number),
      shard: number % SHARDS,
      index: Math.floor(number / SHARDS),
      kube: {
        uid: podOf(number),
        ip: place.server.host,
        deleting: false,
        ready: !ended,
        running: !ended,
        containerId,
        terminated: ended ? [{ containerId, exitCode: 137, reason: 'Error' }] : [],
        restarts: 0,
      },
      contact: await observeNode(kept(place.server), SETTINGS, WITHIN_MS),
    }
  }

  async #openSlots(members: readonly Member[]): Promise<Snapshot['openSlots']> {
    const up = members.filter(isUp)
    const slots = openSlotsOf(up)
    if (slots.length === 0) return undefined
    const primaries = up.filter((one) => one.contact.view.role === 'primary')
    const views = await Promise.all(
      primaries.map(
        async ({ pod }) => [pod, await observeSlots(kept(this.#at(pod).server), slots, WITHIN_MS)] as const,
      ),
    )
    const keys = Object.fromEntries(
      slots.map((slot) => [
        slot,
        Object.fromEntries(views.flatMap(([pod, said]) => (said === null ? [] : [[pod, said.keys[slot] ?? 0]]))),
      ]),
    )
    const what = JSON.stringify([up.map((one) => one.contact.view.rows.map((row) => row.open)), keys])
    if (what !== this.#seen.what) this.#seen = { what, since: performance.now() }
    return {
      keys,
      quietMs: performance.now() - this.#seen.since,
      movers: views.flatMap(([pod, said]) => (said?.movers ?? []).map((mover) => ({ pod, ...mover }))),
      disputed: await this.#stillDisputed(),
    }
  }

  async #stillDisputed(): Promise<NonNullable<Snapshot['openSlots']>['disputed']> {
    const checked = await Promise.all(
      this.#disputes.map(async (dispute) => {
        const [a, b] = dispute.pods
        const ends = [kept(this.#at(a).server), kept(this.#at(b).server)] as const
        const found = await Promise.all(dispute.keys.map((key) => compareKey(ends, key, WITHIN_MS)))
        return { ...dispute, keys: dispute.keys.filter((_, index) => found[index] === 'Different') }
      }),
    )
    this.#disputes = checked.filter((one) => one.keys.length > 0)
    return Object.fromEntries(
      this.#disputes.map(({ slot, pods, keys }) => [slot, { pods, keys: keys.map(String), more: 0 }]),
    )
  }

  async #act(command: ClusterCommand): Promise<void> {
    try {
      if (command.type === 'RepairSlots') {
        const report = await repairSlots(command, {
          connect: (pod) => kept(this.#at(pod).server),
          address: (pod) => this.#at(pod).server,
          login: MOVER,
          mayOrder: () => this.mayOrder,
          budgetMs: BUDGET_MS,
        })
        this.moved += report.moved
        this.#disputes = [...this.#disputes, ...report.disputes]
      } else if (command.type === 'FailOver') {
        await kept(this.#at(command.pod).server).call(clusterCalls.failOver(), WITHIN_MS)
      } else if (command.type === 'AttachReplicas') {
        for (const { pod, primaryId } of command.attachments)
          await kept(this.#at(pod).server).call(clusterCalls.replicate(primaryId), WITHIN_MS)
      } else if (command.type === 'ConfigureNodes') {
        for (const [pod, settings] of Object.entries(command.settings))
          for (const [name, value] of Object.entries(settings))
            await kept(this.#at(pod).server).call(clusterCalls.set(name, value), WITHIN_MS)
      }
    } catch (error) {
      this.ordered.push(error instanceof Error ? error.message : String(error))
    }
  }

  #at(pod: string): Place {
    return this.#places[Number(pod.slice(2))] as Place
  }
}

const podOf = (number: number): string => `c-${number}`
const containerOf = (number: number): string => `containerd://c0de${String(number).padStart(20, '0')}`
