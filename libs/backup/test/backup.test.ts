import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { AGENT_FAULTS, agentName, BACKUP_STATES, objectOf, type StorageView } from '../src/index.ts'
import { ATTEMPT, BackupWorld, type Ending, sourceOf, toTheEnd } from './backup-world.ts'

const typesOf = (world: BackupWorld): readonly string[] => world.events.map((one) => one.type)

describe('the way of a backup', () => {
  test.each(['shard', 'cluster'])('from its creation to its end, consistency %s', (consistency) => {
    const world = new BackupWorld({ consistency })
    toTheEnd(world)
    expect(world.status).toMatchObject({ state: 'Completed', keys: 15, bytes: 30, manifest: expect.any(String) })
    expect(world.status?.heldMs).toBe(consistency === 'cluster' ? 3 : undefined)
    const streamed = ['ShardStreamed', 'ShardStreamed', 'ShardStreamed']
    const before = ['Accepted', 'Started']
    const after = ['StateChanged', 'Verified', 'Completed', 'StateChanged']
    expect(typesOf(world)).toEqual([...before, ...streamed, ...after])
    expect(world.running).toEqual([])
  })

  // Kubernetes cuts last words: long names, many shards or slots in many ranges leave less room.
  test.each([
    ['shard', 0],
    ['cluster', 0],
    ['cluster', 2],
  ])('shards that its agents had no room to tell of are stored all the same: %s, %i', (consistency, fitting) => {
    const world = new BackupWorld({ consistency })
    world.fitting = fitting
    toTheEnd(world)
    expect(world.status?.state).toBe('Completed')
    const backup = { namespace: 'shop', name: 'nightly', uid: 'backup-1' }
    for (const { shard, record, object } of (world.status?.shards ?? []).slice(fitting)) {
      expect(record).toBe(objectOf.record(backup, shard, ATTEMPT))
      expect(object).toBe(objectOf.shard(backup, shard, ATTEMPT))
    }
    expect(typesOf(world).filter((type) => type === 'ShardStreamed')).toHaveLength(fitting)
  })

  test('it waits for what is not ready, and says for what', () => {
    const world = new BackupWorld()
    const { storage } = world
    world.storage = null
    world.pass()
    expect(world.status).toMatchObject({ state: 'Waiting', reason: 'StorageMissing' })
    world.storage = storage === null ? null : { ...storage, usable: false, message: 'may not write' }
    world.pass()
    expect(world.status).toMatchObject({ reason: 'StorageNotReady', message: expect.stringContaining('may not write') })
    world.storage = storage
    world.source = null
    world.pass()
    expect(world.status?.reason).toBe('SourceMissing')
    world.source = sourceOf({ busy: 'FailOver is under way' })
    world.pass()
    expect(world.status).toMatchObject({ reason: 'SourceNotReady', message: 'FailOver is under way' })
    expect(world.running).toEqual([])
    world.source = sourceOf()
    toTheEnd(world)
    expect(world.status?.state).toBe('Completed')
    expect(world.status).not.toHaveProperty('reason')
  })

  test('what it waits for until its deadline is told', () => {
    const world = new BackupWorld({ deadlineSeconds: 60 })
    world.source = sourceOf({ busy: 'its shard 1 has no primary' })
    world.pass()
    world.now += 61_000
    world.pass()
    expect(world.status).toMatchObject({ state: 'Failed', reason: 'DeadlineExceeded' })
    expect(world.status?.message).toContain('its shard 1 has no primary')
  })

  test('sealed in time, and nobody looked before its deadline was over: it is completed', () => {
    const world = new BackupWorld({ deadlineSeconds: 600 })
    while (world.status?.state !== 'Sealing' || world.running.length === 0) {
      world.pass()
      if (world.status?.state !== 'Sealing') world.end('well')
    }
    world.end('well')
    world.now += 601_000
    world.pass()
    expect(world.status).toMatchObject({ state: 'Completed', manifest: 'shop/nightly/backup-1/manifest' })
  })

  test.each(Object.entries(AGENT_FAULTS))('an agent that fails with %s: %s', (fault, remedy) => {
    const world = new BackupWorld()
    toTheEnd(world, (turn) => (turn === 0 ? (fault as Ending) : 'well'))
    expect(world.status?.state).toBe(remedy === 'person' ? 'Failed' : 'Completed')
    if (remedy === 'person') expect(world.status).toMatchObject({ reason: fault, message: `it failed: ${fault}` })
    else expect(typesOf(world).filter((type) => type === 'AttemptFailed')).toHaveLength(1)
  })

  test('an agent that always dies is not started for ever', () => {
    const world = new BackupWorld()
    toTheEnd(world, () => 'silently')
    expect(world.status).toMatchObject({ state: 'Failed', reason: 'Interrupted' })
    expect(typesOf(world).filter((type) => type === 'AttemptFailed').length).toBeLessThanOrEqual(15)
  })

  test('the next attempt waits longer each time', () => {
    const world = new BackupWorld({ consistency: 'cluster' })
    const pauses = [5_000, 10_000, 20_000, 40_000].map((pauseMs) => {
      world.pass()
      world.end('silently')
      world.now += 1
      world.pass()
      world.now += pauseMs - 1
      world.pass()
      expect(world.running).toEqual([])
      world.now += 1
      world.pass()
      return world.running.length
    })
    expect(pauses).toEqual([1, 1, 1, 1])
  })

  test('slots that went from one shard to another: all shards are read again', () => {
    const world = new BackupWorld()
    world.pass()
    world.end('well')
    const [first, second, third] = sourceOf().shards
    const moved = [{ ...first, slots: '0-5000' }, { ...second, slots: '5001-10922' }, third] as never
    world.source = sourceOf({ shards: moved })
    toTheEnd(world)
    expect(world.status?.state).toBe('Completed')
    expect(world.status?.shards?.map((one) => one.slots)).toEqual(['0-5000', '5001-10922', '10923-16383'])
    expect(world.status?.shards?.map((one) => one.attempt)).toEqual([2, 2, 2])
  })

  test('a cluster that was made again under its name is another one', () => {
    const world = new BackupWorld()
    world.pass()
    world.source = sourceOf({ uid: 'cluster-2' })
    world.pass()
    expect(world.status).toMatchObject({ state: 'Failed', reason: 'SourceReplaced' })
    expect(world.running).toEqual([])
  })
})

describe('the end of a backup', () => {
  test.each(BACKUP_STATES.filter((state) => state !== 'Deleting'))('it is deleted while it is %s', (state) => {
    const spec = state === 'Failed' ? { deadlineSeconds: 60 } : state === 'Verifying' ? { verify: 'restore' } : {}
    const world = state === 'Finding' ? BackupWorld.ofServer() : new BackupWorld(spec)
    if (state === 'Waiting') world.source = null
    for (let turn = 0; turn < 20 && world.status?.state !== state; turn++) {
      world.pass()
      if (state === 'Failed') world.now += 61_000
      else if (state !== 'Streaming' && world.status?.state !== state) world.end('well')
      if (state === 'Adopting' && world.status?.state === 'Completed') world.status = null
    }
    expect(world.status?.state).toBe(state)
    world.deletionAt = world.now
    toTheEnd(world)
    expect(world.isGone).toBe(true)
    expect([...world.objects]).toEqual([])
    expect(typesOf(world).slice(-1)).toEqual(['Deleted'])
    expect(world.broken).toEqual([])
  })
})

describe('what a second look found', () => {
  test('of many shards so many are read at once, and in the end all', () => {
    const world = new BackupWorld()
    world.source = sourceOf({}, 40)
    world.pass()
    world.pass()
    expect(world.running).toHaveLength(8)
    for (let turn = 0; turn < 60; turn++) {
      world.pass()
      world.end('well')
      expect(world.running.length).toBeLessThanOrEqual(8)
    }
    toTheEnd(world)
    expect(world.status?.state).toBe('Completed')
    expect(world.status?.shards).toHaveLength(40)
  })

  test('deleted while nobody was there to do it, it is done all the same', () => {
    const world = new BackupWorld()
    toTheEnd(world)
    world.deletionAt = world.now
    world.now += 3_600_000
    toTheEnd(world)
    expect([...world.objects]).toEqual([])
    expect(typesOf(world).slice(-2)).toEqual(['ObjectsDeleted', 'Deleted'])
  })

  test('completed, with a status that somebody erased: it is adopted, and nothing is stored anew', () => {
    const world = new BackupWorld()
    toTheEnd(world)
    const { manifest, keys, state } = world.status ?? {}
    const [objects, told] = [[...world.objects], world.events.length]
    world.status = null
    toTheEnd(world, (turn) => (turn < 3 ? 'StorageUnreachable' : 'well'))
    expect(world.status).toMatchObject({ state, manifest, keys, cluster: { uid: 'cluster-1' } })
    expect([...world.objects]).toEqual(objects)
    expect(typesOf(world).slice(told)).toEqual(expect.arrayContaining(['Adopted']))
    expect(typesOf(world).slice(told)).not.toContain('Completed')
    expect(world.broken).toEqual([])
  })

  test('under way, with a status that somebody erased: it is begun anew', () => {
    const world = new BackupWorld()
    world.pass()
    world.pass()
    world.end('well')
    world.status = null
    toTheEnd(world)
    expect(world.status).toMatchObject({ state: 'Completed' })
    expect(typesOf(world)).not.toContain('Adopted')
  })

  test('deleted while it waits, after its status was erased: what it had stored goes', () => {
    const world = new BackupWorld()
    world.pass()
    world.pass()
    world.end('well')
    Object.assign(world, { status: null, source: null })
    toTheEnd(world)
    expect(world.status).toMatchObject({ state: 'Waiting' })
    expect(world.objects.size).toBeGreaterThan(0)
    world.deletionAt = world.now
    toTheEnd(world)
    expect([...world.objects]).toEqual([])
  })

  test('deleted with a status that somebody erased: its objects go', () => {
    const world = new BackupWorld()
    toTheEnd(world)
    world.status = null
    world.deletionAt = world.now
    toTheEnd(world)
    expect(world.isGone).toBe(true)
    expect([...world.objects]).toEqual([])
  })

  test('an agent that can not be stopped may write after the objects were deleted: they are deleted once more', () => {
    const world = new BackupWorld()
    world.pass()
    world.loseMachines()
    world.deletionAt = world.now
    for (let turn = 0; turn < 30; turn++) {
      world.pass()
      world.end('well', 'delete')
      world.now += 5_000
    }
    expect(world.status).toMatchObject({ state: 'Deleting' })
    expect(world.status).not.toHaveProperty('objectsDeleted')
    world.endLost()
    expect(world.objects.size).toBeGreaterThan(0)
    toTheEnd(world)
    expect([...world.objects]).toEqual([])
    expect(typesOf(world).slice(-2)).toEqual(['ObjectsDeleted', 'Deleted'])
  })

  test('it ends by the clock of its controller, whatever that of a node says', () => {
    const world = new BackupWorld()
    world.nodeTime = '2027-11-01T00:00:00.000Z'
    toTheEnd(world)
    expect(world.status?.endedAt).toMatch(/^2026-11-22/)
  })

  test.each([
    ['deleted', null, 'SourceMissing'],
    ['made again', sourceOf({ uid: 'cluster-2' }), 'SourceReplaced'],
  ])('a cluster that was %s before the manifest leaves none that lies', (_what, source, reason) => {
    const world = new BackupWorld()
    world.pass()
    for (let shard = 0; shard < 3; shard++) world.end('well')
    world.source = source
    world.pass()
    world.pass()
    expect(world.status).toMatchObject({ state: 'Failed', reason })
  })

  test('a pod that does not start is told while it waits', () => {
    const world = new BackupWorld()
    world.pass()
    world.block('persistentvolumeclaim "archive" not found')
    world.pass()
    expect(world.status).toMatchObject({ state: 'Streaming', reason: 'AgentNotRunning' })
    expect(world.status?.message).toContain('"archive" not found')
  })

  test('one that was to expire, and is the last by now, counts again', () => {
    const world = new BackupWorld()
    toTheEnd(world)
    const storage = world.storage as StorageView
    world.storage = { ...storage, spec: { ...storage.spec, retentionPolicy: { keep: 1 } } }
    world.siblings = [{ uid: 'b', name: 'b', clusterUid: 'cluster-1', endedAt: '2027-01-01T00:00:00.000Z' }]
    world.pass()
    expect(world.status?.expired).toContain('keep 1')
    world.deletionAt = null
    world.siblings = []
    expect(world.pass()).toEqual([])
    expect(world.status).not.toHaveProperty('expired')
  })
})

type Happening = 'pass' | 'wait' | 'busy' | 'free' | 'move' | 'no storage' | 'erase' | 'retain' | 'delete'

test('whatever happens, it comes to an end, obeys its table, and leaves nothing when it is deleted', () => {
  const endings = [
    'well',
    'well',
    'well',
    'silently',
    'ServerUnreachable',
    'TopologyChanged',
    'StorageForbidden',
  ] as const
  const event = fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom(...endings) },
    { weight: 2, arbitrary: fc.constantFrom('pass', 'wait', 'busy', 'free', 'move') },
    { weight: 1, arbitrary: fc.constantFrom('delete', 'no storage', 'erase', 'retain') },
  )
  fc.assert(
    fc.property(fc.array(event, { maxLength: 30 }), fc.constantFrom('shard', 'cluster'), fc.boolean(), (...drawn) => {
      const [plot, consistency, isForeign] = drawn
      const world = isForeign ? BackupWorld.ofServer({ consistency }) : new BackupWorld({ consistency })
      const { storage } = world
      for (const what of plot) {
        // What was let go of has no status that could be erased.
        if (world.isGone) break
        happen(world, what)
        world.pass()
      }
      Object.assign(world, { source: sourceOf(), storage })
      toTheEnd(world)
      expect(world.broken).toEqual([])
      if (world.isGone) {
        const { objectsLeft, objectsKept } = world.status ?? {}
        if (objectsLeft === undefined && objectsKept !== true) expect([...world.objects]).toEqual([])
        if (objectsKept === true) expect(plot).toContain('retain')
      } else expect(['Completed', 'Failed']).toContain(world.status?.state)
      const ends = typesOf(world).filter((type) => type === 'Completed' || type === 'Failed')
      if (!plot.includes('erase')) expect(ends.length).toBeLessThanOrEqual(1)
      // Nothing happens any more: nothing is written, told or done.
      const [before, told] = [world.status, world.events.length]
      if (!world.isGone) expect(world.pass()).toEqual([])
      expect(world.status).toEqual(before)
      expect(world.events.length).toBe(told)
    }),
    { numRuns: 500 },
  )
})

function happen(world: BackupWorld, what: Ending | Happening): void {
  switch (what) {
    case 'pass':
      return
    case 'wait':
      world.now += 30_000
      return
    case 'busy':
      world.source = sourceOf({ busy: 'it heals' })
      return
    case 'free':
      world.source = sourceOf()
      return
    case 'move':
      world.source = moved()
      world.foreign = { ...world.foreign, topology: 'd'.repeat(64) }
      return
    case 'no storage':
      world.storage = null
      return
    case 'erase':
      world.status = null
      return
    case 'retain':
      world.setPolicy('Retain')
      return
    case 'delete':
      world.deletionAt ??= world.now
      return
    default:
      world.end(what)
  }
}

const moved = (): ReturnType<typeof sourceOf> => {
  const { shards } = sourceOf()
  const slots = ['0-5000', '5001-10922', '10923-16383']
  return sourceOf({ shards: shards.map((one, index) => ({ ...one, slots: slots[index] ?? '' })) })
}

test('the longest name of a Job fits into a label', () => {
  const of = { name: 'n'.repeat(40), uid: '01234567-89ab-cdef-0123-456789abcdef' }
  expect(agentName(of, 'store', 10, 199).length).toBeLessThanOrEqual(63)
})
