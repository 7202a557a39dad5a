import { evenRanges, type NodeView } from '@slotkeeper/redis-topology'
import {
  ask,
  closeConnections,
  ENGINES,
  formCluster,
  kept,
  meetOf,
  NODE_TIMEOUT_MS,
  order,
  PATIENCE_MS,
  type Place,
  rowOf,
  seen,
  SHARDS,
  slotsOf,
  until,
  view,
  WITHIN_MS,
} from '@slotkeeper/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { clusterCalls, observeInboundLinks } from '../src/index.ts'

/** By engine: place n is the first primary of shard n, place n + 3 its replica. */
const clusters = new Map<string, readonly Place[]>()

const placesOf = (engine: string): readonly Place[] => clusters.get(engine) ?? []
const placeOf = (engine: string, number: number): Place => placesOf(engine)[number] as Place

beforeAll(async () => {
  await Promise.all(ENGINES.map(async (engine) => clusters.set(engine, await formCluster(engine))))
})

afterAll(async () => {
  closeConnections()
  await Promise.all([...clusters.values()].flat().map(({ server }) => server.remove()))
})

describe('formation', () => {
  test.concurrent.each(ENGINES)('%s: every node tells the same', async (engine) => {
    const places = placesOf(engine)
    const ranges = evenRanges(SHARDS)
    for (const [number, { id, server }] of places.entries()) {
      const one = await view(server)
      expect(one).toMatchObject({
        nodeId: id,
        role: number < SHARDS ? 'primary' : 'replica',
        clusterOk: true,
        linkUp: true,
        settings: { 'cluster-node-timeout': String(NODE_TIMEOUT_MS), 'cluster-replica-no-failover': 'yes' },
      })
      for (let shard = 0; shard < SHARDS; shard += 1) {
        const primaryId = places[shard]?.id
        const slots = [ranges[shard]]
        expect(rowOf(one, primaryId)).toMatchObject({ role: 'primary', slots, configEpoch: places.length - shard })
        expect(rowOf(one, places[shard + SHARDS]?.id)).toMatchObject({ role: 'replica', primaryId, slots: [] })
      }
    }
  })

  test.concurrent.each(ENGINES)('%s: a replica that must not be elected says so in its own row', async (engine) => {
    const { id, server } = placeOf(engine, SHARDS)
    expect(rowOf(await view(server), id)?.flags).toContain('nofailover')
  })

  test.concurrent.each(ENGINES)('%s: a call that is sent again changes nothing', async (engine) => {
    const [primary, other, , replica] = placesOf(engine) as [Place, Place, Place, Place]
    const before = rowOf(await view(primary.server), primary.id)
    const [met, added, , epoch] = await ask(
      primary.server,
      meetOf(other),
      clusterCalls.addSlots(evenRanges(SHARDS).slice(0, 1)),
      ...clusterCalls.prepare(NODE_TIMEOUT_MS, 9),
    )
    expect(met).toBe('OK')
    expect(String(added)).toMatch(/already busy/)
    expect(String(epoch)).toMatch(/does not know any other node/)
    await order(replica.server, clusterCalls.replicate(primary.id))
    const [after] = await seen(`${engine}: the link`, [replica], (one) => one.linkUp && !one.syncing)
    expect(rowOf(after as NodeView, replica.id)).toMatchObject({ role: 'replica', primaryId: primary.id })
    expect(rowOf(await view(primary.server), primary.id)).toEqual(before)
  })
})

describe('slots taken away by hand', () => {
  test.concurrent.each(ENGINES)(
    '%s: the others go on listing them, and they come back with their keys',
    async (engine) => {
      const [owner, bumping, ...rest] = placesOf(engine) as [Place, Place, ...Place[]]
      const others = [bumping, ...rest]
      const key = 'taken50' // Its slot is 1010, of the first shard.
      await order(owner.server, ['SET', key, 'kept'])
      const taken = [{ first: 1000, last: 1999 }]
      /** Has the owner change its slots, and waits until all others have heard it: a new epoch travels in the same message. */
      const heard = async (change: readonly string[]): Promise<readonly NodeView[]> => {
        // A node that has the highest epoch already would not take another.
        await order(bumping.server, ['CLUSTER', 'BUMPEPOCH'])
        const higher = rowOf(await view(bumping.server), bumping.id)?.configEpoch ?? 0
        await seen(`${engine}: a higher epoch`, [owner], (one) => rowOf(one, bumping.id)?.configEpoch === higher)
        await order(owner.server, change, ['CLUSTER', 'BUMPEPOCH'])
        const epoch = rowOf(await view(owner.server), owner.id)?.configEpoch
        expect(epoch).toBeGreaterThan(higher)
        return seen(`${engine}: the epoch`, others, (one) => rowOf(one, owner.id)?.configEpoch === epoch)
      }
      const views = await heard(['CLUSTER', 'DELSLOTSRANGE', '1000', '1999'])
      for (const one of views) expect(rowOf(one, owner.id)?.slots).toEqual(evenRanges(SHARDS).slice(0, 1))
      expect(rowOf(await view(owner.server), owner.id)?.slots).toHaveLength(2)
      await heard(clusterCalls.addSlots(taken))
      // Redis 7.0 would else lose them, and their keys, with the hand-over below (libs/redis-topology, cover-slots.ts).
      const heir = placeOf(engine, SHARDS)
      await order(heir.server, clusterCalls.unlistSlots(taken))
      await seen(`${engine}: ok everywhere`, placesOf(engine), (one) => one.clusterOk && slotsOf(one) === 16384)
      expect(await ask(owner.server, ['GET', key])).toEqual(['kept'])
    },
  )
})

describe('hand-over', () => {
  test.concurrent.each(ENGINES)('%s: the role moves, and every view shows it', async (engine) => {
    const places = placesOf(engine)
    const [leaving, , , heir] = places as [Place, Place, Place, Place]
    const isOver = (one: NodeView): boolean =>
      rowOf(one, heir.id)?.slots.length === 1 && rowOf(one, leaving.id)?.primaryId === heir.id
    let asked = -Infinity
    const views = await until(`${engine}: the hand-over`, PATIENCE_MS, async () => {
      // The answer OK promises nothing: an attempt that takes more than 5 s is given up by the server, and asked for anew.
      if (performance.now() - asked > 6_000) {
        asked = performance.now()
        await order(heir.server, clusterCalls.handOver()).catch(() => undefined)
      }
      const all = await Promise.all(places.map(({ server }) => view(server)))
      return all.every(isOver) ? all : undefined
    })
    for (const one of views) expect(rowOf(one, heir.id)?.configEpoch).toBeGreaterThan(2 * SHARDS)
    expect(await ask(heir.server, ['GET', 'taken50'])).toEqual(['kept'])
    await seen(`${engine}: the old primary follows`, [leaving], (one) => one.role === 'replica' && one.linkUp)
  })
})

describe('a killed primary', () => {
  test.concurrent.each(ENGINES)('%s: links and replicas testify, FORCE promotes at once', async (engine) => {
    const places = placesOf(engine)
    const [, victim, witness, , heir] = places as [Place, Place, Place, Place, Place]
    const links = (): Promise<readonly string[] | null> => observeInboundLinks(kept(witness.server), WITHIN_MS)
    const others = places.filter((one) => one !== witness)
    await until(`${engine}: a link from each`, PATIENCE_MS, async () => {
      const from = await links()
      return others.every(({ id }) => from?.includes(id) === true) && from?.length === others.length ? true : undefined
    })
    await victim.server.kill()
    const [before] = await seen(`${engine}: the link goes down`, [heir], (one) => !one.linkUp)
    expect(before).toMatchObject({ role: 'replica', syncing: false })
    expect(before?.linkDownSeconds).toBeLessThan(60)
    await until(`${engine}: no link from the dead`, PATIENCE_MS, async () =>
      (await links())?.includes(victim.id) === false ? true : undefined,
    )
    await order(heir.server, clusterCalls.failOver())
    const alive = places.filter((one) => one !== victim)
    await seen(`${engine}: the promotion`, alive, (one) => one.clusterOk && rowOf(one, heir.id)?.slots.length === 1)
    // It comes back without data and without harm: as a replica of its heir.
    await victim.server.restart()
    await seen(`${engine}: its return`, [victim], (one) => rowOf(one, victim.id)?.primaryId === heir.id && one.linkUp)
  })
})

describe('a replica that must not be elected', () => {
  test.concurrent.each(ENGINES)('%s: is elected once that is lifted', async (engine) => {
    const places = placesOf(engine)
    const [victim, heir] = [places[2], places[5]] as [Place, Place]
    await victim.server.kill()
    const others = places.filter((one) => one !== victim)
    await seen(
      `${engine}: the death is agreed on`,
      others,
      (one) => rowOf(one, victim.id)?.flags.includes('fail') === true,
    )
    expect(await view(heir.server)).toMatchObject({
      role: 'replica',
      settings: { 'cluster-replica-no-failover': 'yes' },
    })
    await order(heir.server, clusterCalls.set('cluster-replica-no-failover', 'no'))
    const [after] = await seen(`${engine}: its election`, [heir], (one) => one.role === 'primary' && one.clusterOk)
    expect(rowOf(after as NodeView, heir.id)?.flags).not.toContain('nofailover')
  })
})
