import { CLIENT_PORT } from '@slotkeeper/api'
import { compareKey, observeSlots, type RedisNode, type RepairReport } from '@slotkeeper/redis-client'
import {
  isUp,
  type KeyDispute,
  type Member,
  type OpenSlots,
  openSlotsOf,
  type UpMember,
} from '@slotkeeper/redis-topology'

type Dispute = RepairReport['disputes'][number]
type Memory = { seen: string; since: number; disputes: readonly Dispute[]; moved: number }

/** Slots beyond these are looked at when some of these are whole. */
const MOST_SLOTS = 128
const TOLD_KEYS = 3
const TOLD_CHARACTERS = 60

/** What this process remembers of half moved slots, by cluster: nothing that it could not see again. */
export class OpenSlotsMemory {
  readonly #clusters = new Map<string, Memory>()

  /** For how long, in milliseconds, a cluster has looked as it does now. */
  quietMs(uid: string, seen: string): number {
    const memory = this.#of(uid)
    if (memory.seen !== seen) Object.assign(memory, { seen, since: performance.now() })
    return Math.round(performance.now() - memory.since)
  }

  /** What came of a repair. */
  repaired(uid: string, report: RepairReport): void {
    const memory = this.#of(uid)
    const others = memory.disputes.filter((one) => report.disputes.every((other) => other.slot !== one.slot))
    Object.assign(memory, { moved: memory.moved + report.moved, disputes: [...others, ...report.disputes] })
  }

  /** Keys moved since the cluster was last whole. */
  moved(uid: string): number {
    return this.#clusters.get(uid)?.moved ?? 0
  }

  /** The cluster is whole, and that has been told. */
  forget(uid: string): void {
    this.#clusters.delete(uid)
  }

  /** Looks again at what was in dispute, and forgets what no longer is. */
  async disputes(uid: string, still: (dispute: Dispute) => Promise<readonly Buffer[]>): Promise<readonly Dispute[]> {
    const memory = this.#clusters.get(uid)
    if (memory === undefined || memory.disputes.length === 0) return []
    const checked = await Promise.all(memory.disputes.map(async (one) => ({ ...one, keys: await still(one) })))
    memory.disputes = checked.filter((one) => one.keys.length > 0)
    return memory.disputes
  }

  #of(uid: string): Memory {
    const known = this.#clusters.get(uid)
    if (known !== undefined) return known
    const memory: Memory = { seen: '', since: performance.now(), disputes: [], moved: 0 }
    this.#clusters.set(uid, memory)
    return memory
  }
}

/** What asking about open slots reaches out to. */
type Ports = {
  readonly uid: string
  readonly memory: OpenSlotsMemory
  readonly connect: (member: UpMember) => RedisNode
  /** For each server, in milliseconds. */
  readonly timeoutMs: number
}

/**
 * Asks the primaries about slots that are half moved; nobody is asked anything while none is.
 *
 * @returns undefined while no slot is open
 */
export async function observeOpenSlots(members: readonly Member[], ports: Ports): Promise<OpenSlots | undefined> {
  const up = members.filter(isUp)
  const slots = openSlotsOf(up).slice(0, MOST_SLOTS)
  if (slots.length === 0) return undefined
  const primaries = up.filter((member) => member.contact.view.role === 'primary')
  const said = await Promise.all(
    primaries.map(async (member) => {
      const view = await observeSlots(ports.connect(member), slots, ports.timeoutMs)
      return view === null ? [] : [{ pod: member.pod, ...view }]
    }),
  )
  const views = said.flat()
  const keys = Object.fromEntries(
    slots.map((slot) => [slot, Object.fromEntries(views.map((view) => [view.pod, view.keys[slot] ?? 0]))]),
  )
  const marks = primaries.map((member) => member.contact.view.rows.map((row) => row.open))
  return {
    keys,
    quietMs: ports.memory.quietMs(ports.uid, JSON.stringify([marks, keys])),
    movers: views.flatMap(({ pod, movers }) => movers.map((mover) => ({ pod, ...mover }))),
    disputed: await disputedOf(primaries, slots, ports),
  }
}

async function disputedOf(
  primaries: readonly UpMember[],
  slots: readonly number[],
  { uid, memory, connect, timeoutMs }: Ports,
): Promise<OpenSlots['disputed']> {
  const disputes = await memory.disputes(uid, async ({ slot, pods, keys }) => {
    const ends = pods.map((pod) => primaries.find((one) => one.pod === pod))
    const [a, b] = ends
    // Without both of them it is decided anew when the slot is looked at by the repair.
    if (!slots.includes(slot) || a === undefined || b === undefined) return []
    const nodes = [connect(a), connect(b)] as const
    const found = await Promise.all(
      // A server that does not answer has not changed its mind.
      keys.map((key) => compareKey(nodes, key, timeoutMs).catch(() => 'Different' as const)),
    )
    return keys.filter((_, index) => found[index] === 'Different')
  })
  return Object.fromEntries(disputes.map(({ slot, pods, keys }): [number, KeyDispute] => [slot, told(pods, keys)]))
}

function told(pods: readonly string[], keys: readonly Buffer[]): KeyDispute {
  return { pods, keys: keys.slice(0, TOLD_KEYS).map(printable), more: Math.max(0, keys.length - TOLD_KEYS) }
}

/** A key as a line can show it: bytes that are no plain text as `\xff`, quotes and backslashes escaped. */
export function printable(key: Buffer): string {
  const text = Array.from(key, (byte) =>
    byte === 0x22 || byte === 0x5c
      ? `\\${String.fromCharCode(byte)}`
      : byte >= 0x20 && byte < 0x7f
        ? String.fromCharCode(byte)
        : `\\x${byte.toString(16).padStart(2, '0')}`,
  ).join('')
  return `"${text.length > TOLD_CHARACTERS ? `${text.slice(0, TOLD_CHARACTERS)}...` : text}"`
}

/** Where other servers find that of a pod. */
export function addressOf(ip: string): { readonly host: string; readonly port: number } {
  return { host: ip, port: CLIENT_PORT }
}
