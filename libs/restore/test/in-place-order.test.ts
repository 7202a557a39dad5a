import { volumeName } from '@slotkeeper/api'
import { describe, expect, test } from 'vitest'
import { FORMER, RestoreWorld } from './restore-world.ts'

const claimsOf = (world: RestoreWorld): readonly string[] => world.claims.map(({ name }) => name)

test('of two restores into one cluster the younger waits', () => {
  const world = RestoreWorld.inPlace()
  const rival = { name: 'first', uid: 'a', createdAt: world.now - 1_000, hasBegun: false, isEnded: false }
  world.rivals = [rival]
  world.pass()
  expect(world.status).toMatchObject({ state: 'Waiting', reason: 'RestoreUnderWay' })
  world.rivals = [{ ...rival, isEnded: true }]
  world.settle()
  expect(world.status?.state).toBe('Completed')
})

describe('of two that were created in the same second', () => {
  const twin = (world: RestoreWorld, uid: string, hasBegun: boolean): void => {
    world.rivals = [{ name: 'twin', uid, createdAt: world.given().restore.createdAt, hasBegun, isEnded: false }]
  }

  test('the one waits that has not begun, whatever its uid', () => {
    const world = RestoreWorld.inPlace()
    twin(world, 'z', true)
    for (let round = 0; round < 3; round += 1) world.pass()
    expect(world.status).toMatchObject({ state: 'Waiting', reason: 'RestoreUnderWay' })
    expect(world.status?.message).toContain('RedisRestore twin')
    twin(world, 'z', false)
    world.settle()
    expect(world.status?.state).toBe('Completed')
  })

  test.each(['Inspecting', 'Confirming', 'Seeding'])(
    'where neither had seen the other, one is refused while %s, and what it filled goes',
    (state) => {
      const world = RestoreWorld.inPlace(state === 'Confirming' ? { confirm: undefined } : {})
      world.bring(state)
      world.pass()
      twin(world, 'z', true)
      world.pass()
      expect(world.status?.state).toBe(state)
      twin(world, 'a', true)
      world.settle()
      expect(world.status).toMatchObject({ state: 'Failed', reason: 'RestoreUnderWay' })
      expect(world.status?.message).toContain('RedisRestore twin')
      for (let round = 0; round < 3; round += 1) world.pass()
      expect(claimsOf(world)).toEqual(FORMER)
      expect(world.broken).toEqual([])
    },
  )

  test('the one that comes late to the switch says who was first', () => {
    const world = RestoreWorld.inPlace()
    world.bring('Starting')
    if (world.target !== null) world.target = { ...world.target, restoredBy: 'z', restoreName: 'twin', inPlace: true }
    world.settle()
    expect(world.status).toMatchObject({ state: 'Failed', reason: 'ClusterChanged' })
    expect(world.status?.message).toContain('RedisRestore twin')
  })
})

test('one that is late after its order says that the order stands, until the cluster follows it', () => {
  const late = (isSwitched: boolean): RestoreWorld => {
    const world = RestoreWorld.inPlace()
    world.bring('Starting')
    world.pass()
    if (world.target !== null) world.target = { ...world.target, isSwitched }
    world.now += 15_000_000
    world.pass()
    expect(world.status).toMatchObject({ state: 'Failed', reason: 'DeadlineExceeded' })
    return world
  }
  expect(late(false).status?.message).toMatch(
    /^the RedisCluster again was told .* still does so .* unless you delete this RedisRestore/,
  )
  expect(late(true).status?.message).toMatch(/^it was not done/)
})

describe('an order that the cluster does not follow yet', () => {
  const ordered = (former?: { readonly name: string; readonly uid: string }): RestoreWorld => {
    const world = RestoreWorld.inPlace()
    if (world.target !== null && former !== undefined)
      world.target = { ...world.target, restoredBy: former.uid, restoreName: former.name, inPlace: true, holds: former }
    world.bring('Starting')
    for (let round = 0; round < 3; round += 1) world.pass()
    expect(world.target?.restoredBy).toBe('restore-1')
    return world
  }

  test.each([undefined, { name: 'sunday', uid: 'restore-0' }])('goes with the restore that gave it: %o', (former) => {
    const world = ordered(former)
    world.deletionAt = world.now
    world.settle(10)
    expect(world.isGone).toBe(true)
    expect(world.target?.restoredBy).toBe(former?.uid)
    expect(claimsOf(world)).toEqual(expect.arrayContaining([...FORMER]))
    expect(world.broken).toEqual([])
  })

  test.each<[string, object]>([
    ['is followed already', { isSwitched: true }],
    ['may be followed by one whose status was lost', { formedAt: undefined }],
  ])('but not where it %s', (_, change) => {
    const world = ordered()
    if (world.target !== null) world.target = { ...world.target, ...change }
    world.deletionAt = world.now
    world.settle(10)
    expect(world.isGone).toBe(true)
    expect(world.target?.restoredBy).toBe('restore-1')
  })

  test('may be taken back by a person: the restore ends, says so, and does not order it once more', () => {
    const world = ordered()
    world.withdrawOrder()
    world.settle(10)
    expect(world.status).toMatchObject({ state: 'Failed', reason: 'OrderWithdrawn' })
    expect(world.target?.restoredBy).toBeUndefined()
    expect(claimsOf(world)).toEqual(expect.arrayContaining([...FORMER]))
    expect(world.broken).toEqual([])
  })
})

describe('an order that the cluster never followed is not what it has', () => {
  /** The order of an earlier restore stands, was never followed, and that restore has failed. */
  const overdue = (): RestoreWorld => {
    const world = RestoreWorld.inPlace({ oldVolumes: 'Delete' })
    world.claims = [
      ...world.claims,
      ...EARLIER.map((name) => ({ name, uid: name, restoredBy: 'R1', isDeleting: false })),
    ]
    if (world.target !== null)
      world.target = { ...world.target, restoredBy: 'R1', orderedBy: 'R1', restoreName: 'r1', inPlace: true }
    world.rivals = [{ name: 'r1', uid: 'R1', createdAt: world.now - 1_000, hasBegun: false, isEnded: true }]
    return world
  }
  const EARLIER = [0, 1, 2].map((shard) => `${volumeName({ uid: 'R1', inPlace: true })}-again-${shard}-0`)

  test('another one takes its place, and what the cluster had is what goes', () => {
    const world = overdue()
    world.settle()
    expect(world.status).toMatchObject({ state: 'Completed', replaces: { volume: 'data', restoredBy: 'R1' } })
    expect(claimsOf(world)).toEqual([...EARLIER, ...[0, 1, 2].map((shard) => world.claimIn(shard))])
    expect(world.broken).toEqual([])
  })

  test('and with that one deleted too neither stands', () => {
    const world = overdue()
    world.bring('Starting')
    world.pass()
    expect(world.target).toMatchObject({ restoredBy: 'restore-1' })
    world.deletionAt = world.now
    world.settle(10)
    expect(world.isGone).toBe(true)
    expect(world.target?.restoredBy).toBeUndefined()
    expect(world.events.map(({ type }) => type).slice(-2)).toEqual(['OrderWithdrawn', 'Deleted'])
  })

  test('it is followed while another one fills volumes: that one ends, since the cluster has other data now', () => {
    const world = overdue()
    world.bring('Seeding')
    world.pass()
    if (world.target !== null) world.target = { ...world.target, isSwitched: true, holds: { name: 'r1', uid: 'R1' } }
    world.settle()
    expect(world.status).toMatchObject({ state: 'Failed', reason: 'ClusterChanged' })
    expect(world.status?.message).toContain('RedisRestore r1 has replaced the data')
    world.pass()
    expect(claimsOf(world)).toEqual([...FORMER, ...EARLIER])
  })

  test('it is taken back while another one fills volumes: that one goes on', () => {
    const world = overdue()
    world.bring('Seeding')
    world.pass()
    world.withdrawOrder()
    world.settle()
    expect(world.status?.state).toBe('Completed')
    expect(world.broken).toEqual([])
  })
})

describe('what was seen of the cluster last is from before the order', () => {
  const ordered = (): { readonly world: RestoreWorld; readonly before: RestoreWorld['target'] } => {
    const world = RestoreWorld.inPlace({ oldVolumes: 'Delete' })
    const before = structuredClone(world.target)
    world.bring('Starting')
    const { status } = world
    world.pass()
    expect(status?.clusterUid).toBeUndefined()
    expect(world.target?.restoredBy).toBe('restore-1')
    // It ends before it has written down that it has seen its own order.
    world.status = status
    return { world, before }
  }

  test('a person takes it back before the restore has seen it: it is not given once more', () => {
    const { world } = ordered()
    world.withdrawOrder()
    world.settle()
    expect(world.status).toMatchObject({ state: 'Failed', reason: 'OrderWithdrawn' })
    expect(world.target?.restoredBy).toBeUndefined()
    expect(claimsOf(world)).toEqual(expect.arrayContaining([...FORMER]))
    expect(world.broken).toEqual([])
  })

  test('the restore is deleted: the order goes with it all the same', () => {
    const { world, before } = ordered()
    const now = world.target
    world.deletionAt = world.now
    for (let round = 0; round < 5 && !world.isGone; round += 1) {
      // Decided by what was seen, done by what is there.
      world.seen = before
      world.pass()
    }
    expect(now?.restoredBy).toBe('restore-1')
    expect(world.isGone).toBe(true)
    expect(world.target?.restoredBy).toBeUndefined()
  })
})

test('a withdrawal that is refused keeps the restore, without a bound', () => {
  const world = RestoreWorld.inPlace()
  world.bring('Starting')
  for (let round = 0; round < 3; round += 1) world.pass()
  world.deletionAt = world.now
  const refused = structuredClone(world.target)
  for (let round = 0; round < 20; round += 1) {
    world.target = structuredClone(refused)
    world.now += 60_000
    world.trouble = round < 3 ? null : 'clusters are changed by nobody'
    world.pass()
  }
  expect(world.isGone).toBe(false)
  expect(world.status?.deleted).toBeUndefined()
  expect(world.status).toMatchObject({ state: 'Deleting', reason: 'WithdrawalRefused' })
  expect(world.status?.message).toMatch(/RedisCluster again .* by nobody.* spec\.bootstrap\.restore/)
  // The way out: a person does it.
  world.withdrawOrder()
  for (let round = 0; round < 3; round += 1) world.pass()
  expect(world.isGone).toBe(true)
  expect(world.status?.reason).toBeUndefined()
})

test('an order that was not looked at yet is not told in words of before', () => {
  const world = RestoreWorld.inPlace()
  world.bring('Starting')
  for (let round = 0; round < 3; round += 1) world.pass()
  expect(world.status?.message).toBe('again: it was told to take what was restored, and has not begun to')
})
