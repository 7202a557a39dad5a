import { describe, expect, test } from 'vitest'
import fc from 'fast-check'
import { durationMs, expiryOf } from '../src/index.ts'

describe('retention', () => {
  const at = (day: number, uid = `u${day}`, clusterUid = 'c1') => ({
    uid,
    name: `n${day}`,
    clusterUid,
    endedAt: new Date(Date.UTC(2026, 10, day)).toISOString(),
  })
  const now = Date.UTC(2026, 10, 22)

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
  ])('%s', (_what, own, others, policy, goes) => {
    expect(expiryOf(own, others, policy, now) !== null).toBe(goes)
  })

  test('whatever the policy, one completed backup of each cluster stays', () => {
    const backups = fc.uniqueArray(
      fc.record({ day: fc.integer({ min: 1, max: 20 }), uid: fc.uuid(), cluster: fc.constantFrom('c1', 'c2') }),
      { selector: (one) => one.uid, minLength: 1, maxLength: 12 },
    )
    const policy = fc.record(
      { keep: fc.integer({ min: 1, max: 4 }), maxAge: fc.constantFrom('1m', '2h', '3d', '30d') },
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(backups, policy, (all, rules) => {
        const every = all.map((one) => at(one.day, one.uid, one.cluster))
        const kept = every.filter(
          (one) =>
            expiryOf(
              one,
              every.filter((its) => its !== one),
              rules as never,
              now,
            ) === null,
        )
        expect(new Set(kept.map((one) => one.clusterUid))).toEqual(new Set(every.map((one) => one.clusterUid)))
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
