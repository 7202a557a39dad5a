import type { BackupStatus } from '@slotkeeper/events'
import { expect, test } from 'vitest'
import { BackupWorld, toTheEnd } from './backup-world.ts'

test('completed, with a status that somebody erased, and a manifest that nobody can read: it waits ever longer, and says why', () => {
  const world = new BackupWorld()
  toTheEnd(world)
  world.status = null
  const asked: number[] = []
  for (const until = world.now + 24 * 3_600_000; world.now < until; world.now += 5_000) {
    if (world.pass().some((one) => one.type === 'RunAgent')) asked.push(world.now)
    world.end('ObjectDamaged')
  }
  expect(world.status).toMatchObject({ state: 'Adopting', reason: 'ObjectDamaged' })
  const waits = asked.slice(1).map((at, index) => at - (asked[index] ?? 0))
  expect(waits).toEqual(waits.toSorted((one, other) => one - other))
  expect(waits.at(-1)).toBeGreaterThan(40 * 60_000)
  expect(asked.length).toBeLessThan(50)
  // Once somebody has mended it, it is what it was.
  world.now += 3_600_000
  toTheEnd(world)
  expect(world.status).toMatchObject({ state: 'Completed' })
  expect(world.broken).toEqual([])
})

test('sealed by a machine whose clock is ahead, it counts by its creation: it is to outlast nothing that is newer', () => {
  const world = new BackupWorld()
  toTheEnd(world)
  world.status = null
  // By its manifest it ended a minute after its creation.
  world.now -= 3_600_000
  toTheEnd(world)
  expect(world.status).toMatchObject({ state: 'Completed' })
  expect((world.status as BackupStatus | null)?.endedAt).toBe(new Date(world.given().backup.createdAt).toISOString())
})
