import { busPort, CLIENT_PORT } from '@slotkeeper/api'
import { clusterCalls } from '@slotkeeper/redis-client'
import { ENGINES, until } from '@slotkeeper/testing'
import { afterAll, expect, test, vi } from 'vitest'
import { freshSecrets, makePod, type Pod } from './pod.ts'

/*
 * Two clusters never merge (SAFETY 10): an address that one knows, of a pod that is gone, may be that of another one's server
 * by now, and the bus asks for no password. Between the last look at an address and the MEET nobody can look any more;
 * what keeps them apart then is that each cluster has a bus port of its own.
 */
const PATIENCE_MS = 45_000
const NET = `127.${192 + Math.floor(Math.random() * 32)}.${Math.floor(Math.random() * 256)}`
const pods: Pod[] = []
let count = 0
vi.setConfig({ testTimeout: 4 * PATIENCE_MS })

afterAll(async () => {
  await Promise.all(pods.map((pod) => pod.remove()))
})

async function serverOf(engine: string, uid: string): Promise<Pod> {
  const ip = `${NET}.${++count}`
  const pod = await makePod({ engine, ip, uid, persistence: 'none', secrets: freshSecrets(), nodeTimeoutMs: 1_000 })
  pods.push(pod)
  await pod.start()
  return pod
}

/** The nodes that a server lists, itself and those that it only tries to meet among them. */
async function listed(pod: Pod): Promise<readonly string[]> {
  const [rows] = await pod.tell(['CLUSTER', 'NODES'])
  return String(rows).trim().split('\n')
}

const lists = (pod: Pod, nodes: number): Promise<true> =>
  until(`${nodes} nodes at ${pod.ip}`, PATIENCE_MS, async () => (await listed(pod)).length === nodes || undefined)

test.concurrent.each(ENGINES)(
  "%s: a MEET to an address that another cluster's server has by now introduces nobody",
  async (engine) => {
    const [ours, theirs] = [`${engine}-ours`, `${engine}-theirs`]
    expect(busPort(ours)).not.toBe(busPort(theirs))
    const [own, stranger] = await Promise.all([serverOf(engine, ours), serverOf(engine, theirs)])
    await own.tell(clusterCalls.meet(stranger.ip, CLIENT_PORT, busPort(ours)))
    await lists(own, 2)
    // It gives up after its node timeout.
    await lists(own, 1)
    expect(await listed(stranger)).toHaveLength(1)
    expect(String((await stranger.tell(['CLUSTER', 'INFO']))[0])).toMatch(/^cluster_stats_messages_received:0\r?$/m)

    // The test can fail: by the port of the other cluster they are one from then on.
    await own.tell(clusterCalls.meet(stranger.ip, CLIENT_PORT, busPort(theirs)))
    await Promise.all([lists(own, 2), lists(stranger, 2)])
  },
)
