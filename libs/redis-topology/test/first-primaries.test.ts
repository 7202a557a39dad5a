import fc from 'fast-check'
import { expect, test } from 'vitest'
import { firstPrimaries } from '../src/first-primaries.ts'
import type { Picture } from '../src/assess.ts'
import type { UpMember } from '../src/snapshot.ts'

const HOSTS = ['a', 'b', 'c', 'd']

/** What the choice reads of a picture: members that answer, by shard and machine; of some shards a primary that is there. */
function pictureOf(shards: readonly (readonly string[])[], primaries: Readonly<Record<number, number>> = {}): Picture {
  const pictures = shards.map((hosts, shard) => {
    const members = hosts.map((nodeName, index) => {
      const pod = `cache-${shard}-${index}`
      return { pod, shard, index, kube: { nodeName }, contact: { type: 'up' } } as unknown as UpMember
    })
    const primary = primaries[shard]
    return { shard, members, ...(primary === undefined ? {} : { primaryId: 'id', primaryPod: members[primary]?.pod }) }
  })
  return { shards: pictures } as unknown as Picture
}

/** Primaries on the machine that has most of them. */
function most(hosts: readonly string[]): number {
  return Math.max(0, ...HOSTS.map((host) => hosts.filter((one) => one === host).length))
}

/** The best of all choices, by trying them all. */
function best([next, ...rest]: readonly (readonly string[])[], chosen: readonly string[]): number {
  return next === undefined ? most(chosen) : Math.min(...next.map((host) => best(rest, [...chosen, host])))
}

test.each([
  [
    'each shard on machines of its own',
    [
      ['a', 'b'],
      ['b', 'c'],
      ['c', 'a'],
    ],
    {},
    'a b c',
  ],
  [
    'all first members on one',
    [
      ['a', 'b'],
      ['a', 'c'],
      ['a', 'c'],
    ],
    {},
    'b c a',
  ],
  ['another must make room, twice', [['a', 'b'], ['b', 'c'], ['a']], {}, 'b c a'],
  [
    'one machine only',
    [
      ['a', 'a'],
      ['a', 'a'],
      ['a', 'a'],
    ],
    {},
    'a a a',
  ],
  ['a primary that is there already', [['a', 'b'], ['a', 'b'], ['c']], { 0: 0 }, '- b c'],
] as const)('first primaries: %s', (_what, shards, primaries, expected) => {
  const chosen = firstPrimaries(pictureOf(shards, primaries))
  expect(shards.map((_, shard) => chosen.get(shard)?.kube?.nodeName ?? '-').join(' ')).toBe(expected)
})

test('no machine gets more first primaries than must be', () => {
  const shard = fc.array(fc.constantFrom(...HOSTS), { minLength: 1, maxLength: 3 })
  fc.assert(
    fc.property(fc.array(shard, { minLength: 1, maxLength: 6 }), fc.boolean(), (shards, oneIsThere) => {
      const chosen = firstPrimaries(pictureOf(shards, oneIsThere ? { 0: 0 } : {}))
      const there = oneIsThere ? [shards[0]?.[0] ?? ''] : []
      const hosts = [...chosen.values()].map((one) => one.kube?.nodeName ?? '')
      expect(hosts).toHaveLength(shards.length - there.length)
      expect(most([...there, ...hosts])).toBe(best(shards.slice(there.length), there))
    }),
    { numRuns: 500 },
  )
})
