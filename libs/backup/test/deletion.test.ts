import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { AGENT_FAULTS } from '../src/index.ts'
import { BackupWorld, type Ending } from './backup-world.ts'
import { deleted, FOLDER, lasts, MINUTE, storageFails, typesOf } from './play-deletion.ts'

describe('objects that can not be deleted', () => {
  test.each(Object.keys(AGENT_FAULTS) as Ending[])('%s for 90 s, or for 13 minutes: they go afterwards', (fault) => {
    for (const outage of [90_000, 13 * MINUTE]) {
      const world = deleted()
      const took = lasts(world, outage, fault)
      expect([...world.objects]).toEqual([])
      expect(typesOf(world).slice(-2)).toEqual(['ObjectsDeleted', 'Deleted'])
      expect(took).toBeLessThanOrEqual(outage + MINUTE + 10_000)
      expect(world.broken).toEqual([])
    }
  })

  test.each<[string, string, (world: BackupWorld) => void]>([
    ['the storage never answers', 'it failed: StorageUnreachable', () => undefined],
    ['no agent can be started', 'no agent could be started: refused', (world) => (world.trouble = 'refused')],
  ])('%s: after a quarter of an hour it goes, and says why and what is left', (_what, why, happens) => {
    const world = deleted()
    happens(world)
    const took = lasts(world, Infinity)
    expect(took).toBeGreaterThan(15 * MINUTE)
    expect(took).toBeLessThan(16 * MINUTE)
    const left = world.events.find((one) => one.type === 'ObjectsLeft')
    expect(left?.data).toEqual({
      why: `they were not deleted in 15 minutes; last: ${why}`,
      path: FOLDER,
      message: `Objects may be left in ${FOLDER} of archive: they were not deleted in 15 minutes; last: ${why}`,
    })
    expect(typesOf(world).at(-1)).toBe('Deleted')
  })

  test('the storage object is gone: it goes at once', () => {
    const world = deleted()
    world.storage = null
    expect(lasts(world, Infinity)).toBeLessThan(10_000)
    expect(world.status?.objectsLeft).toBe('the RedisBackupStorage archive is gone')
  })

  test('while it is tried it says why, also while an attempt runs', () => {
    const world = deleted()
    world.pass()
    world.pass()
    world.end('SecretMissing')
    for (let second = 0; second < 60; second++) {
      world.pass()
      expect(world.status).toMatchObject({ reason: 'SecretMissing', message: 'it failed: SecretMissing' })
      world.now += 1_000
    }
    expect(world.running.map((one) => one.step)).toEqual(['delete'])
    world.block('no node has room')
    world.pass()
    expect(world.status).toMatchObject({ reason: 'AgentNotRunning' })
    expect(world.status?.message).toContain('no node has room')
    world.end('well')
    world.pass()
    expect(world.status).toMatchObject({ objectsDeleted: 4 })
    expect(world.status).not.toHaveProperty('reason')
  })

  test('pauses grow, up to a minute, and no more than two of its agents are kept', () => {
    const world = deleted()
    const attempts: number[] = []
    for (let second = 0; second < 600; second++) {
      world.pass()
      if (world.running.length > 0) attempts.push(second)
      world.end('StorageFull')
      const kept = world.given().runs.filter((one) => one.step === 'delete')
      expect(kept.length).toBeLessThanOrEqual(2)
      world.now += 1_000
    }
    const pauses = attempts.slice(1).map((at, index) => at - (attempts[index] ?? 0))
    expect(pauses.slice(0, 4)).toEqual([6, 11, 21, 41])
    expect(new Set(pauses.slice(4))).toEqual(new Set([61]))
  })

  test.each([
    ['asked', 60],
    ['expired', 600],
  ] as const)('no agent can be started (%s): it is ordered with pauses that grow, up to %i s', (by, most) => {
    const world = deleted(by)
    world.pass()
    world.trouble = 'refused'
    const ordered: number[] = []
    for (let second = 0; second < 3_000 && !world.isGone; second++) {
      // The runtime forgets what failed in a pass that does nothing.
      world.trouble = ordered.at(-1) === second - 1 ? 'refused' : null
      const orders = world.pass().filter((one) => one.type === 'RunAgent')
      world.refuse()
      if (orders.length > 0) ordered.push(second)
      world.now += 1_000
    }
    const pauses = ordered.slice(1).map((at, index) => at - (ordered[index] ?? 0))
    expect(pauses.slice(0, 4)).toEqual([6, 11, 21, 41])
    expect(Math.max(...pauses)).toBe(most + 1)
    expect(typesOf(world)).toContain('AttemptFailed')
  })

  test('what was in the way is said no longer than it is', () => {
    const world = deleted()
    world.trouble = 'refused'
    world.pass()
    world.pass()
    expect(world.status).toMatchObject({ reason: 'NoAgent', attempt: 2 })
    world.trouble = null
    world.now += 10_000
    world.pass()
    expect(world.status).toMatchObject({ reason: 'NoAgent' })
    world.pass()
    expect(world.running).toHaveLength(1)
    expect(world.status).not.toHaveProperty('reason')
    world.block('no node has room')
    world.pass()
    expect(world.status).toMatchObject({ reason: 'AgentNotRunning' })
    world.block(undefined)
    world.pass()
    expect(world.status).not.toHaveProperty('reason')
    expect(world.status).not.toHaveProperty('message')
    // The last attempt has said nothing: no earlier trouble is given for it.
    world.now += 16 * MINUTE
    world.pass()
    expect(world.status?.objectsLeft).toBe('they were not deleted in 15 minutes')
  })

  test('agents that are being stopped are spoken of until they are gone', () => {
    const world = new BackupWorld()
    for (let pass = 0; pass < 2; pass++) world.pass()
    world.loseMachines()
    world.deletionAt = world.now
    for (let pass = 0; pass < 2; pass++) world.pass()
    expect(world.status).toMatchObject({ reason: 'AgentRunning' })
    world.endLost()
    world.pass()
    expect(world.status).not.toHaveProperty('reason')
  })

  test('deleted by an agent while nobody was there to see it', () => {
    const world = deleted()
    world.pass()
    world.pass()
    world.end('well')
    world.now += 60 * MINUTE
    world.pass()
    expect(world.status).toMatchObject({ objectsDeleted: 4 })
  })

  test('a retention policy waits for its storage for a day', () => {
    const world = deleted('expired')
    lasts(world, 20 * 60 * MINUTE, 'StorageUnreachable', MINUTE)
    expect(world.isGone).toBe(true)
    expect([...world.objects]).toEqual([])
    expect(world.broken).toEqual([])
    const other = deleted('expired')
    const took = lasts(other, Infinity, 'SecretMissing', MINUTE)
    expect(took).toBeGreaterThan(24 * 60 * MINUTE)
    expect(other.isGone).toBe(true)
    expect(other.status?.objectsLeft).toBe('they were not deleted in 24 hours; last: it failed: SecretMissing')
  })

  test('however long the trouble lasts: they go, or it says that they are left, and it never hangs', () => {
    const faults = fc.constantFrom<Ending>('silently', ...(Object.keys(AGENT_FAULTS) as Ending[]))
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 20 * MINUTE }), faults, (outage, fault) => {
        const world = deleted()
        expect(lasts(world, outage, fault)).toBeLessThan(16 * MINUTE)
        if (outage < 14 * MINUTE) expect([...world.objects]).toEqual([])
        expect(world.objects.size > 0).toBe(world.status?.objectsLeft !== undefined)
      }),
      { numRuns: 40 },
    )
  })
})

test('what was whole, and nothing of it is where its storage points now, is not said to be deleted', () => {
  const world = deleted()
  world.objects.clear()
  lasts(world, 0)
  expect(typesOf(world).slice(-2)).toEqual(['ObjectsLeft', 'Deleted'])
  expect(world.status?.objectsLeft).toBe('nothing of it is where the RedisBackupStorage archive points now')
  // An agent that nobody heard may have deleted all.
  const again = deleted()
  storageFails(again)
  again.objects.clear()
  lasts(again, 0)
  expect(typesOf(again).slice(-2)).toEqual(['ObjectsDeleted', 'Deleted'])
})
