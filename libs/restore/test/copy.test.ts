import { redisRestoreSpec } from '@slotkeeper/api'
import { describe, expect, test } from 'vitest'
import { backupNameOf, type BackupView } from '../src/index.ts'
import { FOREIGN, inspected, RestoreWorld } from './restore-world.ts'

describe('a source that runs', () => {
  test('is copied once, by a RedisBackup of the restore, and then restored as any backup is', () => {
    const world = RestoreWorld.ofCluster()
    world.settle()
    expect(world.status).toMatchObject({
      state: 'Completed',
      copy: { uid: 'copy-1' },
      manifest: 'shop/copy-1/1/manifest',
    })
    expect(world.copies).toBe(1)
    expect(world.events.map(({ type }) => type).slice(0, 4)).toEqual([
      'Accepted',
      'CopyCreated',
      'StateChanged',
      'Inspected',
    ])
    expect(world.broken).toEqual([])
  })

  test('while it is copied it says how far that is', () => {
    const world = RestoreWorld.ofCluster()
    for (let round = 0; round < 2; round += 1) world.pass()
    if (world.backup !== null) world.backup = { ...world.backup, reason: 'SourceNotReady', message: 'orders heals' }
    world.pass()
    const message = expect.stringMatching(/^the RedisBackup back-restore1.*: orders heals$/)
    expect(world.status).toMatchObject({ state: 'Copying', reason: 'SourceNotReady', message })
  })

  test.each<[string, string, (world: RestoreWorld) => void]>([
    ['it fails', 'ServerDenied', (world) => world.endCopy('badly')],
    ['somebody deletes it', 'BackupMissing', (world) => (world.backup = null)],
    [
      'somebody makes another one of its name',
      'NameTaken',
      (world) => (world.backup = { uid: 'x', state: 'Completed', storageName: 'archive', isDeleting: false }),
    ],
    ['a cluster of the name of the new one is there', 'NameTaken', (world) => world.stand({ uid: 'somebody' })],
    ['it takes too long', 'DeadlineExceeded', (world) => (world.now += 15_000_000)],
  ])('%s: it is given up (%s), and copied no second time', (_, reason, happens) => {
    const world = RestoreWorld.ofCluster()
    for (let round = 0; round < 3; round += 1) world.pass()
    expect(world.status).toMatchObject({ state: 'Copying', copy: { uid: 'copy-1' } })
    happens(world)
    for (let round = 0; round < 3; round += 1) world.pass()
    expect(world.status).toMatchObject({ state: 'Failed', reason })
    expect(world.copies).toBe(1)
    expect(world.claims).toEqual([])
  })

  test.each([
    ['has no volumes', 'NoVolume', { version: 'valkey-9.1', shards: 3 }],
    [
      'has servers that are not known',
      'EngineUnknown',
      { image: 'registry.example/cache:latest', shards: 3, storage: { size: '1Gi' } },
    ],
  ])('a template that %s is refused before anything is read: %s', (_, reason, template) => {
    const world = RestoreWorld.ofServer(template)
    world.settle()
    expect(world.status).toMatchObject({ state: 'Failed', reason })
    expect(world.copies).toBe(0)
  })

  test('servers that load nothing of the source are told as soon as it is known what that is', () => {
    const world = RestoreWorld.ofServer({ version: 'valkey-9.1', shards: 3, storage: { size: '1Gi' } })
    for (let round = 0; round < 3; round += 1) world.pass()
    if (world.backup !== null) world.backup = { ...world.backup, engine: { engine: 'redis', version: '8.0.2' } }
    world.pass()
    const message = expect.stringMatching(/Valkey 9\.1 does not load REDIS 12/)
    expect(world.status).toMatchObject({ state: 'Failed', reason: 'Incompatible', message })
  })

  test('other servers: the copy is told how to enter them, and the cluster is what the template says', () => {
    const world = RestoreWorld.ofServer({ version: 'valkey-9.1', shards: 4, storage: { size: '1Gi' } })
    world.found = inspected({ spec: null })
    const [create] = world.pass().filter(({ type }) => type === 'CreateBackup')
    const { storageName, consistency, ...server } = FOREIGN
    expect(create).toMatchObject({ backupSpec: { server, storageName, consistency, deadlineSeconds: 14_400 } })
    world.settle()
    expect(world.status).toMatchObject({ state: 'Completed', spec: { shards: 4 } })
    expect(world.broken).toEqual([])
  })

  test('into a cluster that is there: it is copied first, then a person says what may go', () => {
    const world = RestoreWorld.inPlace({ confirm: undefined }, { server: FOREIGN })
    world.backup = null
    const before = world.claims
    for (let round = 0; round < 8; round += 1) {
      world.pass()
      while (world.running.length > 0) world.end('well')
      world.endCopy('well')
    }
    expect(world.status).toMatchObject({ state: 'Confirming', copy: { uid: 'copy-1' } })
    expect(world.claims).toEqual(before)
    world.confirm('cluster-1')
    world.settle()
    expect(world.status).toMatchObject({ state: 'Completed' })
    expect(world.copies).toBe(1)
    expect(world.broken).toEqual([])
  })

  test('into a cluster whose servers load nothing of the source: nothing is copied to the end', () => {
    const world = RestoreWorld.inPlace({}, { server: FOREIGN })
    world.backup = null
    for (let round = 0; round < 3; round += 1) world.pass()
    if (world.backup !== null)
      world.backup = { ...(world.backup as BackupView), engine: { engine: 'redis', version: '8.0.2' } }
    world.pass()
    expect(world.status).toMatchObject({ state: 'Failed', reason: 'Incompatible' })
  })

  test('its name fits, and is that of one restore alone', () => {
    const spec = redisRestoreSpec.parse({
      source: { cluster: { name: 'orders', storageName: 'archive' } },
      target: { cluster: { name: 'again' } },
    })
    const named = (name: string, uid: string) => backupNameOf(spec, { name, uid })
    const uid = '5c1f9a52-30f7-4c6e-9b57-0d4a3f1f0d6e'
    expect(named('a'.repeat(30) + '-bcdefgh', uid)).toBe(`${'a'.repeat(30)}-5c1f9a52`)
    expect(named('n'.repeat(40), uid)).toHaveLength(40)
    expect(named('back', uid)).not.toBe(named('back', '6c1f9a52-30f7-4c6e-9b57-0d4a3f1f0d6e'))
  })
})
