import { asRedisError, RedisNode, type NodeTarget } from './redis-node.ts'

type Kept = { readonly signature: string; readonly node: RedisNode; isSilent: boolean }

/** The kept connections of one process: one per pod, replaced when its address or password changes. */
export class NodePool {
  readonly #nodes = new Map<string, Kept>()
  readonly #onChange: (podUid: string) => void

  /** @param onChange a connection was closed by the other side, or fell silent, or speaks again: a wake-up, never evidence (SAFETY 3) */
  constructor(onChange: (podUid: string) => void) {
    this.#onChange = onChange
  }

  /** The connection to a pod's server, new where there is none or the last one was closed. */
  node(podUid: string, target: NodeTarget): RedisNode {
    const signature = `${target.host}:${target.port}:${target.username}:${target.password}`
    const kept = this.#nodes.get(podUid)
    if (kept !== undefined && kept.signature === signature && !kept.node.closed) return kept.node
    kept?.node.close()
    const node: RedisNode = new RedisNode(target, () => {
      if (this.#nodes.get(podUid)?.node === node) this.#onChange(podUid)
    })
    this.#nodes.set(podUid, { signature, node, isSilent: false })
    return node
  }

  /**
   * Asks on every connection for a sign of life, at that pace, until the signal: a server that hangs closes nothing,
   * and a network that drops says nothing. Tells when a silence begins, and when it ends.
   */
  heed(everyMs: number, signal: AbortSignal): void {
    const timer = setInterval(() => {
      for (const [podUid, kept] of this.#nodes) if (!kept.node.closed) void this.#heedOne(podUid, kept, everyMs)
    }, everyMs)
    signal.addEventListener('abort', () => clearInterval(timer), { once: true })
  }

  async #heedOne(podUid: string, kept: Kept, withinMs: number): Promise<void> {
    const isSilent = await kept.node.call(['PING'], withinMs).then(
      () => false,
      (error: unknown) => asRedisError(error).reason === 'TimedOut',
    )
    if (isSilent === kept.isSilent || this.#nodes.get(podUid) !== kept) return
    kept.isSilent = isSilent
    this.#onChange(podUid)
  }

  /** Closes the connections of pods that are not in the set. */
  keepOnly(isKept: (podUid: string) => boolean): void {
    for (const [podUid, { node }] of this.#nodes) {
      if (isKept(podUid)) continue
      this.#nodes.delete(podUid)
      node.close()
    }
  }

  /** Closes all. */
  close(): void {
    this.keepOnly(() => false)
  }
}
