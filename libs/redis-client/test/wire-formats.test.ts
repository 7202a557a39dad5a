import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { NEVER_UP, parseClusterNodes } from '@slotkeeper/redis-topology'
import { ask, ENGINES, nodeAt, type RedisConfig, type RedisServer, startRedisServer, until } from '@slotkeeper/testing'
import { expect, test } from 'vitest'
import { clusterCalls, observeNode } from '../src/index.ts'

const WITHIN_MS = 2_000
const PATIENCE_MS = 30_000

/** Everything that a version can put into its answers beside what is read: names, zones, the flag of a replica. */
const talkative = (engine: string): RedisConfig => ({
  'cluster-announce-hostname': 'a.example',
  'cluster-replica-no-failover': 'yes',
  'repl-diskless-sync-delay': '0',
  ...(engine === 'redis-7.0' ? {} : { 'cluster-announce-human-nodename': 'pod-0' }),
  ...(engine.startsWith('valkey') ? { 'availability-zone': 'zone-a' } : {}),
})

test.concurrent.each(ENGINES)('%s: names, zones and flags do not get in the way', async (engine) => {
  const servers: RedisServer[] = []
  const viewOf = async (server: RedisServer) => {
    const node = nodeAt(server)
    const contact = await observeNode(node, ['maxmemory'], WITHIN_MS)
    node.close()
    return contact.type === 'up' ? contact.view : undefined
  }
  try {
    for (let count = 0; count < 2; count += 1) servers.push(await startRedisServer(engine, talkative(engine)))
    const [primary, replica] = servers as [RedisServer, RedisServer]
    const { nodeId } = await until('the primary', PATIENCE_MS, () => viewOf(primary))
    await ask(
      primary,
      clusterCalls.addSlots([{ first: 0, last: 16383 }]),
      clusterCalls.meet(replica.host, replica.port, replica.busPort),
    )
    await until('the replica', PATIENCE_MS, async () =>
      (await ask(replica, clusterCalls.replicate(nodeId)))[0] === 'OK' ? true : undefined,
    )
    const view = await until('its link', PATIENCE_MS, async () => {
      const seen = await viewOf(replica)
      return seen?.linkUp === true && seen.rows.find((row) => row.nodeId === nodeId)?.slots.length === 1
        ? seen
        : undefined
    })
    const address = '127.0.0.1'
    const slots = [{ first: 0, last: 16383 }]
    const expected = [
      { nodeId, address, port: primary.port, role: 'primary', myself: false, connected: true, slots },
      { nodeId: view.nodeId, address, port: replica.port, role: 'replica', myself: true, primaryId: nodeId, slots: [] },
    ]
    const sorted = <T extends { readonly role: string }>(rows: readonly T[]) =>
      rows.toSorted((a, b) => (a.role < b.role ? -1 : 1))
    expect(sorted(view.rows)).toMatchObject(expected)
    expect(view.rows.find((row) => row.myself)?.flags).toContain('nofailover')
    // The file has the same lines with more in them; the script that starts a server reads it.
    expect(sorted(parseClusterNodes(await readFile(join(replica.dir, 'nodes.conf'), 'utf8')))).toMatchObject(expected)
    await ask(replica, ['SAVE'])
    await Promise.all(servers.map((server) => server.kill()))
    await replica.restart()
    const alone = await until('its return', PATIENCE_MS, () => viewOf(replica))
    expect(alone).toMatchObject({ role: 'replica', linkUp: false, linkDownSeconds: NEVER_UP })
  } finally {
    await Promise.all(servers.map((server) => server.remove()))
  }
})
