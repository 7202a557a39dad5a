import { redisBackupStorageSpec } from '@slotkeeper/api'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BackupWorld, type Ending, sourceOf, toTheEnd } from './backup-world.ts'

const proven = (spec: object = {}): BackupWorld => new BackupWorld({ verify: 'restore', ...spec })
const typesOf = (world: BackupWorld): readonly string[] => world.events.map((one) => one.type)
const loaded = (world: BackupWorld) => world.status?.shards?.map((one) => one.loaded)
const ALL = Array.from({ length: 3 }, () => ({ keys: 4, expired: 1 }))

/** Passes and agents that end well, until the backup is in that state. */
function until(world: BackupWorld, state: string): void {
  for (let turn = 0; turn < 40 && world.status?.state !== state; turn++) {
    world.pass()
    if (world.status?.state !== state) world.end('well')
  }
  expect(world.status?.state).toBe(state)
}

describe('verify: restore', () => {
  test('is completed only when a server has loaded each shard', () => {
    const world = proven()
    until(world, 'Verifying')
    expect(world.status).not.toHaveProperty('endedAt')
    expect(world.status?.image).toBe('docker.io/valkey/valkey:9.1')
    expect(typesOf(world)).not.toContain('Completed')
    world.pass()
    expect(world.running).toHaveLength(2)
    toTheEnd(world)
    expect(world.status).toMatchObject({ state: 'Completed', verified: 'restore', endedAt: expect.any(String) })
    expect(loaded(world)).toEqual(ALL)
    expect(typesOf(world).slice(-5)).toEqual(['ShardLoaded', 'ShardLoaded', 'ShardLoaded', 'Completed', 'StateChanged'])
    expect(world.running).toEqual([])
    expect(world.broken).toEqual([])
  })

  test('without it, what was read back is enough', () => {
    const world = new BackupWorld()
    toTheEnd(world)
    expect(world.status).toMatchObject({ state: 'Completed', verified: 'read-back' })
    expect(typesOf(world)).not.toContain('ShardLoaded')
  })

  test('a shard that is not what was counted fails it, and says so', () => {
    const world = proven()
    until(world, 'Verifying')
    world.end('CountsDiffer')
    toTheEnd(world)
    expect(world.status).toMatchObject({ state: 'Failed', reason: 'CountsDiffer' })
    expect(world.status).not.toHaveProperty('verified')
    expect(typesOf(world)).not.toContain('Completed')
    // It is there for whoever looks, until it is deleted.
    expect(world.objects.size).toBeGreaterThan(0)
    world.deletionAt = world.now
    toTheEnd(world)
    expect(world.objects.size).toBe(0)
  })

  test('a server that is killed is tried again, and not for ever; what others have loaded stays', () => {
    const world = proven()
    until(world, 'Verifying')
    world.end('Interrupted')
    world.pass()
    // Another one is under way: it is not stopped for this.
    expect(world.running.length).toBeGreaterThan(0)
    expect(world.status?.attempt).toBe(1)
    while (world.running.length > 0) {
      world.end('well')
      world.pass()
    }
    expect(world.status?.attempt).toBe(2)
    expect(loaded(world)?.filter((one) => one !== undefined)).toHaveLength(2)
    toTheEnd(world, () => 'Interrupted')
    expect(world.status).toMatchObject({ state: 'Failed', reason: 'Interrupted' })
  })

  test('its cluster may be gone by then', () => {
    const world = proven()
    until(world, 'Verifying')
    world.source = null
    toTheEnd(world)
    expect(world.status).toMatchObject({ state: 'Completed', verified: 'restore' })
  })

  test('what is not loaded in time has failed, and says that all is stored', () => {
    const world = proven({ deadlineSeconds: 60 })
    until(world, 'Verifying')
    world.now += 61_000
    world.pass()
    expect(world.status).toMatchObject({ state: 'Failed', reason: 'DeadlineExceeded' })
    expect(world.status?.message).toContain('all is stored')
    expect(world.running).toEqual([])
  })

  test.each([
    ['its cluster is there: it is loaded once more', sourceOf(), 'restore'],
    ['its cluster is gone: it was read back', null, 'read-back'],
    ['its cluster is another one: it was read back', sourceOf({ uid: 'cluster-2' }), 'read-back'],
  ])('its status is lost while it loads, and %s', (_what, source, verified) => {
    const world = proven()
    until(world, 'Verifying')
    world.status = null
    world.source = source
    toTheEnd(world)
    expect(world.status).toMatchObject({ state: 'Completed', verified, keys: 15 })
    if (verified === 'restore') expect(loaded(world)).toEqual(ALL)
  })

  describe('its status is lost after it was completed', () => {
    const MANIFEST_ENDED = '2026-11-22T10:01:00.000Z'
    const lost = (afterMs: number): BackupWorld => {
      const world = proven()
      toTheEnd(world)
      expect(world.status?.state).toBe('Completed')
      world.now += afterMs
      world.status = null
      return world
    }
    /** Until it is being loaded once more. */
    const adopted = (): BackupWorld => {
      const world = lost(60_000)
      until(world, 'Verifying')
      return world
    }

    test('it is loaded once more, and no newer for that: retention lets go of the older ones', () => {
      const world = lost(3_600_000)
      toTheEnd(world)
      expect(world.status).toMatchObject({ state: 'Completed', verified: 'restore', endedAt: MANIFEST_ENDED })
    })

    test('long after its deadline: it is not called failed for that, nor proven', () => {
      const world = lost(30 * 24 * 3_600_000)
      toTheEnd(world)
      expect(world.status).toMatchObject({ state: 'Completed', verified: 'read-back', endedAt: MANIFEST_ENDED })
      expect(world.status).not.toHaveProperty('message')
    })

    test('the deadline comes while it is loaded once more: it was read back', () => {
      const world = adopted()
      world.now += 30 * 24 * 3_600_000
      world.pass()
      expect(world.status).toMatchObject({ state: 'Completed', verified: 'read-back', endedAt: MANIFEST_ENDED })
      expect(world.running).toEqual([])
    })

    test('no server can be started any more: it was read back', () => {
      const world = adopted()
      toTheEnd(world, () => 'Interrupted')
      expect(world.status).toMatchObject({ state: 'Completed', verified: 'read-back' })
    })

    test('a shard is not what was counted: it has failed, and says so', () => {
      const world = adopted()
      const before = world.events.length
      world.end('CountsDiffer')
      toTheEnd(world)
      expect(world.status).toMatchObject({ state: 'Failed', reason: 'CountsDiffer' })
      expect(world.events.slice(before).map((one) => one.type)).toContain('Failed')
    })
  })

  test('what is left on volumes goes when it has failed; agents whose disk was the node of theirs stay for their logs', () => {
    const jobs = (agent?: object) => {
      const world = proven()
      if (world.storage !== null)
        world.storage = { ...world.storage, spec: redisBackupStorageSpec.parse({ s3: { bucket: 'backups' }, agent }) }
      until(world, 'Verifying')
      world.end('CountsDiffer')
      toTheEnd(world)
      expect(world.status?.state).toBe('Failed')
      return world.given().runs.filter((one) => one.step === 'load')
    }
    expect(jobs()).toHaveLength(1)
    expect(jobs({ scratch: { size: '10Gi' } })).toEqual([])
  })

  test('what is not loaded in time says what it waited for', () => {
    const world = proven({ deadlineSeconds: 60 })
    until(world, 'Verifying')
    world.pass()
    world.block('0/3 nodes are available: 3 Insufficient memory')
    world.pass()
    world.now += 61_000
    world.pass()
    expect(world.status?.message).toContain('Insufficient memory')
  })

  test('whatever agents do, it is completed only with every shard loaded, and never twice', () => {
    const endings = ['well', 'silently', 'Interrupted', 'CountsDiffer', 'StorageUnreachable'] as const
    fc.assert(
      fc.property(fc.array(fc.constantFrom<Ending>(...endings), { maxLength: 30 }), (how) => {
        const world = proven()
        toTheEnd(world, (turn) => how[turn] ?? 'well')
        expect(['Completed', 'Failed']).toContain(world.status?.state)
        expect(typesOf(world).filter((type) => type === 'Completed').length).toBe(
          world.status?.state === 'Completed' ? 1 : 0,
        )
        if (world.status?.state === 'Completed') expect(loaded(world)).toEqual(ALL)
        const shards = world.events.flatMap((one) => (one.type === 'ShardLoaded' ? [one.data.shard] : []))
        expect(new Set(shards).size).toBe(shards.length)
        expect(world.running).toEqual([])
        expect(world.broken).toEqual([])
      }),
    )
  })
})
