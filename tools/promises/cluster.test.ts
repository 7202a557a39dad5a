import { writeFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import type { Delivery } from '@slotkeeper/nats'
import { type RecordingWriter, until } from '@slotkeeper/testing'
import { attachPlatform, type Platform } from '../local/src/index.ts'
import { follow, healthy, install, isTrue, readCluster, storyFaults, writeTo } from '../demo/tour.ts'

const root = join(import.meta.dirname, '../..')
const namespace = 'shop'
const name = 'orders'
const stop = new AbortController()
const folder = mkdtempSync(join(tmpdir(), 'slotkeeper-promises-'))
const story: Delivery[] = []
let platform: Platform
let writer: RecordingWriter

const types = (from = 0): readonly string[] => story.slice(from).map(({ event }) => event.type)
const data = (type: string, from = 0) =>
  story
    .slice(from)
    .filter(({ event }) => event.type === type)
    .map(({ event }) => event.cloudEvent.data as Record<string, unknown>)
const apply = (manifest: object): Promise<string> => {
  const file = join(folder, 'manifest.json')
  writeFileSync(file, JSON.stringify(manifest))
  return platform.kubectl(['-n', namespace, 'apply', '-f', file])
}
const cluster = (spec: object, as = 'other') => ({
  apiVersion: 'slotkeeper.dev/v1beta1',
  kind: 'RedisCluster',
  metadata: { name: as },
  spec: { version: 'valkey-9.1', shards: 3, ...spec },
})
const primaryOf = async (shard: number): Promise<string> =>
  (await readCluster(platform, namespace, name)).status?.topology?.[shard]?.primary ?? ''
const writesGoOn = async (more: number): Promise<void> => {
  const before = writer.record().acknowledged.size
  await until(`${more} more writes`, 60_000, async () =>
    writer.record().acknowledged.size >= before + more ? true : undefined,
  )
}

beforeAll(async () => {
  platform = await attachPlatform(inject('platform'))
  await platform.kubectl(['create', 'namespace', namespace])
  await platform.kubectl(['-n', namespace, 'apply', '-f', join(root, 'examples/clusters/orders.yaml')])
  await follow(platform, (told) => told.event.namespace === namespace && story.push(told), stop.signal)
  await healthy(platform, namespace, name)
  writer = await writeTo(platform, namespace, name, 200)
  await writesGoOn(200)
})

afterAll(async () => {
  writer?.close()
  stop.abort()
  rmSync(folder, { recursive: true, force: true })
})

describe('a cluster of three primaries and three replicas', () => {
  test('is formed once, and says so in conditions, columns and events', async () => {
    const found = await readCluster(platform, namespace, name)
    expect(isTrue(found, 'SlotsAssigned')).toBe(true)
    expect(isTrue(found, 'Degraded')).toBe(false)
    expect(isTrue(found, 'Spread')).toBe(true)
    expect(await platform.kubectl(['-n', namespace, 'get', 'rdc', name])).toMatch(/orders\s+True\s+Healthy\s+3\s+1/)
    expect(types()).toContain('ClusterFormed')
    expect(types().filter((type) => type === 'SlotsAssigned')).toHaveLength(3)
  })

  test('SIGKILL of a primary: its replica takes over, no confirmed write is lost', async () => {
    const from = story.length
    const victim = await primaryOf(1)
    await platform.switchboard.killInPod(namespace, victim, 'SIGKILL')
    await until('the restart', 60_000, async () => (types(from).includes('MemberRestarted') ? true : undefined))
    await healthy(platform, namespace, name)
    await writesGoOn(100)
    expect(data('MemberRestarted', from)).toMatchObject([{ pod: victim, exitCode: 137, reason: 'Crashed' }])
  })

  test('the pod of a primary is deleted: the role moves first, and the pod comes back with its data', async () => {
    const from = story.length
    const victim = await primaryOf(0)
    await platform.kubectl(['-n', namespace, 'delete', 'pod', victim, '--wait=false'])
    await until('the hand-over', 60_000, async () => (types(from).includes('PrimaryChanged') ? true : undefined))
    expect(data('PrimaryChanged', from)).toMatchObject([
      { shard: 0, from: { pod: victim }, cause: 'Planned', writesAtRisk: false },
    ])
    await until('its new address', 90_000, async () => (types(from).includes('AddressChanged') ? true : undefined))
    await healthy(platform, namespace, name)
    await writesGoOn(100)
  })

  test('kubectl describe tells the same story in Kubernetes Events', async () => {
    const told = await platform.kubectl(['-n', namespace, 'describe', 'rdc', name])
    expect(told).toMatch(/Normal +ClusterFormed .*cluster-controller/)
    expect(told).toMatch(/Warning +PrimaryLost /)
    expect(told).toMatch(/Normal +PrimaryChanged /)
  })

  test('NATS away: the controller says so on its pod, heals all the same, and tells everything afterwards', async () => {
    const from = story.length
    const scale = (replicas: number): Promise<string> =>
      platform.kubectl(['-n', 'slotkeeper-system', 'scale', 'statefulset/slotkeeper-nats', `--replicas=${replicas}`])
    await scale(0)
    await until('the warning', 60_000, async () => {
      const told = await platform.kubectl(['-n', 'slotkeeper-system', 'get', 'events', '-o', 'json'])
      const items = (JSON.parse(told) as { items: { reason: string; involvedObject: { kind: string } }[] }).items
      return items.some((one) => one.reason === 'EventStoreDown' && one.involvedObject.kind === 'Pod') || undefined
    })
    const victim = await primaryOf(2)
    await platform.switchboard.killInPod(namespace, victim, 'SIGKILL')
    await until('another primary', 60_000, async () => ((await primaryOf(2)) === victim ? undefined : true))
    await healthy(platform, namespace, name)
    expect(story.length).toBe(from)
    await scale(1)
    await until('the story', 90_000, async () => (types(from).includes('ReplicaAttached') ? true : undefined))
    expect(data('PrimaryChanged', from)).toMatchObject([{ shard: 2, from: { pod: victim }, cause: 'Assisted' }])
    expect(storyFaults(story)).toEqual([])
    await writesGoOn(100)
  })

  test('an erased status is adopted: nothing is formed again', async () => {
    const from = story.length
    const erase = [
      '-n',
      namespace,
      'patch',
      'rdc',
      name,
      '--subresource=status',
      '--type=json',
      '-p',
      '[{"op":"remove","path":"/status"}]',
    ]
    await until('the erasure', 30_000, async () => ((await platform.kubectl(erase)) === '' ? undefined : true))
    await until('the adoption', 60_000, async () => (types(from).includes('Adopted') ? true : undefined))
    await healthy(platform, namespace, name)
    expect(types(from)).not.toContain('PrimaryChanged')
    expect(types(from).filter((type) => type === 'OperationStarted')).toEqual([])
    await writesGoOn(100)
  })

  test('of all these, no confirmed write is missing, and the story has no gap', async () => {
    const record = await writer.finish()
    const missing = await writer.missing()
    expect(record.confirmed.size).toBeGreaterThan(400)
    expect(missing.confirmed).toEqual([])
    const { status } = await until('an empty outbox', 60_000, async () => {
      const found = await readCluster(platform, namespace, name)
      const lives = story.filter(({ event }) => event.life === found.status?.lifecycle?.life)
      return lives.length === found.status?.lifecycle?.seq ? found : undefined
    })
    expect(status?.state).toBe('Healthy')
    expect(storyFaults(story)).toEqual([])
  })

  test('no secret reaches events, status, logs or arguments', async () => {
    const read = async (secret: string, key: string): Promise<string> =>
      Buffer.from(
        await platform.kubectl(['-n', namespace, 'get', 'secret', secret, '-o', `jsonpath={.data.${key}}`]),
        'base64',
      ).toString('utf8')
    const secrets = [
      await read('orders-auth', 'password'),
      await read('orders-internal', 'control-password'),
      await read('orders-internal', 'probe-password'),
    ]
    const told = [
      JSON.stringify(story.map(({ event }) => event.cloudEvent)),
      await platform.kubectl(['-n', namespace, 'get', 'rdc,pods,configmaps,statefulsets', '-o', 'json']),
      await platform.kubectl(['-n', 'slotkeeper-system', 'logs', 'deployment/slotkeeper-cluster-controller']),
    ].join('\n')
    for (const secret of secrets) {
      expect(secret.length).toBeGreaterThan(20)
      expect(told.includes(secret)).toBe(false)
    }
  })
})

describe('bad input is refused with the field and the remedy', () => {
  test.each([
    ['two engines', { image: 'a/b:1' }, /exactly one of version/],
    ['too few shards', { shards: 2 }, /spec\.shards.*3/],
    ['a reserved name', { config: { port: '1' } }, /use the field of the spec that is made for it/],
    ['a value of two lines', { config: { 'maxmemory-policy': 'a\nb' } }, /a value is one line/],
  ])('%s', async (_what, spec, message) => {
    await expect(apply(cluster(spec))).rejects.toThrow(message)
  })

  test('a name that is too long', async () => {
    await expect(apply(cluster({}, 'a'.repeat(41)))).rejects.toThrow(/at most 40 lower case letters/)
  })

  test('a change that is not possible yet', async () => {
    await expect(
      platform.kubectl(['-n', namespace, 'patch', 'rdc', name, '--type=merge', '-p', '{"spec":{"shards":4}}']),
    ).rejects.toThrow(/spec.shards cannot be changed yet/)
  })

  test('a Secret that does not exist becomes a condition, and nothing is created for it', async () => {
    await apply(cluster({ auth: { secretName: 'nobody-made-it' } }, 'locked'))
    const found = await until('the condition', 60_000, async () => {
      const one = await readCluster(platform, namespace, 'locked')
      return isTrue(one, 'Stalled') ? one : undefined
    })
    expect(found.status?.conditions?.find((one) => one.type === 'Stalled')).toMatchObject({ reason: 'SecretMissing' })
    await platform.kubectl(['-n', namespace, 'delete', 'rdc', 'locked', '--timeout=60s'])
  })
})

describe('leaving', () => {
  test('without the controller Redis goes on serving; installed again it adopts', async () => {
    const from = story.length
    await platform.kubectl(['-n', 'slotkeeper-system', 'delete', 'deployment', 'slotkeeper-cluster-controller'])
    const client = await writeTo(platform, namespace, name, 100)
    await until('writes without a controller', 60_000, async () =>
      client.record().acknowledged.size >= 50 ? true : undefined,
    )
    await install(platform)
    await until('the new holder of the lease', 90_000, async () => {
      const lease = await platform.kubectl([
        '-n',
        'slotkeeper-system',
        'get',
        'lease',
        'slotkeeper-cluster-controller',
        '-o',
        'jsonpath={.spec.holderIdentity}',
      ])
      return lease === '' ? undefined : lease
    })
    await healthy(platform, namespace, name)
    await client.finish()
    client.close()
    expect(types(from).filter((type) => type === 'OperationStarted' || type === 'PrimaryChanged')).toEqual([])
  })

  test('a deleted cluster says so, and its volumes stay', async () => {
    await platform.kubectl(['-n', namespace, 'delete', 'rdc', name, '--timeout=90s'], { deadline: 100_000 })
    await until('the last event', 60_000, async () => (types().includes('Deleted') ? true : undefined))
    expect(storyFaults(story)).toEqual([])
    const claims = await platform.kubectl(['-n', namespace, 'get', 'pvc', '-o', 'name'])
    expect(claims.trim().split('\n')).toHaveLength(6)
  })
})
