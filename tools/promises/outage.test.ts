import type { Delivery } from '@slotkeeper/nats'
import { until } from '@slotkeeper/testing'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { follow, storyFaults } from '../demo/tour.ts'
import { Stage } from './stage.ts'

const story: Delivery[] = []
const stop = new AbortController()
let stage: Stage

const system = (...args: readonly string[]): Promise<string> =>
  stage.platform.kubectl(['-n', 'slotkeeper-system', ...args], { deadline: 120_000 })
const nats = (replicas: number): Promise<string> =>
  system('scale', 'statefulset/slotkeeper-nats', `--replicas=${replicas}`)
const spills = async (): Promise<readonly string[]> =>
  (await system('get', 'configmaps', '-l', 'slotkeeper.dev/spill=cluster', '-o', 'name')).split('\n').filter(Boolean)
const toldOf = (name: string): readonly string[] =>
  story.filter(({ event }) => event.name === name).map(({ event }) => event.type)

beforeAll(async () => {
  stage = await Stage.open(inject('platform'), 'outage')
  await follow(stage.platform, (told) => told.event.namespace === stage.namespace && story.push(told), stop.signal)
  await stage.create('kept', {})
  await stage.create('gone', { replicasPerShard: 0 })
  await Promise.all([
    stage.healthy('kept'),
    until('gone', 60_000, async () => toldOf('gone').includes('ClusterFormed') || undefined),
  ])
})

afterAll(() => stop.abort())

test('a long outage of NATS: nothing waits for it, and nothing of it is missing afterwards', async () => {
  await nats(0)
  await system('wait', 'pod', '--for=delete', 'slotkeeper-nats-0', '--timeout=60s')
  // More changes than an outbox holds: all pods but one of each shard, again and again.
  for (let round = 0; (await spills()).length === 0; round += 1) {
    const { status } = await stage.healthy('kept')
    const replicas = (status?.topology ?? []).flatMap((shard) => shard.attached ?? [])
    await stage.kubectl('delete', 'pod', ...replicas, '--wait=true', '--timeout=60s')
    expect(round).toBeLessThan(12)
  }
  await stage.kubectl('delete', 'rdc', 'gone', '--timeout=20s')
  // The next controller knows of the deleted cluster by its spill alone.
  await stage.controller(false)
  await stage.controller(true)
  const { status } = await stage.healthy('kept')
  expect(status?.outbox?.length ?? 0).toBeLessThanOrEqual(32)
  await nats(1)
  await until('the end of both stories', 120_000, async () => {
    const seq = (await stage.read('kept')).status?.lifecycle?.seq
    const last = story.findLast(({ event }) => event.name === 'kept')?.event.sequence
    return (toldOf('gone').includes('Deleted') && last === seq) || undefined
  })
  expect(storyFaults(story)).toEqual([])
  await until('the spills are cleared away', 60_000, async () => (await spills()).length === 0 || undefined)
})
