import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isClaimOf, nextRestoreState, RESTORE_FINDINGS, type TargetView, volumeOfClaim } from '../src/index.ts'
import { type Ending, FORMER, inspected, KEYS, RestoreWorld, STANDING } from './restore-world.ts'

const CLUSTER = 'cluster-1'
const types = (world: RestoreWorld): readonly string[] => world.events.map(({ type }) => type)
const claimsOf = (world: RestoreWorld): readonly string[] => world.claims.map(({ name }) => name)

describe('into a cluster that is there', () => {
  test('it fills volumes beside those that serve, and switches once all are counted; those of before stay', () => {
    const world = RestoreWorld.inPlace()
    world.settle()
    expect(world.broken).toEqual([])
    expect(world.status).toMatchObject({
      state: 'Completed',
      clusterUid: CLUSTER,
      loadedKeys: KEYS - 2,
      replaces: { uid: CLUSTER, volume: 'data' },
      oldVolumes: 6,
    })
    expect(world.status?.message).toContain('data-again-0-0')
    expect(types(world).filter((one) => one !== 'StateChanged')).toEqual([
      'Accepted',
      'Inspected',
      'Seeding',
      'ShardSeeded',
      'ShardSeeded',
      'ShardSeeded',
      'ClusterSwitched',
      'SlotsFormed',
      'Verified',
      'Completed',
    ])
    expect(claimsOf(world)).toEqual([...FORMER, ...[0, 1, 2].map((shard) => world.claimIn(shard))])
  })

  test('without a word of consent it says what goes, and touches nothing; then it goes on', () => {
    const world = RestoreWorld.inPlace({ confirm: undefined })
    world.bring('Confirming')
    world.pass()
    expect(world.status?.reason).toBe('ConfirmationMissing')
    for (const word of [
      CLUSTER,
      '2026-11-01',
      '2026-11-21T10:00:41Z',
      `${KEYS} keys`,
      'volumes stay',
      'inPlace.confirm',
    ])
      expect(world.status?.message).toContain(word)
    expect(claimsOf(world)).toEqual(FORMER)
    expect(types(world).filter((one) => one === 'ConfirmationAwaited')).toHaveLength(1)
    world.confirm(CLUSTER)
    world.settle()
    expect(world.status?.state).toBe('Completed')
    expect(world.broken).toEqual([])
  })

  test('the consent to another cluster is refused, with the field', () => {
    const world = RestoreWorld.inPlace({ confirm: undefined })
    world.bring('Confirming')
    world.confirm('cluster-0')
    world.settle()
    expect(world.status).toMatchObject({ state: 'Failed', reason: 'ConfirmWrong' })
    expect(world.status?.message).toMatch(/spec\.target\.inPlace\.confirm is cluster-0, .* is cluster-1/)
    expect(types(world)).toContain('Refused')
    expect(claimsOf(world)).toEqual(FORMER)
  })

  test('its former volumes are deleted where that was asked for, once it is Completed', () => {
    const world = RestoreWorld.inPlace({ oldVolumes: 'Delete' })
    world.settle()
    expect(claimsOf(world)).toHaveLength(3)
    expect(world.commands.filter(({ type }) => type === 'DeleteOldClaims')).toHaveLength(1)
    world.pass()
    expect(world.status).toMatchObject({ state: 'Completed', oldVolumes: 0 })
    expect(types(world)).toContain('OldVolumesGone')
    expect(world.broken).toEqual([])
  })

  test('its own former volumes and no others: those of a restore before that, when it was one in place', () => {
    const world = RestoreWorld.inPlace({ oldVolumes: 'Delete' })
    const sunday = { name: 'sunday', uid: 'sunday' }
    if (world.target !== null) world.target = { ...world.target, restoredBy: 'sunday', inPlace: true, holds: sunday }
    world.settle()
    expect(claimsOf(world)).toEqual([...FORMER, ...[0, 1, 2].map((shard) => world.claimIn(shard))])
    expect(world.status?.replaces?.volume).toMatch(/^data-0/)
  })

  test('a cluster that is broken can be restored into', () => {
    const world = RestoreWorld.inPlace()
    if (world.target !== null) world.target = { ...world.target, isReady: false, message: 'Stalled' }
    world.settle()
    expect(world.status?.state).toBe('Completed')
  })
})

describe('refused before anything is touched', () => {
  const change = (world: RestoreWorld, how: object): void => {
    if (world.target !== null) world.target = { ...world.target, ...how }
  }
  test.each<[string, string, (world: RestoreWorld) => void]>([
    ['there is no such cluster', 'ClusterMissing', (world) => (world.target = null)],
    ['it is being deleted', 'ClusterMissing', (world) => change(world, { isDeleting: true })],
    ['it was never whole', 'ClusterNotFormed', (world) => change(world, { formedAt: undefined })],
    ['it has no volumes', 'NoVolume', (world) => change(world, { spec: { version: 'valkey-9.1', shards: 3 } })],
    ['it is another one than was confirmed', 'ConfirmWrong', (world) => change(world, { uid: 'cluster-9' })],
    [
      'its servers do not load it',
      'Incompatible',
      (world) => (world.found = inspected({ refusal: 'Valkey 9.1 does not load REDIS 12' })),
    ],
  ])('%s: %s', (_, reason, happens) => {
    const world = RestoreWorld.inPlace()
    happens(world)
    world.settle()
    expect(world.status).toMatchObject({ state: 'Failed', reason })
    expect(types(world)).toContain('Refused')
    expect(claimsOf(world)).toEqual(FORMER)
    expect(world.broken).toEqual([])
  })

  test.each<[string, string, (world: RestoreWorld) => void]>([
    ['was created again', 'ClusterGone', (world) => change(world, { uid: 'cluster-9' })],
    ['is deleted', 'ClusterGone', (world) => (world.target = null)],
    ['has another number of shards', 'ClusterChanged', (world) => change(world, { spec: { shards: 5 } })],
    ['was given to another restore', 'ClusterChanged', (world) => change(world, { restoredBy: 'x', inPlace: true })],
  ])('while volumes are filled the cluster %s: %s, and what was filled goes', (_, reason, happens) => {
    const world = RestoreWorld.inPlace()
    world.bring('Seeding')
    world.pass()
    world.end('well')
    happens(world)
    for (let round = 0; round < 6; round += 1) {
      world.now += 20_000
      world.pass()
      while (world.running.length > 0) world.end('well')
    }
    expect(world.status).toMatchObject({ state: 'Failed', reason })
    expect(claimsOf(world)).toEqual(FORMER)
  })
})

test('a paused cluster is waited for once all is filled, and nothing is committed meanwhile', () => {
  const world = RestoreWorld.inPlace()
  const spec = { ...world.target?.spec, paused: true }
  if (world.target !== null) world.target = { ...world.target, spec }
  for (let round = 0; round < 12; round += 1) {
    world.now += 20_000
    world.pass()
    while (world.running.length > 0) world.end('well')
  }
  expect(world.status).toMatchObject({ state: 'Seeding', reason: 'ClusterPaused' })
  expect(world.status?.claimsStay).toBeUndefined()
  if (world.target !== null) world.target = { ...world.target, spec: { ...spec, paused: false } }
  world.settle()
  expect(world.status?.state).toBe('Completed')
})

test('with a status that was erased after the switch it touches nothing', () => {
  const world = RestoreWorld.inPlace({ oldVolumes: 'Delete' })
  world.bring('Starting')
  world.pass()
  const claims = claimsOf(world)
  world.status = null
  world.settle()
  expect(world.status).toMatchObject({ state: 'Failed', reason: 'StatusLost' })
  expect(claimsOf(world)).toEqual(claims)
})

test('with a status that was erased, and another restore after it, it does not begin again by its old consent', () => {
  const world = RestoreWorld.inPlace()
  world.settle()
  expect(world.status?.state).toBe('Completed')
  if (world.target !== null) world.target = { ...world.target, restoredBy: 'sunday', restoreName: 'sunday' }
  // What it had filled was deleted by the other one: nothing is left that would tell of it.
  world.claims = world.claims.filter((one) => one.restoredBy === undefined)
  world.status = null
  world.settle()
  expect(world.status).toMatchObject({ state: 'Failed', reason: 'StatusLost' })
  expect(claimsOf(world)).toEqual(FORMER)
  expect(world.target?.restoredBy).toBe('sunday')
})

test('a consent in a manifest that is applied again holds once; one that is given to this very restore holds', () => {
  const restoredOnce = (world: RestoreWorld): RestoreWorld => {
    if (world.target !== null)
      world.target = { ...world.target, restoredBy: 'restore-0', restoreName: 'back', inPlace: true }
    return world
  }
  const again = restoredOnce(RestoreWorld.inPlace())
  again.settle()
  expect(again.status).toMatchObject({ state: 'Failed', reason: 'ConfirmUsed' })
  expect(claimsOf(again)).toEqual(FORMER)
  expect(again.target?.restoredBy).toBe('restore-0')
  const asked = restoredOnce(RestoreWorld.inPlace({ confirm: undefined }))
  asked.bring('Confirming')
  asked.confirm(CLUSTER)
  asked.settle()
  expect(asked.status?.state).toBe('Completed')
})

test('a cluster that was given to it before all is filled is not filled under its feet', () => {
  const world = RestoreWorld.inPlace()
  world.bring('Seeding')
  world.pass()
  world.end('well')
  const claims = claimsOf(world)
  if (world.target !== null) world.target = { ...world.target, restoredBy: 'restore-1', inPlace: true }
  for (let round = 0; round < 6; round += 1) {
    world.now += 20_000
    world.pass()
  }
  expect(world.status).toMatchObject({ state: 'Failed', reason: 'StatusLost' })
  expect(world.running).toEqual([])
  expect(claimsOf(world)).toEqual(claims)
})

test('no arrow leads past the consent but that of one who has given it', () => {
  expect(nextRestoreState('Inspecting', 'Unconfirmed')).toBe('Confirming')
  const ends = RESTORE_FINDINGS.map((finding) => nextRestoreState('Confirming', finding))
  expect(new Set(ends)).toEqual(new Set(['Confirming', 'Seeding', 'Failed', 'Deleting']))
})

test('claims are told apart by cluster and by restore', () => {
  expect(volumeOfClaim('a', 'data-a-0-0')).toBe('data')
  expect(volumeOfClaim('a', 'data-0abc1234-a-0-0')).toBe('data-0abc1234')
  expect(isClaimOf('a', 'data-0abc1234-a-b-0-0')).toBe(false)
  expect(isClaimOf('a-b', 'data-0abc1234-a-b-0-0')).toBe(true)
  expect(isClaimOf('abc1234-a', 'data-0abc1234-a-0-0')).toBe(false)
})

type Happening = { readonly what: 'end'; readonly how: Ending } | { readonly what: (typeof WHAT)[number] }
const WHAT = [
  'form',
  'form',
  'confirm',
  'confirm',
  'delete',
  'lose cluster',
  'replace',
  'other restore',
  'follow',
  'withdraw',
  'pause',
  'go on',
  'erase',
  'time',
] as const

/** What may become of an order. */
function follow(world: RestoreWorld, target: TargetView, what: Happening['what']): void {
  if (what === 'follow') world.target = { ...target, isSwitched: true }
  if (what === 'withdraw' && target.isSwitched !== true) world.withdrawOrder()
}

function happen(world: RestoreWorld, one: Happening): void {
  const { target } = world
  if (one.what === 'end') return world.end(one.how)
  if (one.what === 'form') return world.form()
  if (one.what === 'confirm') return world.confirm(CLUSTER)
  if (one.what === 'delete') world.deletionAt ??= world.now
  if (one.what === 'erase') world.status = null
  if (one.what === 'time') world.now += 3_600_000
  if (target === null) return
  if (one.what === 'lose cluster') world.target = null
  if (target.restoredBy === 'restore-1') follow(world, target, one.what)
  if (one.what === 'replace') world.target = { ...STANDING, uid: 'cluster-9', spec: target.spec }
  if (one.what === 'other restore') world.target = { ...target, restoredBy: 'other', inPlace: true }
  if (one.what === 'pause' || one.what === 'go on')
    world.target = { ...target, spec: { ...target.spec, paused: one.what === 'pause' } }
}

test('whatever happens it ends; the cluster is switched only with consent, to whole volumes; what served is kept until then', () => {
  const ending = fc.constantFrom<Ending>('well', 'well', 'well', 'silently', 'StorageUnreachable', 'ObjectDamaged')
  const happening = fc.oneof(
    { weight: 5, arbitrary: fc.record({ what: fc.constant('end' as const), how: ending }) },
    { weight: 4, arbitrary: fc.record({ what: fc.constantFrom(...WHAT) }) },
  )
  const oldVolumes = fc.constantFrom('Keep', 'Delete')
  fc.assert(
    fc.property(fc.array(happening, { maxLength: 40 }), oldVolumes, fc.boolean(), (plot, old, confirmed) => {
      const world = RestoreWorld.inPlace({ oldVolumes: old, ...(confirmed ? {} : { confirm: undefined }) })
      for (const one of plot) {
        happen(world, one)
        world.now += 15_000
        world.pass()
        const { state } = world.status ?? {}
        if (old === 'Keep' || state !== 'Completed') {
          const wasCompleted = types(world).includes('Completed')
          if (old === 'Keep' || !wasCompleted) expect(claimsOf(world)).toEqual(expect.arrayContaining([...FORMER]))
        }
      }
      world.now += 15_000_000
      world.settle()
      expect(world.broken).toEqual([])
      if (world.deletionAt !== null) expect(world.isGone).toBe(true)
      else expect(['Completed', 'Failed']).toContain(world.status?.state)
      const isOfNobody = world.status?.clusterUid === undefined && world.status?.claimsStay !== true
      if (world.status?.state === 'Failed' && isOfNobody)
        expect(world.claims.filter((one) => one.restoredBy !== undefined)).toEqual([])
    }),
    { numRuns: 400 },
  )
})
