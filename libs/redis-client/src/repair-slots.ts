import { setTimeout as sleep } from 'node:timers/promises'
import { type NodeRow, parseClusterNodes, parseInfo, type SlotRepair } from '@slotkeeper/redis-topology'
import { clusterCalls, type Words } from './cluster-calls.ts'
import { type KeysMove, moveKeys } from './move-keys.ts'
import { RedisError, type RedisNode } from './redis-node.ts'

/** What to repair, as it was decided: by pod the node ids of all primaries and the replicas in sync with each target. */
export type RepairOrder = {
  readonly repairs: readonly SlotRepair[]
  readonly nodes: Readonly<Record<string, string>>
  readonly replicas: Readonly<Record<string, readonly string[]>>
  readonly unguarded: readonly string[]
}

/** How a repair reaches the servers. */
export type RepairPorts = {
  /** The kept connection to a pod's server; throws RedisError when it has no address. */
  connect(pod: string): RedisNode
  /** Where other servers find that pod's. */
  address(pod: string): { readonly host: string; readonly port: number }
  /** As whom they enter there. */
  readonly login: { readonly username: string; readonly password: string }
  /** Whether what decides about owners may still be sent (SAFETY 4). */
  mayOrder(): boolean
  /** How long it may take, in milliseconds, but for the step that has been begun. */
  readonly budgetMs: number
}

/** What came of one repair. */
export type RepairReport = {
  /** Keys that were moved. */
  readonly moved: number
  /** Keys that both servers hold with different values: nothing was done to them. */
  readonly disputes: readonly {
    readonly slot: number
    readonly pods: readonly [string, string]
    readonly keys: readonly Buffer[]
  }[]
}

const CALL_MS = 2_000
/** Valkey has its replicas confirm a SETSLOT for up to two seconds before it answers. */
const ORDER_MS = 3_000
const KEPT_MS = 1_000
const LOOK_MS = 2

/**
 * Makes half moved slots whole, one after the other, for as long as the budget lasts; called again it goes on. All that
 * was decided is looked at once more on the spot. No server is named the owner before every other holds no key of the
 * slot, for what it holds it would delete; and none before a replica has what it holds (SAFETY 7).
 *
 * @throws RedisError when a server refused, did not answer, or is not what it was
 */
export async function repairSlots(order: RepairOrder, ports: RepairPorts): Promise<RepairReport> {
  const end = performance.now() + ports.budgetMs
  let moved = 0
  const disputes: RepairReport['disputes'][number][] = []
  for (const repair of order.repairs) {
    if (performance.now() > end) break
    const report = await new Repair(repair, order, ports, end).run()
    moved += report.moved
    disputes.push(...report.disputes)
  }
  return { moved, disputes }
}

/** One slot. */
class Repair {
  readonly #repair: SlotRepair
  readonly #order: RepairOrder
  readonly #ports: RepairPorts
  readonly #end: number

  constructor(repair: SlotRepair, order: RepairOrder, ports: RepairPorts, end: number) {
    this.#repair = repair
    this.#order = order
    this.#ports = ports
    this.#end = end
  }

  async run(): Promise<RepairReport> {
    const { slot, owner, target, others } = this.#repair
    await this.#open()
    let moved = 0
    for (const from of [owner, ...others].filter((pod) => pod !== target)) {
      if ((await this.#count(from)) === 0) continue
      if (from !== owner) await this.#mark(from, 'importing', owner)
      if (!(await this.#guarded())) return { moved, disputes: [] }
      const report = await moveKeys(this.#move(from))
      moved += report.moved
      if (report.result === 'Disputed')
        return { moved, disputes: [{ slot, pods: [from, target], keys: report.disputed }] }
      if (report.result === 'Begun') return { moved, disputes: [] }
    }
    // What nobody else holds any more is not safer for waiting: a target without a replica gets the slot all the same.
    if (!(await this.#guarded()) || (await this.#kept())) await this.#close()
    return { moved, disputes: [] }
  }

  /** From here on every key is found by its clients, wherever it is. */
  async #open(): Promise<void> {
    const { slot, owner, target } = this.#repair
    const ownerRow = await this.#ownRow(owner)
    if (!holds(ownerRow, slot)) throw changed(`${owner} does not own slot ${slot} any more`)
    if (target === owner) {
      if (ownerRow.open.some((mark) => mark.startsWith(`[${slot}-`)))
        await this.#send(owner, clusterCalls.closeSlot(slot))
      return
    }
    const rows = await this.#rows(target)
    const own = rows.find((row) => row.myself)
    if (own === undefined || holds(own, slot)) throw changed(`${target} owns slot ${slot} by now`)
    // While it imports the slot it has not heard of a new owner.
    const heard = rows.find((row) => holds(row, slot))?.nodeId
    if (heard !== this.#idOf(owner)) await this.#send(target, clusterCalls.nameOwner(slot, this.#idOf(owner)))
    await this.#mark(target, 'importing', owner)
    await this.#mark(owner, 'migrating', target)
  }

  /** Sets a mark, unless it is set. */
  async #mark(pod: string, direction: 'importing' | 'migrating', other: string): Promise<void> {
    const { slot } = this.#repair
    const id = this.#idOf(other)
    const mark = `[${slot}-${direction === 'importing' ? '<' : '>'}-${id}]`
    if ((await this.#ownRow(pod)).open.includes(mark)) return
    await this.#send(
      pod,
      direction === 'importing' ? clusterCalls.importSlot(slot, id) : clusterCalls.migrateSlot(slot, id),
    )
  }

  /** Names the target the owner, to itself first: it takes an epoch above that of the owner, and tells everybody. */
  async #close(): Promise<void> {
    const { slot, owner, target, others, echoed } = this.#repair
    const rest = Object.keys(this.#order.nodes).filter((pod) => pod !== target)
    const counts = await Promise.all(rest.map((pod) => this.#count(pod)))
    if (counts.some((count) => count > 0)) return
    const name = clusterCalls.nameOwner(slot, this.#idOf(target))
    if (target !== owner) {
      await this.#send(target, name)
      await this.#send(owner, name)
    }
    await Promise.all(others.map((pod) => this.#send(pod, name, clusterCalls.closeSlot(slot))))
    await Promise.all(echoed.map((pod) => this.#send(pod, clusterCalls.closeSlot(slot))))
    // The others hear of it anyway; told, their clients find the new owner at once.
    const untold = rest.filter((pod) => pod !== owner && !others.includes(pod))
    await Promise.allSettled(untold.map((pod) => this.#send(pod, name)))
  }

  /** Sends what decides about owners: to the very node that was decided on, while it may be sent. */
  async #send(pod: string, ...commands: readonly Words[]): Promise<void> {
    const node = this.#ports.connect(pod)
    if ((await node.call(['CLUSTER', 'MYID'], CALL_MS)) !== this.#idOf(pod)) throw changed(`${pod} is another node now`)
    // After the answer, for it may have been long in coming (SAFETY 4).
    if (!this.#ports.mayOrder()) throw changed('nothing may be sent any more')
    for (const answer of await node.pipeline(commands, ORDER_MS)) if (answer instanceof RedisError) throw answer
  }

  #move(from: string): KeysMove {
    const { slot, owner, target } = this.#repair
    return {
      slot,
      from: this.#ports.connect(from),
      to: this.#ports.connect(target),
      address: this.#ports.address(target),
      login: this.#ports.login,
      owned: from === owner,
      goesOn: () => performance.now() < this.#end,
      kept: () => this.#kept(),
    }
  }

  /** Whether the target has a replica of its own by its own word, or may do without. */
  async #guarded(): Promise<boolean> {
    return this.#isFree() || (await this.#replicas()).length > 0
  }

  #isFree(): boolean {
    return this.#order.unguarded.includes(this.#repair.target)
  }

  async #replicas(): Promise<readonly string[]> {
    const { target } = this.#repair
    const rows = await Promise.all(
      (this.#order.replicas[target] ?? []).map(async (pod) => [pod, await this.#ownRow(pod)] as const),
    )
    return rows.filter(([, row]) => row.primaryId === this.#idOf(target)).map(([pod]) => pod)
  }

  /** Waits until a replica has heard all that the target has been sent by now (SAFETY 7); false when it did not in time. */
  async #kept(): Promise<boolean> {
    if (this.#isFree()) return true
    const replicas = await this.#replicas()
    const { offset } = await this.#info(this.#repair.target)
    for (const end = performance.now() + KEPT_MS; performance.now() < end; await sleep(LOOK_MS)) {
      const seen = await Promise.all(replicas.map((pod) => this.#info(pod)))
      if (seen.some((one) => one.role === 'replica' && one.linkUp && !one.syncing && one.offset >= offset)) return true
    }
    return false
  }

  async #info(pod: string): Promise<ReturnType<typeof parseInfo>> {
    return parseInfo(String(await this.#ports.connect(pod).call(['INFO', 'replication'], CALL_MS)))
  }

  async #count(pod: string): Promise<number> {
    return Number(await this.#ports.connect(pod).call(clusterCalls.countKeys(this.#repair.slot), CALL_MS))
  }

  async #rows(pod: string): Promise<readonly NodeRow[]> {
    return parseClusterNodes(String(await this.#ports.connect(pod).call(['CLUSTER', 'NODES'], CALL_MS)))
  }

  async #ownRow(pod: string): Promise<NodeRow> {
    const own = (await this.#rows(pod)).find((row) => row.myself)
    if (own === undefined) throw changed(`${pod} does not know itself`)
    return own
  }

  #idOf(pod: string): string {
    const id = this.#order.nodes[pod]
    if (id === undefined) throw changed(`${pod} is no primary`)
    return id
  }
}

function holds(row: NodeRow, slot: number): boolean {
  return row.slots.some((range) => range.first <= slot && slot <= range.last)
}

function changed(message: string): RedisError {
  return new RedisError('Answered', message)
}
