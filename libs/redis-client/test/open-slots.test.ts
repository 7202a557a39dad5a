import {
  closeConnections,
  ENGINES,
  formCluster,
  kept,
  order,
  PATIENCE_MS,
  type Place,
  rowOf,
  until,
  view,
  WITHIN_MS,
} from '@slotkeeper/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { asking } from '../src/same-key.ts'
import { clusterCalls } from '../src/index.ts'
import { Healer, MOVER_CONFIG } from './healer.ts'
import { startReshard } from './reshard.ts'
import { keysIn, send, tagFor, tagsFor, type Words } from './slot-keys.ts'

const SLOT = 0
const OTHER_SLOT = 1
const THIRD_SLOT = 2

const started: Place[] = []
afterAll(async () => {
  closeConnections()
  await Promise.all(started.map(({ server }) => server.remove()))
})

type Ends = { readonly healer: Healer; readonly source: Place; readonly destination: Place; readonly replica: Place }

async function begin(engine: string): Promise<Ends> {
  const places = await formCluster(engine, MOVER_CONFIG)
  started.push(...places)
  const healer = new Healer(places)
  await healer.untilNothingIsFound()
  const [source, destination, , , replica] = places as [Place, Place, Place, Place, Place]
  return { healer, source, destination, replica }
}

/** Opens a slot as whoever moves slots does. */
async function open({ source, destination }: Ends, slot: number): Promise<void> {
  await order(destination.server, clusterCalls.importSlot(slot, source.id))
  await order(source.server, clusterCalls.migrateSlot(slot, destination.id))
}

const count = async (place: Place, slot: number): Promise<number> =>
  Number((await send(place, [clusterCalls.countKeys(slot)]))[0])

/** How often each of them was told something about the owner of a slot. */
const asked = (...places: readonly Place[]): Promise<readonly (string | undefined)[]> =>
  Promise.all(
    places.map(async (place) => {
      const [stats] = await send(place, [['INFO', 'commandstats']])
      return /cmdstat_cluster\|setslot:calls=(\d+)/.exec(String(stats))?.[1]
    }),
  )

const ask = async (place: Place, ...commands: readonly Words[]): Promise<readonly unknown[]> =>
  asking(kept(place.server), commands, WITHIN_MS)

/** Passes until something of this kind is found. */
function found(healer: Healer, type: string): Promise<string> {
  return until(type, PATIENCE_MS, async () => (await healer.pass()).find((one) => one.startsWith(`${type}:`)))
}

describe.concurrent.each(ENGINES)('%s', (engine) => {
  let ends: Ends

  beforeAll(async () => {
    ends = await begin(engine)
  })

  test('keys that differ on both sides are named, and nothing is written over', { concurrent: false }, async () => {
    const { healer, source, destination } = ends
    const tag = tagFor(SLOT)
    const members = Array.from({ length: 300 }, (_, index) => `member:${index}`)
    const onBoth: readonly Words[] = [
      ['SET', `${tag}same`, 'x', 'PX', '3600000'],
      // In another order on every server.
      ['SADD', `${tag}set`, ...members],
      ['HSET', `${tag}hash`, ...members],
    ]
    await send(source, [...onBoth, ['SET', `${tag}differs`, 'served'], ['SET', `${tag}end`, 'x'], ...keysIn(tag, 30)])
    await open(ends, SLOT)
    await ask(destination, ...onBoth, ['SET', `${tag}differs`, 'unseen'], ['SET', `${tag}end`, 'x', 'PX', '3600000'])
    const message = await found(healer, 'SlotsDisputed')
    expect(message).toContain(`${tag}differs`)
    expect(message).toContain(`${tag}end`)
    expect(message).not.toContain(`${tag}same`)
    expect([await count(source, SLOT), await count(destination, SLOT)]).toEqual([2, 35])
    expect((await send(source, [['GET', `${tag}differs`]])).map(String)).toEqual(['served'])
    // A person chooses, and the rest goes on by itself.
    await ask(destination, ['DEL', `${tag}differs`, `${tag}end`])
    await healer.untilNothingIsFound()
    expect([await count(source, SLOT), await count(destination, SLOT)]).toEqual([0, 35])
    expect(
      (
        await send(destination, [
          ['GET', `${tag}differs`],
          ['SCARD', `${tag}set`],
        ])
      ).map(String),
    ).toEqual(['served', '300'])
  })

  test('without a replica of the destination no key is moved to it', { concurrent: false }, async () => {
    const { healer, source, destination, replica } = ends
    const tag = tagFor(OTHER_SLOT)
    await send(source, keysIn(tag, 50))
    await open(ends, OTHER_SLOT)
    await replica.server.kill()
    healer.dead.add(replica)
    const repairs = healer.ordered.length
    await until('a repair', PATIENCE_MS, async () => {
      await healer.pass()
      return healer.ordered.slice(repairs).filter((one) => one === 'RepairSlots').length > 3 ? true : undefined
    })
    expect([await count(source, OTHER_SLOT), await count(destination, OTHER_SLOT)]).toEqual([50, 0])
    await replica.server.restart()
    healer.dead.delete(replica)
    await healer.untilNothingIsFound()
    expect([await count(source, OTHER_SLOT), await count(destination, OTHER_SLOT)]).toEqual([0, 50])
  })

  test('nothing about owners is sent when it may not be sent any more', { concurrent: false }, async () => {
    const { healer, source, destination } = ends
    await send(source, keysIn(tagFor(THIRD_SLOT), 10))
    await open(ends, THIRD_SLOT)
    const before = await asked(source, destination)
    healer.mayOrder = false
    const repairs = healer.ordered.length
    await until('a repair', PATIENCE_MS, async () => {
      await healer.pass()
      return healer.ordered.slice(repairs).includes('RepairSlots') ? true : undefined
    })
    expect(await asked(source, destination)).toEqual(before)
    expect(rowOf(await view(source.server), source.id)?.open).toHaveLength(1)
    healer.mayOrder = true
    await healer.untilNothingIsFound()
    expect(await count(destination, THIRD_SLOT)).toBe(10)
  })

  test('a reshard that only pauses is not disturbed', { concurrent: false }, async () => {
    const { healer, source, destination } = ends
    const slots = Array.from({ length: 8 }, (_, slot) => THIRD_SLOT + 1 + slot)
    for (const tag of tagsFor(slots).values()) await send(source, keysIn(tag, 400))
    const [repairs, before] = [healer.ordered.length, Number((await send(destination, [['DBSIZE']]))[0])]
    const reshard = await startReshard(engine, { source, destination, count: slots.length }, 0.4)
    try {
      reshard.signal('SIGSTOP')
      await until('a quiet time', PATIENCE_MS, async () => {
        const found = (await healer.pass()).join()
        // What was sent before the pause may still have closed the last slot.
        if (!found.includes('SlotsOpen')) return true
        expect(found).toContain('somebody may still be moving it')
        return healer.quietMs > 2_500 ? true : undefined
      })
      expect(healer.ordered.slice(repairs)).not.toContain('RepairSlots')
    } finally {
      reshard.signal('SIGCONT')
      await reshard.ended
    }
    await healer.untilNothingIsFound()
    expect(healer.ordered.slice(repairs)).not.toContain('RepairSlots')
    expect(Number((await send(destination, [['DBSIZE']]))[0])).toBe(before + 3_200)
  })
})
