import { until } from '@slotkeeper/testing'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { Stage } from './stage.ts'

/** How each keeps its data: an old snapshot is left by a death, or nothing at all. */
const CLUSTERS = {
  snapshots: { storage: { size: '100Mi', persistence: 'rdb' } },
  nothing: {},
} as const
type Name = keyof typeof CLUSTERS

const early = ['one', 'two', 'three']
const late = Array.from({ length: 100 }, (_, number) => `late ${number}`)
let stage: Stage

type Client = Awaited<ReturnType<Stage['connect']>>

/** Runs with a control connection to a pod's server, again and again until there is a result. */
async function ask<T>(
  name: Name,
  pod: string,
  what: string,
  run: (client: Client) => Promise<T | undefined>,
): Promise<T> {
  const { 'control-password': password = '' } = await stage.secret(`${name}-internal`)
  return until(`${pod}: ${what}`, 90_000, async () => {
    const client = await stage.connect(pod, { username: 'slotkeeper', password })
    try {
      return await run(client)
    } finally {
      client.disconnect()
    }
  })
}

/** Writes keys of the first shard, each confirmed by its replica. */
async function write(client: Client, keys: readonly string[]): Promise<true> {
  for (const key of keys) await client.set(`{a0}${key}`, key)
  expect(await client.wait(1, 10_000)).toBe(1)
  return true
}

async function expectAll(name: Name, pod: string): Promise<void> {
  const keys = [...early, ...late]
  const values = await ask(name, pod, 'all keys', async (client) => {
    await client.readonly()
    return Promise.all(keys.map((key) => client.get(`{a0}${key}`)))
  })
  expect(values, pod).toEqual(keys)
}

/** The pods of a shard, and the id of its primary. */
async function shardOf(
  name: Name,
  number: number,
): Promise<{ readonly primary: string; readonly heir: string; readonly id: string }> {
  const shard = (await stage.read(name)).status?.topology?.[number]
  const [primary = '', heir = ''] = [shard?.primary, shard?.attached?.[0]]
  return { primary, heir, id: await idOf(name, primary) }
}

const idOf = (name: Name, pod: string): Promise<string> =>
  ask(name, pod, 'its id', async (client) => String(await client.cluster('MYID')))
const says = (name: Name, pod: string, words: string): Promise<true> =>
  ask(name, pod, words, async (client) => ((await client.info('replication')).includes(words) ? true : undefined))

beforeAll(async () => {
  stage = await Stage.open(inject('platform'), 'boot-guard')
  const names = Object.keys(CLUSTERS) as Name[]
  await Promise.all(names.map((name) => stage.create(name, { nodeTimeoutMs: 2000, ...CLUSTERS[name] })))
  await Promise.all(names.map((name) => stage.healthy(name)))
})

afterAll(() => stage.close())

describe('a primary dies while there is no controller, and comes back before anybody was elected', () => {
  beforeAll(() => stage.controller(false))
  afterAll(() => stage.controller(true))

  test('with an old snapshot it waits for its heir and follows it; nothing confirmed is lost', async () => {
    const name = 'snapshots'
    const { primary, heir, id } = await shardOf(name, 0)
    await ask(name, primary, 'writes', async (client) => {
      await write(client, early)
      await client.save()
      return write(client, late)
    })
    await stage.crash(primary)
    await says(name, heir, 'role:master')
    await says(name, primary, 'master_link_status:up')
    expect(await idOf(name, primary)).toBe(id)
    for (const pod of [heir, primary]) await expectAll(name, pod)
  })

  test('with nothing it comes back as nobody; its replica is elected with all it confirmed', async () => {
    const name = 'nothing'
    const { primary, heir, id } = await shardOf(name, 0)
    await ask(name, primary, 'writes', (client) => write(client, [...early, ...late]))
    await stage.crash(primary)
    await says(name, heir, 'role:master')
    expect(await idOf(name, primary)).not.toBe(id)
    await expectAll(name, heir)
  })

  test('a primary whose pod is deleted asks its replica to take over before it stops', async () => {
    const name = 'snapshots'
    const { primary, heir } = await shardOf(name, 1)
    await stage.kubectl('delete', 'pod', primary, '--wait=true', '--timeout=90s')
    await says(name, heir, 'role:master')
    // By request, and not by the election that comes when a primary is missed.
    expect(await stage.kubectl('logs', heir)).toMatch(/Manual failover user request accepted/i)
  })
})

test('every pod is found by its name: the guard asks so where addresses have changed', async () => {
  const inside = `while read -r host; do timeout 5 valkey-cli -h "$host" PING < /dev/null 2>&1; done < /etc/slotkeeper/config/peers`
  await until('an answer of each', 60_000, async () => {
    const answers = await stage.kubectl('exec', 'snapshots-0-0', '--', 'sh', '-c', inside)
    return answers.match(/^(NOAUTH|PONG)/gm)?.length === 6 || undefined
  })
})

describe('afterwards, with the controller', () => {
  test('both are made whole', async () => {
    await Promise.all((Object.keys(CLUSTERS) as Name[]).map((name) => stage.healthy(name)))
    for (const pod of ['nothing-0-0', 'nothing-0-1']) await expectAll('nothing', pod)
  })

  test('all pods are deleted at once: each ended in order, none waits, all is there', async () => {
    const name = 'snapshots'
    const pods = await stage.podsOf(name)
    expect(pods).toHaveLength(6)
    await stage.kubectl('delete', 'pods', ...pods, '--wait=true', '--timeout=90s')
    await until('six new pods', 90_000, async () => ((await stage.podsOf(name)).length === 6 ? true : undefined))
    await Promise.all(pods.map((pod) => ask(name, pod, 'an answer', (client) => client.ping())))
    await stage.healthy(name)
    for (const pod of pods.slice(0, 2)) await expectAll(name, pod)
    expect(await stage.restarts(...pods)).toEqual(pods.map(() => 0))
  })
})
