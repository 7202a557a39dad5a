import { busPort, CLIENT_PORT } from '@slotkeeper/api'
import { clusterCalls, observeNode } from '@slotkeeper/redis-client'
import { evenRanges, type NodeView, type SlotRange } from '@slotkeeper/redis-topology'
import { ENGINES, takesConnections, until } from '@slotkeeper/testing'
import { appendFile, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { freshSecrets, makePod, type Pod } from './pod.ts'

const PATIENCE_MS = 45_000
const NODE_TIMEOUT_MS = 1_000
const SHARDS = 3
const NET = `127.${64 + Math.floor(Math.random() * 64)}.${Math.floor(Math.random() * 256)}`
const pods: Pod[] = []
let count = 0

afterAll(async () => {
  await Promise.all(pods.map((pod) => pod.remove()))
})

async function view(pod: Pod): Promise<NodeView | undefined> {
  const node = pod.node()
  try {
    const contact = await observeNode(node, ['cluster-node-timeout'], 2_000)
    return contact.type === 'up' ? contact.view : undefined
  } finally {
    node.close()
  }
}

const seen = (what: string, pod: Pod, holds: (one: NodeView) => boolean): Promise<NodeView> =>
  until(`${what} (${pod.ip})`, PATIENCE_MS, async () => {
    const one = await view(pod)
    return one !== undefined && holds(one) ? one : undefined
  })

/** Three primaries and one replica, of the first. */
async function form(engine: string, persistence: 'aof' | 'rdb' | 'none'): Promise<readonly [Pod, Pod, Pod, Pod]> {
  const [uid, secrets] = [`uid-of-${engine}`, freshSecrets()]
  const make = () =>
    makePod({
      engine,
      ip: `${NET}.${++count}`,
      uid,
      persistence,
      secrets,
      nodeTimeoutMs: NODE_TIMEOUT_MS,
    })
  const own: Pod[] = []
  for (let number = 0; number <= SHARDS; number += 1) pods.push((own[number] = await make()))
  const [primary, second, third, replica] = own as [Pod, Pod, Pod, Pod]
  await Promise.all(own.map((pod) => pod.start()))
  const ranges: readonly (SlotRange | undefined)[] = evenRanges(SHARDS)
  await Promise.all(own.map((pod, number) => pod.tell(...clusterCalls.prepare(NODE_TIMEOUT_MS, number + 1))))
  for (const [number, pod] of own.entries()) {
    const range = ranges[number]
    const meets = own.slice(number + 1).map(({ ip }) => clusterCalls.meet(ip, CLIENT_PORT, busPort(uid)))
    const slots = range === undefined ? [] : [clusterCalls.addSlots([range])]
    if (number < SHARDS) await pod.tell(...slots, ...meets)
  }
  const { nodeId } = await seen('the first primary', primary, () => true)
  await seen('its introduction', replica, (one) =>
    one.rows.some((row) => row.nodeId === nodeId && row.slots.length > 0),
  )
  await replica.tell(clusterCalls.replicate(nodeId), clusterCalls.set('cluster-replica-no-failover', 'no'))
  for (const pod of own)
    await seen('a whole cluster', pod, (one) => one.clusterOk && one.linkUp && one.rows.length === own.length)
  return [primary, second, third, replica]
}

/** By the votes of the others alone: nobody helps. Until then the port of the old primary stays closed. */
const outcomeOf = (primary: Pod, replica: Pod): Promise<'elected' | 'served'> =>
  until('an election, or the open port of the old primary', PATIENCE_MS, async () => {
    const open = await takesConnections(CLIENT_PORT, primary.ip)
    const { role } = await seen('the replica', replica, () => true)
    if (role === 'primary') return 'elected'
    return open ? 'served' : undefined
  })

/** Writes keys of the first shard, each confirmed by the replica. */
async function write(pod: Pod, names: readonly string[]): Promise<void> {
  const answers = await pod.tell(...names.map((name) => ['SET', `{a0}${name}`, name]), ['WAIT', '1', '5000'])
  expect(answers).toEqual([...names.map(() => 'OK'), 1])
}

test.concurrent.each(ENGINES)(
  '%s: a primary with an old snapshot comes back before the election, and costs no confirmed write',
  async (engine) => {
    const [primary, lonely, , replica] = await form(engine, 'rdb')
    const [slot] = await primary.tell(['CLUSTER', 'KEYSLOT', '{a0}'])
    expect(slot).toBeLessThanOrEqual(evenRanges(SHARDS)[0]?.last ?? 0)
    const early = ['one', 'two', 'three']
    await write(primary, early)
    await primary.tell(['SAVE'])
    const late = Array.from({ length: 50 }, (_, number) => `late ${number}`)
    await write(primary, late)
    await primary.kill()
    await primary.start()
    const outcome = await outcomeOf(primary, replica)
    await seen(
      'a primary and its replica',
      outcome === 'elected' ? primary : replica,
      (one) => one.role === 'replica' && one.linkUp && !one.syncing,
    )
    for (const pod of [replica, primary]) {
      const [, ...values] = await pod.tell(['READONLY'], ...[...early, ...late].map((name) => ['GET', `{a0}${name}`]))
      expect(values).toEqual([...early, ...late])
    }
    expect(outcome).toBe('elected')
    // Nobody replicates another: its peers say so, and it starts with what it has.
    const { nodeId } = await seen('the other', lonely, () => true)
    await lonely.tell(['SAVE'])
    await lonely.kill()
    await lonely.start()
    await seen('its return as what it was', lonely, (one) => one.nodeId === nodeId && one.role === 'primary')
  },
)

test.concurrent.each(ENGINES)(
  '%s: a primary that keeps no data comes back before the election, and its replica is not emptied',
  async (engine) => {
    const [primary, , , replica] = await form(engine, 'none')
    const names = Array.from({ length: 50 }, (_, number) => `key ${number}`)
    await write(primary, names)
    const { nodeId } = await seen('the primary', primary, () => true)
    await primary.kill()
    await primary.start()
    const outcome = await outcomeOf(primary, replica)
    // Only then it opens its port, as somebody else.
    await seen('its return', primary, (one) => one.nodeId !== nodeId && one.keys === 0)
    expect((await replica.tell(...names.map((name) => ['GET', `{a0}${name}`]))).flat()).toEqual(names)
    expect(outcome).toBe('elected')
  },
)

test.concurrent('aof: what came by a sync and is not yet in the append-only file is not lost by a restart in place', async () => {
  const [primary, second, , replica] = await form('redis-8.0', 'aof')
  const uid = 'uid-of-redis-8.0'
  const names = Array.from({ length: 50 }, (_, number) => `key ${number}`)
  await write(primary, names)
  // The replica comes back on a new volume, and is given the role while its file is still being written.
  await replica.kill()
  for (const name of await readdir(replica.data)) await rm(join(replica.data, name), { recursive: true })
  await appendFile(join(replica.data, '../slotkeeper/config/redis.conf'), 'rdb-key-save-delay 1000000\n')
  await replica.start()
  const { nodeId } = await seen('the primary', primary, () => true)
  await replica.tell(clusterCalls.meet(second.ip, CLIENT_PORT, busPort(uid)))
  await seen('its introduction', replica, (one) => one.rows.some((row) => row.nodeId === nodeId && row.connected))
  await replica.tell(clusterCalls.replicate(nodeId), clusterCalls.set('cluster-replica-no-failover', 'no'))
  await seen('a full copy', replica, (one) => one.linkUp && !one.syncing && one.keys === names.length)
  await until('the hand-over', PATIENCE_MS, async () => {
    await replica.tell(clusterCalls.handOver())
    return (await view(replica))?.role === 'primary' || undefined
  })
  // What the controller does after the first sync.
  await primary.tell(clusterCalls.set('cluster-replica-no-failover', 'no'))
  await seen('the other to follow', primary, (one) => one.role === 'replica' && one.linkUp && !one.syncing)
  await replica.kill()
  await replica.start()
  expect(await outcomeOf(replica, primary)).toBe('elected')
  expect((await primary.tell(...names.map((name) => ['GET', `{a0}${name}`]))).flat()).toEqual(names)
})
