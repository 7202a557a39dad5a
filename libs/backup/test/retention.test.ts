import { describe, expect, test } from 'vitest'
import fc from 'fast-check'
import { durationMs, expiryOf, type Sibling } from '../src/index.ts'

describe('retention', () => {
  const at = (day: number, uid = `u${day}`, clusterUid = 'c1') => ({
    uid,
    name: `n${day}`,
    clusterUid,
    endedAt: new Date(Date.UTC(2026, 10, day)).toISOString(),
  })
  const now = Date.UTC(2026, 10, 22)
  const unproven = (one: ReturnType<typeof at>) => ({ ...one, proof: 'missing' as const })
  const proven = (one: ReturnType<typeof at>) => ({ ...one, proof: 'given' as const })

  test.each([
    ['no policy', at(1), [at(2)], undefined, false],
    ['few enough', at(1), [at(2)], { keep: 2 }, false],
    ['too many', at(1), [at(2), at(3)], { keep: 2 }, true],
    ['others of another cluster', at(1), [at(2, 'x', 'c2'), at(3, 'y', 'c2')], { keep: 1 }, false],
    ['too old', at(1), [at(2)], { maxAge: '20d' }, true],
    ['old enough, and the newest', at(1), [], { maxAge: '20d', keep: 1 }, false],
    ['young', at(10), [at(11)], { maxAge: '20d' }, false],
    ['of one moment, the other is the newest', at(1, 'a'), [at(1, 'b')], { keep: 1 }, true],
    ['of one moment, itself the newest', at(1, 'b'), [at(1, 'a')], { keep: 1 }, false],
    ['newer, and not loaded though that was asked', proven(at(1)), [unproven(at(2))], { keep: 1 }, false],
    ['old enough, and newer ones not loaded', proven(at(1)), [unproven(at(2))], { maxAge: '20d' }, false],
    ['newer, and neither was loaded', unproven(at(1)), [unproven(at(2))], { keep: 1 }, true],
    ['newer, and better', unproven(at(1)), [proven(at(2))], { keep: 1 }, true],
    ['newer, and nobody asked for more', proven(at(1)), [at(2)], { keep: 1 }, true],
    ['newer, and as good', at(1), [unproven(at(2))], { keep: 1 }, true],
  ])('%s', (_what, own, others, policy, goes) => {
    expect(expiryOf(own, others, policy, now) !== null).toBe(goes)
  })

  test.each([
    ['one completed backup of each cluster stays', ['given', 'missing', 'none'], ['given', 'missing', 'none']],
    ['where each asks to be loaded, one that was', ['given', 'missing'], ['given']],
  ] as const)('whatever the policy: %s', (_what, proofs, counted) => {
    const backups = fc.uniqueArray(
      fc.record({
        day: fc.integer({ min: 1, max: 20 }),
        uid: fc.uuid(),
        cluster: fc.constantFrom('c1', 'c2'),
        proof: fc.constantFrom(...proofs),
      }),
      { selector: (one) => one.uid, minLength: 1, maxLength: 12 },
    )
    const policy = fc.record(
      { keep: fc.integer({ min: 1, max: 4 }), maxAge: fc.constantFrom('1m', '2h', '3d', '30d') },
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(backups, policy, (all, rules) => {
        const every = all.map(({ day, uid, cluster, proof }) => ({
          ...at(day, uid, cluster),
          ...(proof === 'none' ? {} : { proof }),
        }))
        const stays = (one: Sibling): boolean =>
          expiryOf(
            one,
            every.filter((its) => its !== one),
            rules as never,
            now,
          ) === null
        const clustersOf = (some: readonly Sibling[]) =>
          new Set(
            some
              .filter(({ proof = 'none' }) => (counted as readonly string[]).includes(proof))
              .map((one) => one.clusterUid),
          )
        expect(clustersOf(every.filter(stays))).toEqual(clustersOf(every))
      }),
    )
  })

  test.each([
    ['90m', 5_400_000],
    ['12h', 43_200_000],
    ['30d', 2_592_000_000],
  ])('%s', (text, ms) => {
    expect(durationMs(text)).toBe(ms)
  })
})
