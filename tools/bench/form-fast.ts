import { setTimeout as sleep } from 'node:timers/promises'
import { CLIENT_PORT } from '@slotkeeper/api'
import { clusterCalls, type RedisNode } from '@slotkeeper/redis-client'
import { evenRanges, FORMING_NODE_TIMEOUT_MS } from '@slotkeeper/redis-topology'

const CALL_MS = 2_000

/**
 * The fastest formation known, the floor that ours is compared with: everything to every server at once, without
 * verifying, committing or looking back. The first servers become the primaries.
 */
export async function formFast(
  nodes: readonly RedisNode[],
  hosts: readonly string[],
  options: { readonly shards: number; readonly busPort: number; readonly signal: AbortSignal },
): Promise<void> {
  const { shards, busPort, signal } = options
  const ids = await Promise.all(nodes.map((node) => node.call(['CLUSTER', 'MYID'], CALL_MS)))
  const ranges = evenRanges(shards)
  await Promise.all(
    nodes.map((node, index) => {
      const range = ranges[index]
      const slots = range === undefined ? [] : [clusterCalls.addSlots([range])]
      const meets = hosts.slice(index + 1).map((host) => clusterCalls.meet(host, CLIENT_PORT, busPort))
      const prepare = clusterCalls.prepare(FORMING_NODE_TIMEOUT_MS, nodes.length - index)
      return node.pipeline([...prepare, ...slots, ...meets], CALL_MS)
    }),
  )
  await Promise.all(nodes.slice(shards).map((node, index) => follow(node, String(ids[index % shards]), signal)))
}

/** Asks until the server has heard of the one that it is to follow. */
async function follow(node: RedisNode, primaryId: string, signal: AbortSignal): Promise<void> {
  for (;;) {
    const [answer] = await node.pipeline([clusterCalls.replicate(primaryId)], CALL_MS)
    if (answer === 'OK') return
    await sleep(5, undefined, { signal })
  }
}
