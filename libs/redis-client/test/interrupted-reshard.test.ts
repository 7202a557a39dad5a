import { type NodeView, slotCount } from '@slotkeeper/redis-topology'
import {
  closeConnections,
  ENGINES,
  formCluster,
  order,
  PATIENCE_MS,
  type Place,
  rowOf,
  seen,
  SHARDS,
  until,
  view,
} from '@slotkeeper/testing'
import { afterAll, expect, test } from 'vitest'
import { clusterCalls } from '../src/index.ts'
import { Healer, MOVER_CONFIG } from './healer.ts'
import { startReshard } from './reshard.ts'
import { type Kept, keysIn, readAll, send, tagsFor } from './slot-keys.ts'

/** More of them by command, and what came of each: `RUNS=12 SEED=7 make adapters`. */
const RUNS = Number(process.env['RUNS'] ?? 2)
const SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000)
const VICTIMS = ['nobody', 'source', 'destination'] as const
const SLOTS = 24
const KEYS_PER_SLOT = 100

const started: Place[] = []
afterAll(async () => {
  closeConnections()
  await Promise.all(started.map(({ server }) => server.remove()))
})

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
function dice(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

type Scene = {
  readonly places: readonly Place[]
  readonly source: Place
  readonly destination: Place
  readonly slots: readonly number[]
}

const shardOf = ({ places }: Pick<Scene, 'places'>, id: string): number =>
  places.findIndex((place) => place.id === id) % SHARDS

/** The primaries of two shards, and the first slots of one of them. */
async function castRoles(places: readonly Place[], random: () => number): Promise<Scene> {
  const views = await Promise.all(places.map(({ server }) => view(server)))
  const primaries = places.flatMap((place, number) => {
    const one = views[number]
    return one?.role === 'primary' ? [{ place, slots: rowOf(one, place.id)?.slots ?? [], dice: random() }] : []
  })
  const [first, second] = primaries.toSorted((a, b) => a.dice - b.dice)
  if (first === undefined || second === undefined) throw new Error('there are no two primaries')
  const [from, to] = slotCount(first.slots) >= SLOTS ? [first, second] : [second, first]
  const owned = from.slots.flatMap(({ first: low, last }) =>
    Array.from({ length: last - low + 1 }, (_, index) => low + index),
  )
  return { places, source: from.place, destination: to.place, slots: owned.slice(0, SLOTS) }
}

/** Fills the slots, and waits until the replica of the source has it all. */
async function fill({ source, slots }: Scene): Promise<readonly Kept[]> {
  const tags = tagsFor(slots)
  const keys: Kept[] = []
  for (const [slot, tag] of tags) {
    const commands = keysIn(tag, KEYS_PER_SLOT)
    await send(source, commands)
    const put = commands.map((command) => command[1] as Buffer)
    const read = await readAll(source, put)
    keys.push(...put.map((key, index) => ({ key, slot, ...(read[index] as Pick<Kept, 'value' | 'expiresAt'>) })))
  }
  const [tag = ''] = tags.values()
  await until('its replica', PATIENCE_MS, async () => {
    const [, , confirmed] = await send(source, [
      ['SET', tag, ''],
      ['DEL', tag],
      ['WAIT', '1', '1000'],
    ])
    return confirmed === 1 ? true : undefined
  })
  return keys
}

/** Keys that some server still has: what a server took with it, before a replica had it, no repair brings back. */
async function surviving({ places, slots }: Scene, victim: Place | undefined): Promise<ReadonlySet<string>> {
  const list = slots.map((slot) => ['CLUSTER', 'GETKEYSINSLOT', String(slot), '100000'])
  const held = await Promise.all(places.filter((one) => one !== victim).map((one) => send(one, list)))
  return new Set(held.flat(2).map((key) => (key as Buffer).toString('latin1')))
}

/** Passes until nothing is found. Who was killed comes back, as in a pod, when another has taken its place. */
async function heal(healer: Healer, scene: Scene): Promise<void> {
  await healer.untilNothingIsFound(async () => {
    for (const victim of healer.dead) {
      const others = await Promise.all(scene.places.filter((one) => one !== victim).map(({ server }) => view(server)))
      const shard = shardOf(scene, victim.id)
      const heir = others.find((one) => one.role === 'primary' && shardOf(scene, one.nodeId) === shard)
      // One that still hears of no other owner would come back as what it was, without its data.
      const all = others.every((one) => slotCount(rowOf(one, heir?.nodeId)?.slots ?? []) > 0)
      if (heir === undefined || !all) continue
      await victim.server.restart()
      healer.dead.delete(victim)
    }
  })
}

/** Keys that the owner of their slot does not give as they were; copies elsewhere; slots without an owner; marks. */
async function faults({ places, slots }: Scene, keys: readonly Kept[]): Promise<readonly string[]> {
  const views = (await seen('one map', places, (one) => one.clusterOk)) as readonly NodeView[]
  const found: string[] = []
  for (const [number, one] of views.entries()) {
    const place = places[number] as Place
    const own = rowOf(one, place.id)
    // What a replica of Valkey repeats of a primary that died is none of its own: it is dropped when it matters.
    if (one.role === 'replica') continue
    if (own?.open.length !== 0) found.push(`${place.id} still has ${own?.open.join(' ')}`)
    const counts = await send(place, slots.map(clusterCalls.countKeys))
    for (const [index, slot] of slots.entries()) {
      const owns = own?.slots.some(({ first, last }) => first <= slot && slot <= last) === true
      if (!owns && counts[index] !== 0)
        found.push(`${place.id} holds ${String(counts[index])} keys of slot ${slot}, which it does not own`)
    }
    const mine = keys.filter(({ slot }) => own?.slots.some(({ first, last }) => first <= slot && slot <= last) === true)
    const read = await readAll(
      place,
      mine.map(({ key }) => key),
    )
    for (const [index, { slot, key, value, expiresAt }] of mine.entries()) {
      const now = read[index]
      if (now?.value !== value) found.push(`slot ${slot}: ${key.toString('latin1')} is ${now?.value.slice(0, 40)}`)
      else if (Math.abs(now.expiresAt - expiresAt) > 5_000) found.push(`slot ${slot}: its end is ${now.expiresAt}`)
    }
  }
  return found
}

test.concurrent.each(ENGINES)(
  '%s: a reshard that was interrupted at a random moment is finished, and no key is missing',
  { timeout: 60_000 + RUNS * 30_000 },
  async (engine) => {
    const random = dice(SEED + ENGINES.indexOf(engine))
    const places = await formCluster(engine, MOVER_CONFIG)
    started.push(...places)
    const healer = new Healer(places)
    await healer.untilNothingIsFound()
    for (let run = 0; run < RUNS; run += 1) {
      const what = VICTIMS[(run + ENGINES.indexOf(engine)) % VICTIMS.length] ?? 'nobody'
      const scene = await castRoles(places, random)
      const keys = await fill(scene)
      const reshard = await startReshard(engine, { ...scene, count: SLOTS }, random())
      const victim = what === 'nobody' ? undefined : scene[what]
      await Promise.all([reshard.kill(), victim?.server.kill()])
      if (victim !== undefined) healer.dead.add(victim)
      const there = await surviving(scene, victim)
      const expected = keys.filter(({ key }) => there.has(key.toString('latin1')))
      const [moved, began] = [healer.moved, performance.now()]
      const repairs = healer.ordered.length
      await heal(healer, scene)
      const wrong = await faults(scene, expected)
      const open = healer.ordered.slice(repairs).includes('RepairSlots')
      const figures = {
        engine,
        seed: SEED,
        run,
        victim: what,
        open,
        keys: keys.length,
        gone: keys.length - expected.length,
        moved: healer.moved - moved,
      }
      if (process.env['RUNS'] !== undefined)
        console.log(JSON.stringify({ ...figures, ms: Math.round(performance.now() - began), faults: wrong.length }))
      expect({ ...figures, wrong: wrong.slice(0, 5) }).toEqual({ ...figures, wrong: [] })
      for (const { server } of places) if ((await view(server)).role === 'primary') await order(server, ['FLUSHALL'])
    }
  },
)
