import { describe, expect, test } from 'vitest'
import { engineOf, isClaimOf, targetSpec } from '../src/index.ts'

describe('what the cluster will be', () => {
  const target = { cluster: { name: 'again' } }
  const stored = {
    version: 'valkey-9.1',
    shards: 3,
    storage: { size: '1Gi' },
    bootstrap: { restore: { name: 'x', uid: 'y' } },
  }

  test('what it was, with another number of shards, and not as a restore of then', () => {
    expect(targetSpec({ target: { ...target, shards: 5 } }, stored)).toMatchObject({
      spec: { shards: 5, version: 'valkey-9.1' },
    })
    expect(targetSpec({ target }, stored)).not.toMatchObject({ spec: { bootstrap: expect.anything() } })
  })

  test.each([
    [{ version: 'valkey-9.1' } as const, { engine: 'valkey', version: '9.1' }],
    [{ version: 'redis-7.0' } as const, { engine: 'redis', version: '7.0' }],
    [{ image: 'registry.example:5000/mirror/valkey:8.1.3-alpine' }, { engine: 'valkey', version: '8.1.3' }],
    [{ image: 'registry.example/redis/redis-stack:7.4' }, { engine: 'redis', version: '7.4' }],
    [{ image: 'registry.example/cache:latest' }, null],
    [{ image: 'registry.example/valkey@sha256:0' }, null],
  ])('servers by image: %o', (spec, engine) => {
    expect(engineOf(spec)).toEqual(engine)
  })

  test('claims are told apart by their whole names', () => {
    expect(isClaimOf('a', 'data-a-0-0')).toBe(true)
    expect(isClaimOf('a', 'data-a-b-0-0')).toBe(false)
    expect(isClaimOf('a-b', 'data-a-b-0-0')).toBe(true)
    expect(isClaimOf('a', 'data-a-0')).toBe(false)
  })
})
