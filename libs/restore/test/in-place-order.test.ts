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
      world.target = { ...world.target, restoredBy: former.uid, inPlace: true, former }
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
    expect(world.commands.map(({ type }) => type)).not.toContain('WithdrawOrder')
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
