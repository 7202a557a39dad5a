import { busPort, CLIENT_PORT } from '@slotkeeper/api'
import { clusterCalls, observeNode } from '@slotkeeper/redis-client'
import { evenRanges, type NodeView, type SlotRange } from '@slotkeeper/redis-topology'
import { ENGINES, takesConnections, until } from '@slotkeeper/testing'
import { existsSync } from 'node:fs'
import { appendFile, cp, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, expect, test, vi } from 'vitest'
import { freshSecrets, makePod, type Pod, type PodOptions } from './pod.ts'

const PATIENCE_MS = 45_000
const NODE_TIMEOUT_MS = 1_000
const SHARDS = 3
const NET = `127.${64 + Math.floor(Math.random() * 64)}.${Math.floor(Math.random() * 256)}`
const pods: Pod[] = []
let count = 0

// Each wait has a deadline of its own.
vi.setConfig({ testTimeout: 4 * PATIENCE_MS })

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

const uidOf = (engine: string): string => `uid-of-${engine}`
const freshIp = (): string => `${NET}.${++count}`

type Kind = Pick<PodOptions, 'engine' | 'persistence'> & Partial<PodOptions>

async function podOf(kind: Kind): Promise<Pod> {
  const others = { ip: freshIp(), uid: uidOf(kind.engine), secrets: freshSecrets(), nodeTimeoutMs: NODE_TIMEOUT_MS }
  const pod = await makePod({ ...others, ...kind })
  pods.push(pod)
  return pod
}

/** Three primaries and one replica, of the first. */
async function form(
  engine: string,
  persistence: PodOptions['persistence'],
  others: Partial<PodOptions> = {},
): Promise<readonly [Pod, Pod, Pod, Pod]> {
  const [uid, secrets] = [uidOf(engine), freshSecrets()]
  const own: Pod[] = []
  for (let number = 0; number <= SHARDS; number += 1)
    own[number] = await podOf({ engine, persistence, secrets, ...others })
  const [primary, second, third, replica] = own as [Pod, Pod, Pod, Pod]
  await Promise.all(own.map((pod) => pod.start()))
  const ranges: readonly (SlotRange | undefined)[] = evenRanges(SHARDS)
  const timeoutMs = others.nodeTimeoutMs ?? NODE_TIMEOUT_MS
  await Promise.all(own.map((pod, number) => pod.tell(...clusterCalls.prepare(timeoutMs, own.length - number))))
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

async function handOver(pod: Pod): Promise<void> {
  await until('the hand-over', PATIENCE_MS, async () => {
    await pod.tell(clusterCalls.handOver())
    return (await view(pod))?.role === 'primary' || undefined
  })
}

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
    // Whichever is which: on a busy machine roles may move once more.
    await until('a primary and its replica', PATIENCE_MS, async () => {
      const both = await Promise.all([view(primary), view(replica)])
      const second = both.find((one) => one?.role === 'replica')
      return (both.some((one) => one?.role === 'primary') && second?.linkUp && !second.syncing) || undefined
    })
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

test.concurrent.each(['redis-7.0', 'valkey-9.1'])(
  '%s: a replaced primary with an old snapshot finds its heir by name when every address has changed',
  async (engine) => {
    const [ip, secrets] = [freshIp(), freshSecrets()]
    const [primary, second, third, replica] = await form(engine, 'rdb', { secrets, names: { 'the-heir.test': ip } })
    await write(primary, ['one'])
    await primary.tell(['SAVE'])
    await primary.kill()
    await seen('the election', replica, (one) => one.role === 'primary' && one.clusterOk)
    expect(await replica.tell(['SET', '{a0}two', 'two'])).toEqual(['OK'])
    expect(await Promise.all([second, third, replica].map((pod) => pod.terminate()))).toEqual([0, 0, 0])
    const heir = await podOf({ engine, persistence: 'rdb', secrets, ip })
    await cp(replica.data, heir.data, { recursive: true })
    await heir.start()
    await seen('its return', heir, (one) => one.role === 'primary' && one.keys === 2)
    await primary.start()
    await seen('an end of the waiting', primary, () => true)
    // What the controller does.
    await heir.tell(clusterCalls.meet(primary.ip, CLIENT_PORT, busPort(uidOf(engine))))
    await seen('a replica', primary, (one) => one.role === 'replica' && one.linkUp && !one.syncing && one.keys === 2)
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
  const uid = uidOf('redis-8.0')
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
  await handOver(replica)
  // What the controller does after the first sync.
  await primary.tell(clusterCalls.set('cluster-replica-no-failover', 'no'))
  await seen('the other to follow', primary, (one) => one.role === 'replica' && one.linkUp && !one.syncing)
  await replica.kill()
  await replica.start()
  expect(await outcomeOf(replica, primary)).toBe('elected')
  expect((await primary.tell(...names.map((name) => ['GET', `{a0}${name}`]))).flat()).toEqual(names)
})

/** Probes until the volume says that its append-only file is whole. */
const proven = (pod: Pod): Promise<true> =>
  until(`a whole append-only file (${pod.ip})`, PATIENCE_MS, async () => {
    expect(await pod.probe()).toBe(0)
    return existsSync(join(pod.data, 'slotkeeper.whole')) || undefined
  })

const syncs = ENGINES.flatMap((engine) => [
  [engine, 'from the wire to a server that was empty', []],
  [engine, 'by a file to a server whose own was whole', ['before']],
]) as readonly [engine: string, how: string, before: readonly string[]][]

test.concurrent.each(syncs)('%s: aof: nor is what a later sync brought %s', async (engine, _how, before) => {
  const [former, , , promoted] = await form(engine, 'aof')
  await Promise.all([former, promoted].map((pod) => pod.tell(clusterCalls.set('cluster-replica-no-failover', 'no'))))
  await proven(former)
  await write(former, before)
  if (before.length > 0) await proven(promoted)
  else expect(await promoted.probe()).toBe(0)
  const [early, late] = ['early', 'late'].map((word) => Array.from({ length: 25 }, (_, number) => `${word} ${number}`))
  const all = [...before, ...(early ?? []), ...(late ?? [])]
  await promoted.kill()
  const answers = await former.tell(...(early ?? []).map((name) => ['SET', `{a0}${name}`, name]))
  expect(answers).toEqual((early ?? []).map(() => 'OK'))
  // Under another replication id, so that the replica must copy everything; its new file takes it ten seconds. Longer would
  // hold up the other, should that have to copy everything from it in turn.
  await former.kill()
  await former.start()
  await appendFile(join(promoted.data, '../slotkeeper/config/redis.conf'), 'rdb-key-save-delay 400000\n')
  await promoted.start()
  const keys = before.length + (early?.length ?? 0)
  await seen('a full copy', promoted, (one) => one.linkUp && !one.syncing && one.keys === keys)
  expect(await promoted.probe()).toBe(0)
  await handOver(promoted)
  await seen('the other to follow', former, (one) => one.role === 'replica' && one.linkUp && !one.syncing)
  await until('writes', PATIENCE_MS, async () => (await view(promoted))?.clusterOk || undefined)
  await write(promoted, late ?? [])
  await promoted.kill()
  await promoted.start()
  // Valkey 9.1 makes the file of a sync the base of its own: that one is whole at once, and may be served.
  const serving = (await outcomeOf(promoted, former)) === 'elected' ? former : promoted
  await seen('reads', serving, (one) => one.clusterOk)
  expect((await serving.tell(...all.map((name) => ['GET', `{a0}${name}`]))).flat()).toEqual(all)
})

test.concurrent.each(ENGINES)(
  '%s: aof: a replica whose file was seen to be whole need not wait, were it killed the moment it has the role',
  async (engine) => {
    // Nobody is elected within this test.
    const [former, , , promoted] = await form(engine, 'aof', { nodeTimeoutMs: 60_000 })
    const names = Array.from({ length: 50 }, (_, number) => `key ${number}`)
    await promoted.tell(clusterCalls.set('cluster-replica-no-failover', 'no'))
    await write(former, names)
    await proven(promoted)
    expect(await promoted.tell(['CLUSTER', 'FAILOVER', 'TAKEOVER'])).toEqual(['OK'])
    await seen('the role', promoted, (one) => one.role === 'primary')
    await promoted.kill()
    await promoted.start()
    expect(await outcomeOf(promoted, former)).toBe('served')
    await seen('reads', promoted, (one) => one.clusterOk)
    expect((await promoted.tell(...names.map((name) => ['GET', `{a0}${name}`]))).flat()).toEqual(names)
  },
)
