import { connect } from 'node:net'
import type { ActIo } from '@slotkeeper/controller'
import type { Objects } from '@slotkeeper/k8s'
import { NodePool } from '@slotkeeper/redis-client'
import { connectServer, type RedisServer, startRedisServer, until } from '@slotkeeper/testing'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { act, type ActPorts } from '../src/act.ts'
import type { AppCommand } from '../src/decide.ts'
import { OpenSlotsMemory } from '../src/open-slots.ts'
import { type Gate, openGate } from './gate.ts'

/*
 * What cannot be taken back goes to the node that was chosen, and not once the lease is over (SAFETY 4). A real server
 * stands behind a gate that keeps its answers until the lease is over; what reached it, it counts itself.
 */
const cluster = { namespace: 'shop', name: 'orders', uid: 'uid-of-orders' }
const POD = 'orders-0-1'
const OTHER = 'f'.repeat(40)
let server: RedisServer
let gate: Gate
let own = ''

async function ask(...words: readonly [string, ...string[]]): Promise<unknown> {
  const redis = await connectServer((host, port) => connect(port, host), { host: server.host, port: server.port })
  try {
    return await redis.call(...words)
  } finally {
    redis.disconnect()
  }
}

/** How often the server was asked for this, refused or not. */
async function asked(subcommand: string): Promise<number> {
  const stats = String(await ask('INFO', 'commandstats'))
  return Number(new RegExp(`cmdstat_cluster\\|${subcommand}:calls=(\\d+)`).exec(stats)?.[1] ?? 0)
}

beforeAll(async () => {
  server = await startRedisServer('valkey-9.1', { user: 'slotkeeper on >secret ~* &* +@all' })
  gate = await openGate(server)
  own = String(await ask('CLUSTER', 'MYID'))
})

afterAll(async () => {
  gate?.close()
  await server?.remove()
})

/** A command to the server, which took itself for `nodeId` when it was looked at. */
function command(part: object, nodeId: string): AppCommand {
  return { ...part, cluster, ips: { [POD]: { ip: gate.ip, uid: 'uid-of-pod', nodeId } } } as unknown as AppCommand
}

function ports(): ActPorts {
  const pool = new NodePool(() => undefined)
  onTestFinished(() => pool.close())
  const access = new Map([[cluster.uid, { password: 'secret' }]])
  // None of these commands is for Kubernetes.
  return {
    objects: {} as Objects,
    pool,
    access,
    asked: new Map(),
    wrote: () => undefined,
    openSlots: new OpenSlotsMemory(),
  }
}

const io = (mayAct: () => boolean): ActIo => ({
  signal: AbortSignal.timeout(30_000),
  deadline: Date.now() + 30_000,
  mayAct,
})

const slots = { ranges: [{ first: 0, last: 5 }], release: [] }
const place = (nodeId: string) => ({ opId: '1:1', shard: 0, pod: POD, nodeId })
const repair = {
  opId: '1:1',
  repairs: [{ slot: 0, owner: POD, target: POD, others: [], echoed: [POD] }],
  replicas: {},
  unguarded: [POD],
}
const DANGEROUS: readonly (readonly [string, string, (nodeId: string) => object])[] = [
  ['FailOver', 'failover', place],
  ['TakeOver', 'failover', place],
  ['HandOver', 'failover', place],
  ['AttachReplicas', 'replicate', () => ({ attachments: [{ pod: POD, primary: 'orders-0-0', primaryId: OTHER }] })],
  ['MeetNodes', 'set-config-epoch', (nodeId) => ({ meets: [], recalled: { pod: POD, nodeId, epoch: 9 } })],
  ['RaiseEpoch', 'bumpepoch', (nodeId) => ({ pod: POD, nodeId })],
  ['ForgetNode', 'forget', () => ({ opId: '1:1', nodeId: OTHER, pods: [POD] })],
  ['AssignSlots', 'addslotsrange', (nodeId) => ({ opId: '1:1', assignments: [{ pod: POD, nodeId, ...slots }] })],
  ['StartEmpty', 'bumpepoch', (nodeId) => ({ ...place(nodeId), ...slots })],
  ['StartEmpty', 'set-config-epoch', (nodeId) => ({ ...place(nodeId), ...slots, epoch: 9 })],
  ['CoverSlots', 'addslotsrange', (nodeId) => ({ ...place(nodeId), ...slots, replicas: [] })],
  ['RepairSlots', 'setslot', (nodeId) => ({ ...repair, nodes: { [POD]: nodeId } })],
]

/** What is repaired is somebody's. */
async function prepare(type: string): Promise<void> {
  await ask('CLUSTER', 'FLUSHSLOTS')
  if (type === 'RepairSlots') await ask('CLUSTER', 'ADDSLOTS', '0')
}

test.each(DANGEROUS)(
  '%s is not sent when the lease ended while the server was asked who it is',
  async (type, word, part) => {
    const all = ports()
    // A kept connection, so that what waits at the gate is the answer to the question and no greeting.
    const warm = command({ type: 'ForgetNode', opId: '1:1', nodeId: OTHER, pods: [POD] }, own)
    await until('a connection', 20_000, async () =>
      (
        await act(
          all,
          warm,
          io(() => true),
        )
      ).result === 'accepted'
        ? true
        : undefined,
    )
    await prepare(type)
    const before = await asked(word)
    let held = true
    gate.hold()
    const acting = act(
      all,
      command({ type, ...part(own) }, own),
      io(() => held),
    )
    await until('the answer at the gate', 20_000, async () => (gate.holds() ? true : undefined))
    held = false
    gate.release()
    expect(await acting).toMatchObject({ result: 'later' })
    expect(await asked(word)).toBe(before)
  },
)

test.each(DANGEROUS)('%s is not sent to another node than the one that was chosen', async (type, word, part) => {
  await prepare(type)
  const before = await asked(word)
  const outcome = await act(
    ports(),
    command({ type, ...part(OTHER) }, OTHER),
    io(() => true),
  )
  expect(outcome).toMatchObject({ result: 'failed' })
  expect(await asked(word)).toBe(before)
})

test('the test can fail: with the lease and the right node each of them is sent', async () => {
  for (const [type, word, part] of DANGEROUS) {
    await prepare(type)
    const before = await asked(word)
    await act(
      ports(),
      command({ type, ...part(own) }, own),
      io(() => true),
    )
    expect(await asked(word)).toBe(before + 1)
  }
})

test('CoverSlots never has a primary forget slots, though it was a replica when it was looked at', async () => {
  await prepare('CoverSlots')
  const before = await asked('delslotsrange')
  const part = { type: 'CoverSlots', ...place(own), ...slots, replicas: [{ pod: POD, nodeId: own }] }
  const outcome = await act(
    ports(),
    command(part, own),
    io(() => true),
  )
  expect(outcome).toMatchObject({ result: 'failed', message: expect.stringContaining('is no replica any more') })
  expect(await asked('delslotsrange')).toBe(before)
})
