import {
  ask,
  closeConnections,
  ENGINES,
  formCluster,
  meetOf,
  order,
  type Place,
  rowOf,
  seen,
  SHARDS,
  view,
} from '@slotkeeper/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { clusterCalls } from '../src/index.ts'

const clusters = new Map<string, readonly Place[]>()

beforeAll(async () => {
  await Promise.all(ENGINES.map(async (engine) => clusters.set(engine, await formCluster(engine))))
})

afterAll(async () => {
  closeConnections()
  await Promise.all([...clusters.values()].flat().map(({ server }) => server.remove()))
})

// Nodes that are replaced at the same time meet with one epoch, and settle it by taking a higher one.
test.concurrent.each(ENGINES)(
  '%s: a replica that was heard of with a higher epoch than its primary has is listed below its primary by all once that raises its own',
  async (engine) => {
    const places = clusters.get(engine) ?? []
    const [primary] = places as [Place]
    const { server } = places[SHARDS] as Place
    const others = places.filter((one) => one.server !== server)
    await order(server, ['CLUSTER', 'RESET', 'HARD'])
    const { nodeId } = await view(server)
    await order(server, ...others.map(meetOf))
    await seen(
      `${engine}: the new node is heard of`,
      others,
      (one) => rowOf(one, nodeId)?.flags.includes('handshake') === false,
    )
    await seen(`${engine}: it has heard of all`, [{ server }], (one) =>
      others.every(({ id }) => rowOf(one, id)?.flags.includes('handshake') === false),
    )
    const highest = (await view(primary.server)).currentEpoch
    await seen(`${engine}: it has heard of their epochs`, [{ server }], (one) => one.currentEpoch >= highest)
    await order(server, clusterCalls.raiseEpoch())
    const { configEpoch: higher = 0 } = rowOf(await view(server), nodeId) ?? {}
    expect(higher).toBeGreaterThan(highest)
    await seen(`${engine}: its epoch is heard`, others, (one) => rowOf(one, nodeId)?.configEpoch === higher)

    await order(server, clusterCalls.replicate(primary.id))
    await seen(`${engine}: it follows`, [{ server }], (one) => one.role === 'replica' && one.linkUp && !one.syncing)
    await order(primary.server, clusterCalls.raiseEpoch())
    await seen(
      `${engine}: all have heard of the primary's epoch, and whom it follows`,
      others,
      (one) => rowOf(one, nodeId)?.primaryId === primary.id && (rowOf(one, primary.id)?.configEpoch ?? 0) > higher,
    )
    const [again] = await ask(primary.server, clusterCalls.raiseEpoch())
    expect(String(again)).toMatch(/^STILL/)
  },
)
