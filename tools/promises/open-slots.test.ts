import type { Delivery } from '@slotkeeper/nats'
import { connectCluster, until } from '@slotkeeper/testing'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { follow, isTrue, storyFaults } from '../demo/tour.ts'
import { Stage } from './stage.ts'

const NAME = 'moved'
const SLOTS = 30
const KEYS_PER_TAG = 600
const HOUR_MS = 3_600_000
const PATIENCE_MS = 90_000

type Client = Awaited<ReturnType<Stage['connect']>>
type Kept = { readonly key: Buffer; readonly value: Buffer; readonly lasts: boolean }

const story: Delivery[] = []
const stop = new AbortController()
let stage: Stage

beforeAll(async () => {
  stage = await Stage.open(inject('platform'), 'open-slots')
  await follow(stage.platform, (told) => told.event.namespace === stage.namespace && story.push(told), stop.signal)
  await stage.create(NAME, { storage: { size: '100Mi' } })
  await stage.healthy(NAME)
})

afterAll(() => stop.abort())

const types = (from: number): readonly string[] => story.slice(from).map(({ event }) => event.type)

const asController = async (pod: string): Promise<Client> => {
  const { 'control-password': password = '' } = await stage.secret(`${NAME}-internal`)
  return stage.connect(pod, { username: 'slotkeeper', password })
}

async function primaryOf(shard: number): Promise<string> {
  return (await stage.read(NAME)).status?.topology?.[shard]?.primary ?? ''
}

async function call<T>(client: Client, commands: readonly (readonly (string | Buffer)[])[]): Promise<readonly T[]> {
  const batch = client.pipeline()
  for (const [name, ...rest] of commands) batch.call(String(name), ...rest)
  return ((await batch.exec()) ?? []).map(([error, answer]) => {
    if (error !== null) throw error
    return answer as T
  })
}

/** Puts keys into the first slots of a server: bytes for names and values, some for an hour, all behind hash tags. */
async function fill(client: Client): Promise<readonly Kept[]> {
  const nodes = String(await client.call('CLUSTER', 'NODES'))
  const [, first = 0] = /myself,\S+ (?:\S+ ){4}connected (\d+)-/.exec(nodes) ?? []
  const tags = Array.from({ length: 10_000 }, (_, index) => `{tag${index}}`)
  const slots = await call<number>(
    client,
    tags.map((tag) => ['CLUSTER', 'KEYSLOT', tag]),
  )
  const there = tags.filter((_, index) => {
    const slot = slots[index] ?? -1
    return slot >= Number(first) && slot < Number(first) + SLOTS
  })
  const keys = there.flatMap((tag) =>
    Array.from({ length: KEYS_PER_TAG }, (_, index): Kept => {
      const bytes = Buffer.from([0, 0xff, 0x80, 13, 10, index % 256])
      return { key: Buffer.concat([Buffer.from(`${tag}${index}`), bytes]), value: bytes, lasts: index % 3 > 0 }
    }),
  )
  await call(
    client,
    keys.map(({ key, value, lasts }) => ['SET', key, value, ...(lasts ? [] : ['PX', String(HOUR_MS)])]),
  )
  // Only what a replica has by now can be there after the end of this server.
  await until('its replica', PATIENCE_MS, async () => {
    const [, confirmed] = await call<number>(client, [
      ['SET', keys[0]?.key ?? '', keys[0]?.value ?? ''],
      ['WAIT', '1', '1000'],
    ])
    return confirmed === 1 ? true : undefined
  })
  return keys.map((one, index) => (index === 0 ? { ...one, lasts: true } : one))
}

/** Reads the keys as an ordinary client; gives those that are not as they were put there. */
async function wrong(keys: readonly Kept[]): Promise<readonly string[]> {
  const { password = '' } = await stage.secret(`${NAME}-auth`)
  const startAt = await Promise.all(
    (await stage.podsOf(NAME)).map(async (pod) => ({ host: await stage.addressOf(pod), port: 6379 })),
  )
  const cluster = connectCluster({ dial: (...to) => stage.platform.dial(...to), startAt, password })
  const found: string[] = []
  try {
    for (let from = 0; from < keys.length; from += 500) {
      await Promise.all(
        keys.slice(from, from + 500).map(async ({ key, value, lasts }) => {
          const [now, leftMs] = await Promise.all([cluster.getBuffer(key), cluster.pttl(key)])
          const inTime = lasts ? leftMs === -1 : leftMs > 0 && leftMs <= HOUR_MS
          if (now?.equals(value) !== true || !inTime)
            found.push(`${key.toString('latin1')}: ${now?.toString('hex')}, ${leftMs} ms`)
        }),
      )
    }
  } finally {
    cluster.disconnect()
  }
  return found
}

/**
 * Moves slots with the engine's own tool, inside the source's pod, and kills the tool once so many keys are gone; all in one
 * shell, for it would have moved the rest by the time that a second call has got there.
 */
async function breakOff(from: string, to: string, part: number): Promise<void> {
  const [source, destination] = [await asController(from), await asController(to)]
  const { 'control-password': password = '' } = await stage.secret(`${NAME}-internal`)
  const ends = [String(await source.call('CLUSTER', 'MYID')), String(await destination.call('CLUSTER', 'MYID'))]
  const left = Number(await source.call('DBSIZE')) - part
  const address = `${await stage.addressOf(from)}:6379`
  const inSource = (line: string): Promise<string> =>
    stage.kubectl('exec', from, '--', 'sh', '-c', `export REDISCLI_AUTH='${password}'; ${line}`)
  const tool = 'valkey-cli --user slotkeeper'
  let said = ''
  // The tool begins nothing while a slot is open anywhere, or while two nodes differ.
  const agreed = async (): Promise<true | undefined> => {
    said = await inSource(`${tool} --cluster check ${address} 2>&1 || echo refused`)
    return said.includes('refused') ? undefined : true
  }
  await until('the tool finds nothing amiss', PATIENCE_MS, agreed).catch((error: unknown) => {
    throw new Error(said, { cause: error })
  })
  const reshard = `--cluster reshard ${address} --cluster-from ${ends[0]} --cluster-to ${ends[1]} --cluster-slots ${SLOTS} --cluster-yes`
  const begin = `${tool} ${reshard} >/tmp/reshard 2>&1 </dev/null & id=$!`
  const wait = `while kill -0 $id && [ "$(${tool} dbsize)" -gt ${left} ]; do :; done`
  await inSource(`${begin}; { ${wait}; } 2>/dev/null; kill -9 $id || true`)
  const now = Number(await source.call('DBSIZE'))
  if (now > left) throw new Error(`${now} keys, not ${left}: ${await inSource('tail -n 20 /tmp/reshard')}`)
  source.disconnect()
  destination.disconnect()
}

/** Whether a server says that it gives a slot away. */
async function gives(pod: string): Promise<boolean> {
  const client = await asController(pod)
  const open = String(await client.call('CLUSTER', 'NODES')).includes('->-')
  client.disconnect()
  return open
}

/** The types of all events after so many others, when everything that was committed has arrived. */
async function allTold(from: number): Promise<readonly string[]> {
  const seq = (await stage.read(NAME)).status?.lifecycle?.seq ?? 0
  await until(`${seq} events`, PATIENCE_MS, async () => story.length >= seq || undefined)
  return types(from)
}

/** Waits until an event is told, after so many others. */
const told = (type: string, from: number): Promise<unknown> =>
  until(
    type,
    PATIENCE_MS,
    async () => story.slice(from).find(({ event }) => event.type === type)?.event.cloudEvent.data,
  )

function whole(): Promise<unknown> {
  return stage.sees(
    NAME,
    'whole',
    (one) =>
      one.status?.state === 'Healthy' &&
      isTrue(one, 'Ready') &&
      isTrue(one, 'SlotsAssigned') &&
      isTrue(one, 'ReplicationHealthy'),
  )
}

test('a reshard that was killed half way is finished: every key is there, and it is told', async () => {
  const [source, destination] = [await primaryOf(0), await primaryOf(1)]
  const keys = new Map<string, Kept>()
  const from = story.length
  for (let tries = 0, open = false; !open; tries += 1) {
    // Between two slots there is nothing to repair.
    expect(tries).toBeLessThan(8)
    const client = await asController(source)
    const more = await fill(client)
    client.disconnect()
    for (const one of more) keys.set(one.key.toString('latin1'), one)
    await breakOff(source, destination, more.length / 12)
    // It may be whole again already.
    open = (await gives(source)) || (await allTold(from)).includes('SlotsLeftOpen')
  }
  await told('SlotsLeftOpen', from)
  expect(await told('SlotsRepaired', from)).toHaveProperty('message', expect.stringMatching(/^Slot \d+ is whole again/))
  await whole()
  expect(types(from)).toContain('OperationFinished')
  expect(await wrong([...keys.values()])).toEqual([])
  expect(storyFaults(story)).toEqual([])
})

test('the source dies with it: its replica takes over, and no key is missing', async () => {
  const [source, destination] = [await primaryOf(2), await primaryOf(0)]
  const client = await asController(source)
  const keys = await fill(client)
  client.disconnect()
  const writer = await stage.write(NAME, 50)
  const from = story.length
  await breakOff(source, destination, keys.length / 2)
  await stage.platform.switchboard.killInPod(stage.namespace, source, 'SIGKILL')
  await told('PrimaryChanged', from)
  await whole()
  if (types(from).includes('SlotsLeftOpen')) await told('SlotsRepaired', from)
  expect(await wrong(keys)).toEqual([])
  await writer.finish()
  expect((await writer.missing()).confirmed).toEqual([])
  writer.close()
  expect(storyFaults(story)).toEqual([])
})
