import fc from 'fast-check'
import { expect, test } from 'vitest'
import { canonicalJson } from './canonical-json.ts'

test('the order of keys and absent fields leave no trace', () => {
  expect(canonicalJson({ b: [1, { d: null, c: 'x' }], a: undefined, é: -0 })).toBe('{"b":[1,{"c":"x","d":null}],"é":0}')
})

test('any JSON value reads back as itself, and equal values give equal texts', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = canonicalJson(value)
      expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)))
      expect(canonicalJson(JSON.parse(text))).toBe(text)
    }),
  )
})

const cyclic: { self?: unknown } = {}
cyclic.self = { again: cyclic }

test.each([
  ['a function', { a: [{ f: () => 1 }] }, '$.a[0].f is function'],
  ['NaN', { a: Number.NaN }, '$.a is NaN'],
  ['infinity', [1, Infinity], '$[1] is Infinity'],
  ['a bigint', { a: 1n }, '$.a is bigint'],
  ['a symbol', { a: Symbol('s') }, '$.a is symbol'],
  ['undefined in a list', { a: [undefined] }, '$.a[0] is undefined'],
  ['undefined itself', undefined, '$ is undefined'],
  ['a hole in a list', { a: Array(1) }, '$.a[0] is undefined'],
  ['a date', { a: new Date(0) }, '$.a is an instance of a class'],
  ['a map', { a: new Map() }, '$.a is an instance of a class'],
  ['a cycle', cyclic, '$.self.again is a cycle'],
])('%s is refused by the name of its place', (_what, value, message) => {
  expect(() => canonicalJson(value)).toThrow(`${message}`)
})

test('the same object in two places is no cycle', () => {
  const shared = { a: 1 }
  expect(canonicalJson([shared, shared])).toBe('[{"a":1},{"a":1}]')
})
