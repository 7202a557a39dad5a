import { setTimeout as pause } from 'node:timers/promises'
import { CLIENT_PORT } from '@slotkeeper/api'
import { connectServer, type Dial } from '@slotkeeper/testing'
import type { SeenPod } from './cluster-watch.ts'
import { longestGap } from './longest-gap.ts'

/** A key of each shard of three: their slots are 3300, 7365 and 15495. */
export const TAGS = ['b', 'c', 'a'] as const

/** Writes to each server of some shards again and again, and remembers when one was accepted. */
export type WriteProbe = {
  /** Whether some server of each shard has accepted a write that was sent after a moment of `performance.now()`. */
  acceptedSince(moment: number): boolean
  /** The longest time from that moment until now in which no server of a shard accepted a write; the worst shard's. */
  gapMs(since: number): number
  stop(): Promise<void>
}

/** What is probed: the pods as they are now, whose names end in `-<shard>-<index>`, as the user `default`. */
export type Probed = {
  readonly dial: Dial
  readonly pods: () => readonly SeenPod[]
  readonly password: string
  readonly shards: readonly number[]
}

const EACH_MS = 10
type Accepted = { readonly sentAt: number; readonly at: number }

/** Starts to write. A pod that is made anew is found by itself; each server is asked by itself, so none delays another. */
export function startWriteProbe(probed: Probed, signal: AbortSignal): WriteProbe {
  const ending = new AbortController()
  const ended = AbortSignal.any([signal, ending.signal])
  const accepted = new Map<number, Accepted[]>(probed.shards.map((shard) => [shard, []]))
  const known = new Set<string>()
  const knocking: Promise<void>[] = []
  const find = setInterval(() => {
    for (const pod of probed.pods()) {
      const shard = Number(pod.name.split('-').at(-2))
      const list = accepted.get(shard)
      if (list === undefined || pod.ip === undefined || known.has(pod.uid)) continue
      known.add(pod.uid)
      knocking.push(knock({ ...probed, pod: { ...pod, ip: pod.ip }, tag: TAGS[shard] ?? '' }, list, ended))
    }
  }, EACH_MS)
  return {
    acceptedSince: (moment) => [...accepted.values()].every((list) => (list.at(-1)?.sentAt ?? 0) > moment),
    gapMs: (since) => {
      const now = performance.now()
      // The servers of a shard answer side by side.
      const moments = (list: readonly Accepted[]): number[] => list.map(({ at }) => at).toSorted((a, b) => a - b)
      return Math.max(...[...accepted.values()].map((list) => longestGap(moments(list), since, now)))
    },
    stop: async () => {
      clearInterval(find)
      ending.abort()
      await Promise.all(knocking)
    },
  }
}

type Door = Pick<Probed, 'dial' | 'pods' | 'password'> & {
  readonly pod: SeenPod & { readonly ip: string }
  readonly tag: string
}

/** Writes to one pod until it is gone, on a new connection where the last one broke. */
async function knock(door: Door, accepted: Accepted[], signal: AbortSignal): Promise<void> {
  const { dial, pods, password, pod, tag } = door
  const isThere = (): boolean => !signal.aborted && pods().some(({ uid }) => uid === pod.uid)
  while (isThere()) {
    const to = { host: pod.ip, port: CLIENT_PORT, username: 'default', password }
    const client = await connectServer(dial, to).catch(() => undefined)
    const hangUp = (): void => client?.disconnect()
    signal.addEventListener('abort', hangUp, { once: true })
    try {
      while (client !== undefined && isThere()) {
        const sentAt = performance.now()
        const isTaken = await client.set(`{${tag}}probe`, 'x').then(() => true, isRefusal)
        if (isTaken) accepted.push({ sentAt, at: performance.now() })
        await rest(signal)
      }
    } catch {
      // The connection broke.
    } finally {
      signal.removeEventListener('abort', hangUp)
      hangUp()
    }
    await rest(signal)
  }
}

/** False for an error of the server, which goes on answering; throws others. */
function isRefusal(error: unknown): false {
  if (error instanceof Error && error.name === 'ReplyError') return false
  throw error
}

const rest = (signal: AbortSignal): Promise<void> => pause(EACH_MS, undefined, { signal }).catch(() => undefined)
