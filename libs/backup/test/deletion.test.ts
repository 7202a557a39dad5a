import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { AGENT_FAULTS, type StorageView } from '../src/index.ts'
import { BackupWorld, type Ending, toTheEnd } from './backup-world.ts'

const MINUTE = 60_000
const FOLDER = 'shop/nightly/backup-1/'
const typesOf = (world: BackupWorld): readonly string[] => world.events.map((one) => one.type)

/** One that is completed, and that the next pass deletes; `asked` by a person, or by a retention policy. */
function deleted(by: 'asked' | 'expired' = 'asked', spec: object = {}): BackupWorld {
  const world = new BackupWorld(spec)
  toTheEnd(world)
  if (by === 'asked') world.deletionAt = world.now
  else expire(world)
  return world
}

/** The retention policy lets go of it. */
function expire(world: BackupWorld, keep = 1): void {
  const storage = world.storage as StorageView
  world.storage = { ...storage, spec: { ...storage.spec, retentionPolicy: { keep } } }
  const newer = ['b', 'c', 'd'].slice(0, keep)
  world.siblings = newer.map((uid) => ({
    uid,
    name: uid,
    clusterUid: 'cluster-1',
    endedAt: '2027-01-01T00:00:00.000Z',
  }))
  world.pass()
}

/** Passes until it is gone; so long agents end in this way, and well from then on. Gives for how long it was there. */
function lasts(world: BackupWorld, outageMs: number, how: Ending = 'StorageUnreachable', stepMs = 1_000): number {
  const from = world.now
  for (let pass = 0; !world.isGone && pass < 4_000; pass++) {
    world.pass()
    world.end(world.now - from < outageMs ? how : 'well')
    world.now += stepMs
  }
  return world.now - from
}

/** One pass, after which the agent that deletes fails. */
function storageFails(world: BackupWorld): void {
  world.pass()
  world.end('StorageUnreachable')
  world.now += 1_000
}

/** What is to be assigned to a world, where of the storage only its spec is said. */
const changed = ({ storage }: BackupWorld, change: { readonly storage?: object }): object =>
  change.storage === undefined ? change : { storage: { ...storage, ...change.storage } }

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
