import { describe, expect, test } from 'vitest'
import { type StorageView } from '../src/index.ts'
import { BackupWorld, toTheEnd } from './backup-world.ts'
import { changed, deleted, expire, FOLDER, lasts, MINUTE, storageFails, typesOf } from './play-deletion.ts'

describe('what its schedule deletes', () => {
  /** One that says Retain, and of which so many shards are stored. */
  const after = (shards: number, state: 'Streaming' | 'Failed' | 'Completed' | 'Adopting'): BackupWorld => {
    const world = new BackupWorld({ deletionPolicy: 'Retain', deadlineSeconds: 60 })
    world.pass()
    for (let stored = 0; stored < shards; stored++) {
      world.pass()
      world.end('well', 'store')
    }
    world.pass()
    if (state === 'Completed' || state === 'Adopting') toTheEnd(world)
    if (state === 'Failed') world.now += 61_000
    if (state === 'Adopting') Object.assign(world, { status: null })
    world.pass()
    expect(world.status?.state).toBe(state)
    Object.assign(world, { isDiscarded: true, deletionAt: world.now })
    return world
  }

  test.each([
    ['Streaming', 2, 0],
    ['Failed', 2, 0],
    ['Failed', 3, 3],
    ['Completed', 3, 4],
    ['Adopting', 3, 4],
  ] as const)(
    '%s, %i of 3 shards stored: %i objects stay, for Retain is for what may be whole',
    (state, shards, stay) => {
      const world = after(shards, state)
      lasts(world, 0)
      expect(world.objects.size).toBe(stay)
      expect(typesOf(world).slice(-2)).toEqual([stay === 0 ? 'ObjectsDeleted' : 'ObjectsKept', 'Deleted'])
      expect(world.broken).toEqual([])
    },
  )
})

describe('deletionPolicy Retain', () => {
  test.each(['Completed', 'Streaming', 'Failed'])('%s: no object is deleted, and it goes at once', (state) => {
    const world = new BackupWorld({ deletionPolicy: 'Retain', deadlineSeconds: 60 })
    if (state === 'Completed') toTheEnd(world)
    else for (let shard = 0; shard < 2; shard++) world.pass()
    if (state !== 'Completed') world.end('well')
    if (state === 'Failed') world.now += 61_000
    world.pass()
    expect(world.status?.state).toBe(state)
    const objects = [...world.objects]
    expect(objects).not.toEqual([])
    world.deletionAt = world.now
    const commands = [...world.pass(), ...world.pass()]
    expect(world.isGone).toBe(true)
    expect(commands.filter((one) => one.type !== 'StopAgent')).toEqual([])
    expect([...world.objects]).toEqual(objects)
    expect(typesOf(world).slice(-3)).toEqual(['DeletionStarted', 'ObjectsKept', 'Deleted'])
    const [started, kept] = world.events.slice(-3).map((one) => one.data)
    expect(started?.message).toBe('Deletion started: its objects stay')
    expect(kept).toEqual({ path: FOLDER, message: `What is stored stays, in ${FOLDER} of archive` })
    expect(world.broken).toEqual([])
  })

  test.each<[string, (world: BackupWorld) => void]>([
    ['its status was erased', (world) => Object.assign(world, { status: null })],
    ['its storage object is gone', (world) => Object.assign(world, { storage: null })],
  ])('%s: they stay', (_what, happens) => {
    const world = deleted('asked', { deletionPolicy: 'Retain' })
    happens(world)
    lasts(world, 0)
    expect(world.objects.size).toBe(4)
    expect(typesOf(world).slice(-2)).toEqual(['ObjectsKept', 'Deleted'])
  })

  test('what a retention policy lets go of goes with its objects', () => {
    const world = deleted('expired', { deletionPolicy: 'Retain' })
    lasts(world, 2 * MINUTE)
    expect([...world.objects]).toEqual([])
    expect(typesOf(world).slice(-2)).toEqual(['ObjectsDeleted', 'Deleted'])
  })

  test.each([true, false])(
    'what a policy would let go of, and a person deletes, is kept: newer ones are gone %s',
    (gone) => {
      const world = deleted('expired', { deletionPolicy: 'Retain' })
      expect(world.status).toHaveProperty('expired')
      // What the policy let go of waited, for a restore that reads it.
      world.isLetGo = false
      if (gone) world.siblings = []
      lasts(world, 0)
      expect(world.objects.size).toBe(4)
      expect(typesOf(world)).toContain('ObjectsKept')
    },
  )

  test('a person who deletes what a policy would let go of waits for a quarter of an hour, as for all else', () => {
    const world = deleted('expired')
    world.isLetGo = false
    expect(lasts(world, Infinity)).toBeLessThan(16 * MINUTE)
    expect(world.status).not.toHaveProperty('expired')
    expect(world.status?.objectsLeft).toMatch('not deleted in 15 minutes')
  })

  test('said while its objects can not be deleted: what is there stays, and it goes at once', () => {
    const world = deleted()
    for (let second = 0; second < 30; second++) storageFails(world)
    world.setPolicy('Retain')
    world.pass()
    expect(world.status?.objectsLeft).toBe('spec.deletionPolicy became Retain while they were being deleted')
    world.pass()
    expect(world.isGone).toBe(true)
    expect(world.running).toEqual([])
    expect(world.objects.size).toBe(4)
  })

  test.each([
    ['Delete', ['Retain']],
    ['Retain', ['Delete', 'Retain']],
  ] as const)(
    '%s, and a policy lets go of it while nothing can be deleted: Retain said then ends it',
    (policy, said) => {
      const world = deleted('expired', { deletionPolicy: policy })
      for (let second = 0; second < 30; second++) storageFails(world)
      expect(world.status).not.toHaveProperty('objectsLeft')
      for (const one of said) {
        world.setPolicy(one)
        storageFails(world)
      }
      expect(world.status?.objectsLeft).toBe('spec.deletionPolicy became Retain while they were being deleted')
      expect(lasts(world, Infinity)).toBeLessThan(2_000)
      expect(world.objects.size).toBe(4)
    },
  )

  test.each<[string, (storage: StorageView) => object]>([
    ['is put back', ({ spec }) => ({ storage: { spec: { ...spec, retentionPolicy: { keep: 30 } } } })],
    ['is taken away', ({ spec: { retentionPolicy: _policy, ...spec } }) => ({ storage: { spec } })],
    ['stays, and all newer ones are gone', () => ({ siblings: [] })],
  ])('a policy that let go of it %s while nothing can be deleted: what is there stays', (_what, change) => {
    const world = deleted('expired')
    for (let second = 0; second < 30; second++) storageFails(world)
    Object.assign(world, changed(world, change(world.storage as StorageView)))
    storageFails(world)
    expect(world.status?.objectsLeft).toBe('the retention policy no longer lets go of it')
    expect(lasts(world, Infinity)).toBeLessThan(2_000)
    expect(world.running).toEqual([])
    expect(world.objects.size).toBe(4)
  })

  test.each<[string, (storage: StorageView) => object]>([
    ['is put back', ({ spec }) => ({ storage: { spec: { ...spec, retentionPolicy: { keep: 30 } } } })],
    ['stays, and all newer ones are gone', () => ({ siblings: [] })],
  ])('a policy that let go of it %s before anybody looked: what is there stays', (_what, change) => {
    const world = deleted('expired')
    expect(world.deletionAt).not.toBeNull()
    Object.assign(world, changed(world, change(world.storage as StorageView)))
    lasts(world, 0)
    expect(world.status?.objectsLeft).toBe('the retention policy no longer lets go of it')
    expect(world.objects.size).toBe(4)
    expect(typesOf(world).slice(-2)).toEqual(['ObjectsLeft', 'Deleted'])
  })

  test('its storage object went before anybody looked: that is why they are left', () => {
    const world = deleted('expired')
    world.storage = null
    lasts(world, 0)
    expect(world.status?.objectsLeft).toBe('the RedisBackupStorage archive is gone')
  })

  test('one of several newer ones went before anybody looked: it is deleted as one that a policy let go of', () => {
    const world = new BackupWorld({ deletionPolicy: 'Retain' })
    toTheEnd(world)
    expire(world, 2)
    world.siblings = world.siblings.slice(1)
    lasts(world, MINUTE)
    expect([...world.objects]).toEqual([])
    expect(typesOf(world).slice(-2)).toEqual(['ObjectsDeleted', 'Deleted'])
  })

  test('one of several newer ones goes meanwhile: it is deleted all the same, and leaves nothing behind', () => {
    const world = new BackupWorld({})
    toTheEnd(world)
    expire(world, 2)
    storageFails(world)
    world.siblings = world.siblings.slice(1)
    lasts(world, MINUTE)
    expect([...world.objects]).toEqual([])
    expect(typesOf(world).slice(-2)).toEqual(['ObjectsDeleted', 'Deleted'])
  })

  test('nothing was stored yet: nothing is said to stay', () => {
    const world = new BackupWorld({ deletionPolicy: 'Retain' })
    world.source = null
    world.pass()
    world.deletionAt = world.now
    lasts(world, 0)
    expect(world.isGone).toBe(true)
    expect(typesOf(world)).not.toContain('ObjectsKept')
  })
})
