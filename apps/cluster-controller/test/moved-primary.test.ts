import { busPort, CLIENT_PORT } from '@slotkeeper/api'
import { clusterCalls, observeNode } from '@slotkeeper/redis-client'
import { evenRanges, type NodeView } from '@slotkeeper/redis-topology'
import { ENGINES, until } from '@slotkeeper/testing'
import { afterAll, expect, test, vi } from 'vitest'
import { freshSecrets, makePod, type Pod } from './pod.ts'

const PATIENCE_MS = 45_000
const NODE_TIMEOUT_MS = 1_000
const UID = 'moved'
const NET = `127.${64 + Math.floor(Math.random() * 64)}.${Math.floor(Math.random() * 256)}`
const pods: Pod[] = []
let count = 0

// Each wait has a deadline of its own.
vi.setConfig({ testTimeout: 6 * PATIENCE_MS })

afterAll(async () => {
  await Promise.all(pods.map((pod) => pod.remove()))
})

const seen = (what: string, pod: Pod, holds: (one: NodeView) => boolean): Promise<NodeView> =>
  until(what, PATIENCE_MS, async () => {
    const node = pod.node()
    try {
      const contact = await observeNode(node, ['cluster-node-timeout'], 2_000)
      return contact.type === 'up' && holds(contact.view) ? contact.view : undefined
    } finally {
      node.close()
    }
  })

const meet = (pod: Pod, other: Pod) => pod.tell(clusterCalls.meet(other.ip, CLIENT_PORT, busPort(UID)))
const lists = (view: NodeView, nodeId: string, address: string): boolean =>
  view.rows.some((row) => row.nodeId === nodeId && row.address === address && row.connected)

/*
 * A whole cluster came back at other addresses, and a replica hears of that of its primary from a third node, while it
 * takes it for failed. Redis 8.0 then lists it there, and goes on dialling the old address.
 */
test.each(ENGINES)(
  '%s: a replica that looks for its primary where it was follows it once it is told again',
  async (engine) => {
    const secrets = freshSecrets()
    const make = async (volume?: string): Promise<Pod> => {
      const kind = { engine, uid: UID, persistence: 'aof', secrets, nodeTimeoutMs: NODE_TIMEOUT_MS } as const
      const pod = await makePod({ ...kind, ip: `${NET}.${++count}`, ...(volume === undefined ? {} : { volume }) })
      pods.push(pod)
      await pod.start()
      return pod
    }
    const before = [await make(), await make(), await make(), await make()] as const
    const ranges = evenRanges(3)
    for (const [place, pod] of before.entries()) await pod.tell(...clusterCalls.prepare(NODE_TIMEOUT_MS, 4 - place))
    for (const [place, pod] of before.entries()) {
      const range = ranges[place]
      if (range !== undefined) await pod.tell(clusterCalls.addSlots([range]))
      for (const other of before.slice(place + 1)) await meet(pod, other)
    }
    const { nodeId } = await seen('the primary', before[0], () => true)
    await seen('the introduction', before[3], ({ rows }) =>
      rows.some((row) => row.nodeId === nodeId && row.slots.length > 0),
    )
    await before[3].tell(clusterCalls.replicate(nodeId))
    await seen('the copy', before[3], (one) => one.role === 'replica' && one.linkUp)
    for (const pod of before)
      await until('a whole file', PATIENCE_MS, async () => ((await pod.probe()) === 0 ? true : undefined))
    await Promise.all(before.map((pod) => pod.kill()))

    const [primary, third, , replica] = await Promise.all(before.map((pod) => make(pod.data)))
    if (primary === undefined || third === undefined || replica === undefined) throw new Error('four were started')
    await seen('that nobody is where they were', replica, ({ rows }) =>
      rows.every((row) => row.myself || row.flags.some((flag) => flag.startsWith('fail'))),
    )
    await meet(third, primary)
    await seen('the primary, by the third', third, (view) => lists(view, nodeId, primary.ip))
    await meet(replica, third)
    const view = await seen('the primary, by the replica', replica, (one) => lists(one, nodeId, primary.ip))
    expect(view.primaryHost).toBeDefined()
    // Who follows by itself, of the other engines, bears being told so.
    await replica.tell(clusterCalls.replicate(nodeId))
    const after = await seen('the copy', replica, (one) => one.linkUp)
    expect(after.primaryHost).toBe(primary.ip)
    if (engine === 'redis-8.0') expect(view.primaryHost).toBe(before[0].ip)
  },
)
