import { RedisNode, type NodeTarget } from './redis-node.ts'

/** The kept connections of one process: one per pod, replaced when its address or password changes. */
export class NodePool {
  readonly #nodes = new Map<string, { readonly signature: string; readonly node: RedisNode }>()
  readonly #onClosed: (podUid: string) => void

  /** @param onClosed a connection was closed by the other side: a wake-up, never evidence (SAFETY 3) */
  constructor(onClosed: (podUid: string) => void) {
    this.#onClosed = onClosed
  }

  /** The connection to a pod's server, new where there is none or the last one was closed. */
  node(podUid: string, target: NodeTarget): RedisNode {
    const signature = `${target.host}:${target.port}:${target.username}:${target.password}`
    const kept = this.#nodes.get(podUid)
    if (kept !== undefined && kept.signature === signature && !kept.node.closed) return kept.node
    kept?.node.close()
    const node: RedisNode = new RedisNode(target, () => {
      if (this.#nodes.get(podUid)?.node === node) this.#onClosed(podUid)
    })
    this.#nodes.set(podUid, { signature, node })
    return node
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
