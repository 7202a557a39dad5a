import { describe, expect, test } from 'vitest'
import { canLoad, formatWrittenBy, type RdbEngine } from './load-compatibility.ts'

const engine = (name: string): RdbEngine => {
  const [kind, version = ''] = name.split(' ')
  return { engine: kind === 'redis' ? 'redis' : 'valkey', version }
}
const TARGETS = [
  'redis 6.2',
  'redis 7.0',
  'redis 7.2',
  'redis 7.4',
  'redis 8.0',
  'redis 8.6',
  'valkey 7.2',
  'valkey 8.1',
  'valkey 9.1',
]

/** By source: which of the targets load its files. */
const LOADED: readonly [source: string, targets: readonly string[]][] = [
  ['redis 6.2', TARGETS],
  ['redis 7.0', TARGETS.slice(1)],
  ['redis 7.2', TARGETS.slice(2)],
  ['redis 7.4', ['redis 7.4', 'redis 8.0', 'redis 8.6']],
  ['redis 8.0', ['redis 7.4', 'redis 8.0', 'redis 8.6']],
  ['redis 8.6', ['redis 8.6']],
  ['redis 8.10', []],
  ['valkey 7.2', TARGETS.slice(2)],
  ['valkey 8.1', TARGETS.slice(2)],
  ['valkey 9.1', ['valkey 9.1']],
]

describe.each(LOADED)('a file of %s', (source, targets) => {
  test.each(TARGETS)('in %s', (target) => {
    const { loads, reason } = canLoad({ ...formatWrittenBy(engine(source), 'file'), modules: [] }, engine(target))
    expect(loads, reason).toBe(targets.includes(target))
    expect(reason.toLowerCase()).toContain(target)
  })
})

test('the reason is told in words', () => {
  const reason = (source: string, target: string): string =>
    canLoad({ ...formatWrittenBy(engine(source), 'file'), modules: [] }, engine(target)).reason
  expect(reason('redis 8.0', 'valkey 9.1')).toBe(
    'Valkey 9.1 does not load REDIS 12: Valkey reads files of Redis up to version 11 (Redis 7.2); later ones are a format of its own',
  )
  expect(reason('redis 8.0', 'redis 7.0')).toBe('Redis 7.0 does not load REDIS 12: it reads up to version 10')
  expect(reason('valkey 9.1', 'redis 8.0')).toBe(
    'Redis 8.0 does not load VALKEY 80: only Valkey 9 and later read what Valkey 9 writes',
  )
  expect(reason('redis 7.0', 'valkey 8.1.1')).toBe('Valkey 8.1.1 loads REDIS 10')
})

test('a stream of Valkey 9 to one who announces no version is what Valkey 8 writes', () => {
  expect(formatWrittenBy(engine('valkey 9.1'), 'stream')).toEqual({ format: 'redis', version: 11 })
  expect(formatWrittenBy(engine('valkey 9.1'), 'file')).toEqual({ format: 'valkey', version: 80 })
  expect(formatWrittenBy(engine('redis 8.0'), 'stream')).toEqual({ format: 'redis', version: 12 })
})

test('values of modules need a server that has the modules', () => {
  const vectors = { format: 'redis', version: 12, modules: ['vectorset'] } as const
  expect(canLoad(vectors, engine('redis 8.0')).loads).toBe(true)
  const refusal = { loads: false, reason: expect.stringContaining('not known to have: vectorset') }
  expect(canLoad(vectors, engine('redis 7.4'))).toEqual(refusal)
  expect(canLoad(vectors, { ...engine('redis 7.4'), modules: ['other'] })).toEqual(refusal)
  expect(canLoad(vectors, { ...engine('redis 7.4'), modules: ['vectorset'] }).loads).toBe(true)
})

test('a release that came after the table is taken for the last before it', () => {
  expect(formatWrittenBy(engine('redis 8.12.3'), 'file').version).toBe(15)
  expect(formatWrittenBy(engine('valkey 8.0'), 'file').version).toBe(11)
  expect(formatWrittenBy(engine('redis 7.0.15'), 'file').version).toBe(10)
})

test.each(['redis 5.0', 'valkey 7.0', 'redis 8', 'redis latest', 'redis 8.0-rc'])('%s is not guessed at', (name) => {
  expect(() => formatWrittenBy(engine(name), 'file')).toThrow(/nothing is known of|is not the version/)
})

test('files that are not read here are not said to be loadable', () => {
  expect(canLoad({ format: 'redis', version: 8, modules: [] }, engine('redis 8.0'))).toMatchObject({ loads: false })
})

test.each(['redis 5.0', 'valkey 7.0'])('%s, of which nothing is known, is not said to load a file', (name) => {
  expect(canLoad({ format: 'redis', version: 9, modules: [] }, engine(name))).toMatchObject({
    loads: false,
    reason: expect.stringContaining('nothing is known of'),
  })
})
