import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { mergePatchOf } from './merge-patch.ts'

/** RFC 7396, as the API server does it. */
function merged(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch
  const isMap = typeof target === 'object' && target !== null && !Array.isArray(target)
  const result: Record<string, unknown> = isMap ? { ...target } : {}
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete result[name]
    else result[name] = merged(result[name], value)
  }
  return result
}

const leaf = fc.oneof(fc.integer(), fc.string(), fc.boolean())
const name = fc.constantFrom('a', 'b', 'c', 'd')
const { map } = fc.letrec<{ map: Record<string, unknown>; value: unknown }>((tie) => ({
  map: fc.dictionary(name, tie('value'), { maxKeys: 4 }),
  value: fc.oneof({ depthSize: 'small' }, leaf, fc.array(leaf, { maxLength: 3 }), tie('map')),
}))

describe('mergePatchOf', () => {
  test('turns any map into any other', () => {
    const law = fc.property(map, map, (before, after) => {
      expect(merged(before, mergePatchOf(before, after) ?? {})).toEqual(after)
    })
    fc.assert(law)
  })

  test('is nothing exactly when nothing changes', () => {
    const law = fc.property(map, map, (before, after) => {
      expect(mergePatchOf(before, structuredClone(before))).toBeUndefined()
      if (mergePatchOf(before, after) === undefined) expect(before).toEqual(after)
    })
    fc.assert(law)
  })

  test('says null for what is gone, at every depth, and replaces arrays whole', () => {
    const before = { gone: 1, kept: 2, deep: { gone: { x: 1 }, kept: 1 }, list: [{ a: 1 }, { b: 2 }] }
    const after = { kept: 2, deep: { kept: 1 }, list: [{ a: 1 }] }
    expect(mergePatchOf(before, after)).toEqual({ gone: null, deep: { gone: null }, list: [{ a: 1 }] })
  })

  test('an undefined field is an absent one', () => {
    expect(mergePatchOf({ a: 1, b: { c: 1 } }, { a: undefined, b: { c: undefined } })).toEqual({
      a: null,
      b: { c: null },
    })
  })

  test('the order of fields inside an array is no change', () => {
    expect(mergePatchOf({ list: [{ a: 1, b: 2 }] }, { list: [{ b: 2, a: 1 }] })).toBeUndefined()
  })
})
