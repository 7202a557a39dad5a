import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Ending, inspected, KEYS, RestoreWorld, STANDING } from './restore-world.ts'

const types = (world: RestoreWorld): readonly string[] => world.events.map(({ type }) => type)

describe('a restore in which nothing goes wrong', () => {
  test.each([3, 5, 7])('becomes a cluster of %i shards, and tells each step once', (shards) => {
    const world = new RestoreWorld({
      source: { backup: { name: 'nightly' } },
      target: { cluster: { name: 'again' }, shards },
    })
    world.settle()
    expect(world.broken).toEqual([])
    expect(world.status).toMatchObject({
      state: 'Completed',
      loadedKeys: KEYS - 2,
      expiredKeys: 2,
      clusterUid: 'cluster-2',
    })
    const told = types(world).filter((one) => one !== 'StateChanged')
    const seeded = Array.from({ length: shards }, () => 'ShardSeeded')
    expect(told).toEqual([
      'Accepted',
      'Inspected',
      'Seeding',
      ...seeded,
      'ClusterCreated',
      'SlotsFormed',
      'Verified',
      'Completed',
    ])
    expect([...world.volumes.values()].reduce((sum, keys) => sum + keys, 0)).toBe(KEYS)
  })

  test('the manifest of a storage is enough: no RedisBackup is asked for', () => {
    const manifest = 'shop/nightly/uid/manifest'
    const world = new RestoreWorld({ source: { stored: { storageName: 'archive', manifest } } })
    world.backup = null
    world.settle()
    expect(world.status).toMatchObject({ state: 'Completed', manifest, storageName: 'archive' })
  })

  test('once it has begun its RedisBackup may go', () => {
    const world = new RestoreWorld()
    world.pass()
    world.backup = null
    world.settle()
    expect(world.status?.state).toBe('Completed')
  })
})

describe('refused before anything is touched', () => {
  test.each([
    ['another cluster has the name', 'NameTaken', (world: RestoreWorld) => (world.target = { ...STANDING, uid: 'x' })],
    [
      'a claim has the name',
      'VolumeInUse',
      (world: RestoreWorld) => (world.claims = [{ name: 'data-again-1-1', uid: 'x', isDeleting: false }]),
    ],
    [
      'servers do not load it',
      'Incompatible',
      (world: RestoreWorld) => (world.found = inspected({ refusal: 'Valkey 9.1 does not load REDIS 12' })),
    ],
    [
      'the cluster had no volumes',
      'NoVolume',
      (world: RestoreWorld) => (world.found = inspected({ spec: { version: 'valkey-9.1', shards: 3 } })),
    ],
    ['what it was is not known', 'TemplateMissing', (world: RestoreWorld) => (world.found = inspected({ spec: null }))],
    [
      'what it was is no spec now',
      'TemplateRefused',
      (world: RestoreWorld) => (world.found = inspected({ spec: { version: 'valkey-9.1', shards: 1 } })),
    ],
  ])('%s: %s', (_, reason, change) => {
    const world = new RestoreWorld()
    change(world)
    const claims = world.claims
    world.settle()
    expect(world.status).toMatchObject({ state: 'Failed', reason })
    expect(types(world)).toContain('Refused')
    expect(types(world)).not.toContain('Seeding')
    expect(world.claims).toEqual(claims)
    expect(world.broken).toEqual([])
  })

  test.each([
    ['no backup', 'BackupMissing', (world: RestoreWorld) => (world.backup = null)],
    [
      'a backup that goes on',
      'BackupNotCompleted',
      (world: RestoreWorld) =>
        (world.backup = { uid: 'b', state: 'Streaming', storageName: 'archive', isDeleting: false }),
    ],
    ['no storage', 'StorageMissing', (world: RestoreWorld) => (world.storage = null)],
  ])('%s is waited for, and in the end it is late: %s', (_, reason, change) => {
    const world = new RestoreWorld()
    change(world)
    world.pass()
    expect(world.status).toMatchObject({ state: 'Waiting', reason })
    world.now += 14_401_000
    world.pass()
    expect(world.status).toMatchObject({ state: 'Failed', reason: 'DeadlineExceeded' })
  })
})

test('with a status that somebody erased after its cluster was made, it says so, and touches nothing', () => {
  const world = new RestoreWorld()
  world.settle()
  const [claims, target] = [world.claims, world.target]
  world.status = null
  world.settle()
  expect(world.status).toMatchObject({ state: 'Failed', reason: 'StatusLost' })
  expect(world.claims).toEqual(claims)
  expect(world.target).toBe(target)
  expect(world.broken).toEqual([])
})

describe('what fails on the way', () => {
  test.each(['ObjectDamaged', 'KeyWrong', 'VolumeTooSmall'] as const)(
    'a volume that cannot be filled (%s) ends it, and what was filled goes',
    (fault) => {
      const world = new RestoreWorld()
      while (world.status?.state !== 'Seeding') {
        world.pass()
        if (world.status?.state !== 'Seeding') world.end('well')
      }
      world.end('well')
      world.end(fault)
      world.pass()
      expect(world.status).toMatchObject({ state: 'Failed', reason: fault })
      expect(types(world)).toContain('Failed')
      for (let round = 0; round < 4; round += 1) world.pass()
      expect(world.claims).toEqual([])
      expect(world.broken).toEqual([])
    },
  )

  test('what passes is tried again, and only that shard', () => {
    const world = new RestoreWorld()
    while (world.status?.state !== 'Seeding') {
      world.pass()
      if (world.status?.state !== 'Seeding') world.end('well')
    }
    world.end('StorageUnreachable')
    world.settle()
    expect(world.status?.state).toBe('Completed')
    expect(world.status?.shards?.map((one) => one.attempt)).toEqual([2, 1, 1])
    expect(types(world).filter((one) => one === 'AttemptFailed')).toHaveLength(1)
  })

  test('servers that have loaded something else: it has failed, and the cluster stays', () => {
    const world = new RestoreWorld()
    while (world.status?.state !== 'Verifying') {
      world.now += 20_000
      world.pass()
      if (world.status?.state !== 'Verifying') while (world.running.length > 0) world.end('well')
      if (world.status?.state === 'Starting') world.form()
    }
    world.end('CountsDiffer')
    world.settle()
    expect(world.status).toMatchObject({ state: 'Failed', reason: 'CountsDiffer' })
    expect(world.target).not.toBeNull()
    expect(world.claims).toHaveLength(3)
    expect(world.broken).toEqual([])
  })
})

/** Passes, and agents that end well, until it is in that state. */
function bring(world: RestoreWorld, state: string): void {
  for (let round = 0; round < 50 && world.status?.state !== state; round += 1) {
    world.pass()
    if (world.status?.state !== state) while (world.running.length > 0) world.end('well')
  }
  expect(world.status?.state).toBe(state)
}

describe('claims that a cluster has stood over stay, though it is deleted later', () => {
  test.each<[string, (world: RestoreWorld) => void]>([
    [
      'it was made, and then it was too late',
      (world) => {
        bring(world, 'Starting')
        world.pass()
        world.form()
        world.now += 15_000_000
        world.pass()
      },
    ],
    [
      'it was made and deleted while nobody looked, and then it was too late',
      (world) => {
        bring(world, 'Starting')
        world.pass()
        world.target = null
        world.now += 15_000_000
      },
    ],
    [
      'the status was lost while it was there',
      (world) => {
        world.settle()
        world.status = null
        world.pass()
      },
    ],
    [
      'the status was lost when it was gone',
      (world) => {
        world.settle()
        world.status = null
        world.target = null
        world.claims = [...world.claims, { name: 'data-again-0-1', uid: 'replica', isDeleting: false }]
      },
    ],
    [
      'somebody else made it, over claims that were not filled yet',
      (world) => {
        bring(world, 'Seeding')
        world.stand({ uid: 'somebody' })
        world.pass()
      },
    ],
  ])('%s', (_, happens) => {
    const world = new RestoreWorld()
    happens(world)
    const { claims } = world
    expect(claims.length).toBeGreaterThan(0)
    world.target = null
    for (let round = 0; round < 8; round += 1) {
      world.now += 20_000
      world.pass()
      while (world.running.length > 0) world.end('ObjectMissing')
    }
    expect(world.status?.state).toBe('Failed')
    expect(world.claims).toEqual(claims)
    expect(world.broken).toEqual([])
  })

  test('also when the restore is deleted', () => {
    const world = new RestoreWorld()
    world.settle()
    const { claims } = world
    world.target = null
    world.deletionAt = world.now
    world.settle()
    expect(world.isGone).toBe(true)
    expect(world.claims).toEqual(claims)
  })
})

test('no cluster is made over a claim that somebody deleted', () => {
  const world = new RestoreWorld()
  bring(world, 'Seeding')
  world.pass()
  while (world.running.length > 0) world.end('well')
  world.claims = world.claims.slice(1)
  for (let round = 0; round < 3; round += 1) world.pass()
  expect(world.status).toMatchObject({ state: 'Failed', reason: 'VolumeGone' })
  expect(world.target).toBeNull()
})

test('a manifest that is not the one that was sealed is not restored', () => {
  const world = new RestoreWorld()
  if (world.backup !== null) world.backup = { ...world.backup, sha256: 'c'.repeat(64) }
  world.settle()
  expect(world.status).toMatchObject({ state: 'Failed', reason: 'ObjectDamaged' })
  expect(types(world)).toContain('Refused')
})

type Happening =
  | { readonly what: 'end'; readonly how: Ending }
  | {
      readonly what:
        | 'form'
        | 'delete'
        | 'lose-storage'
        | 'find-storage'
        | 'lose-cluster'
        | 'stranger'
        | 'copy-done'
        | 'copy-fails'
        | 'lose-copy'
        | 'erase'
        | 'time'
    }

function happen(world: RestoreWorld, one: Happening, storage: RestoreWorld['storage']): void {
  const others: Readonly<Record<Exclude<Happening['what'], 'end'>, () => void>> = {
    form: () => world.form(),
    delete: () => void (world.deletionAt ??= world.now),
    'lose-storage': () => void (world.storage = null),
    'find-storage': () => void (world.storage = storage),
    'lose-cluster': () => void (world.target = null),
    stranger: () => {
      if (world.target === null) world.stand({ uid: 'somebody' })
    },
    'copy-done': () => world.endCopy('well'),
    'copy-fails': () => world.endCopy('badly'),
    'lose-copy': () => {
      if (world.backup?.madeBy !== undefined) world.backup = null
    },
    erase: () => void (world.status = null),
    time: () => undefined,
  }
  if (one.what === 'end') world.end(one.how)
  else others[one.what]()
}

test('whatever happens it ends, tells what it did, starts no server without its data, and deletes no claim of a cluster', () => {
  const ending = fc.constantFrom<Ending>(
    'well',
    'well',
    'well',
    'silently',
    'StorageUnreachable',
    'ObjectDamaged',
    'Interrupted',
  )
  const happening = fc.oneof(
    { weight: 8, arbitrary: fc.record({ what: fc.constant('end' as const), how: ending }) },
    { weight: 2, arbitrary: fc.record({ what: fc.constantFrom('form', 'copy-done' as const) }) },
    {
      weight: 1,
      arbitrary: fc.record({
        what: fc.constantFrom(
          'delete',
          'lose-storage',
          'find-storage',
          'lose-cluster',
          'stranger',
          'erase',
          'copy-fails',
          'lose-copy',
          'time' as const,
        ),
      }),
    },
  )
  fc.assert(
    fc.property(fc.array(happening, { maxLength: 40 }), fc.boolean(), (plot, isCopied) => {
      const world = isCopied ? RestoreWorld.ofCluster() : new RestoreWorld()
      const storage = world.storage
      for (const one of plot) {
        happen(world, one, storage)
        world.now += one.what === 'time' ? 3_600_000 : 15_000
        world.pass()
      }
      world.storage = storage
      world.settle()
      expect(world.broken).toEqual([])
      if (world.deletionAt !== null) expect(world.isGone).toBe(true)
      else expect(['Completed', 'Failed']).toContain(world.status?.state)
      const isOfNobody = world.status?.clusterUid === undefined && world.status?.claimsStay !== true
      if (world.status?.state === 'Failed' && isOfNobody) expect(world.claims).toEqual([])
      // An outcome is told once.
      const ends = types(world).filter((type) => ['Completed', 'Failed', 'Refused'].includes(type))
      if (plot.every((one) => one.what !== 'erase')) expect(ends.length).toBeLessThanOrEqual(1)
    }),
    { numRuns: 500 },
  )
})
