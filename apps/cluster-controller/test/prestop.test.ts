import { writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { CLIENT_PORT } from '@slotkeeper/api'
import { parseInfo } from '@slotkeeper/redis-topology'
import { until } from '@slotkeeper/testing'
import { expect, onTestFinished, test } from 'vitest'
import { freshSecrets, makePod, type Pod } from './pod.ts'

const PATIENCE_MS = 30_000
const NET = `127.${64 + Math.floor(Math.random() * 64)}.${Math.floor(Math.random() * 256)}`
const secrets = freshSecrets()

async function podAt(last: number): Promise<Pod> {
  const given = { engine: 'valkey-9.1', ip: `${NET}.${last}`, uid: 'ours', persistence: 'aof', secrets } as const
  const pod = await makePod({ ...given, nodeTimeoutMs: 60_000 })
  onTestFinished(() => pod.remove())
  await pod.start()
  return pod
}

const seen = async (pod: Pod) => parseInfo(String((await pod.tell(['INFO', 'replication']))[0]))

/** A primary of all slots, and a replica of it that is in sync. */
async function shard(): Promise<{ readonly primary: Pod; readonly replica: Pod }> {
  const [primary, replica] = [await podAt(1), await podAt(2)]
  const [id, , met] = await primary.tell(
    ['CLUSTER', 'MYID'],
    ['CLUSTER', 'ADDSLOTSRANGE', '0', '16383'],
    ['CLUSTER', 'MEET', replica.ip, String(CLIENT_PORT), await busOf(replica)],
  )
  expect(met).toBe('OK')
  // Addresses of one loopback: what a connection comes from is not where its server listens.
  await replica.tell(['CONFIG', 'SET', 'replica-announce-ip', replica.ip])
  await until('it follows', PATIENCE_MS, async () =>
    (await replica.tell(['CLUSTER', 'REPLICATE', String(id)]))[0] === 'OK' ? true : undefined,
  )
  await until('it is in sync', PATIENCE_MS, async () => ((await seen(replica)).linkUp ? true : undefined))
  await until('it is seen', PATIENCE_MS, async () =>
    String((await primary.tell(['INFO', 'replication']))[0]).includes('state=online') ? true : undefined,
  )
  // A replica that was started empty is not elected before the controller lets it.
  await replica.tell(['CONFIG', 'SET', 'cluster-replica-no-failover', 'no'])
  return { primary, replica }
}

const busOf = async (pod: Pod): Promise<string> => {
  const [answer] = await pod.tell(['CONFIG', 'GET', 'cluster-port'])
  return String((answer as readonly unknown[])[1])
}

test('without a controller, the role goes to the replica before the server is stopped', async () => {
  const { primary, replica } = await shard()
  expect(await primary.delete()).toBe(0)
  expect((await seen(replica)).role).toBe('primary')
})

test('a look at the disk that hangs holds up neither the hand-over nor the end', async () => {
  const { primary, replica } = await shard()
  await writeFile(join(dirname(primary.data), 'slotkeeper/config/probe'), 'sleep 3600\n')
  expect(await primary.delete()).toBe(0)
  expect((await seen(replica)).role).toBe('primary')
})
