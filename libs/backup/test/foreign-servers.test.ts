import { describe, expect, test } from 'vitest'
import { BackupWorld, toTheEnd } from './backup-world.ts'

const typesOf = (world: BackupWorld): readonly string[] => world.events.map((one) => one.type)

describe('a backup of servers that are none of ours', () => {
  test.each(['shard', 'cluster'])(
    'an agent finds them, then they are stored and sealed, consistency %s',
    (consistency) => {
      const world = BackupWorld.ofServer({ consistency })
      toTheEnd(world)
      const source = { name: 'old.example:6379', uid: 'old.example:6379' }
      const engine = { engine: 'redis', version: '7.0.15' }
      expect(world.status).toMatchObject({ state: 'Completed', cluster: source, engine, keys: 15 })
      expect(typesOf(world).filter((type) => type === 'ShardStreamed')).toHaveLength(3)
      expect(typesOf(world).filter((type) => type === 'Started')).toHaveLength(1)
      expect(world.broken).toEqual([])
    },
  )

  test('what the agents are told names Secrets only by where they are mounted', () => {
    const password = { secretName: 'old-auth', key: 'word' }
    const tls = { ca: { secretName: 'old-ca', key: 'ca.pem' }, certificate: { secretName: 'old-cert' } }
    const world = BackupWorld.ofServer({ server: { address: '[fd00::7]:7000', username: 'copier', password, tls } })
    const tasks: unknown[] = []
    for (let turn = 0; turn < 6; turn++) {
      for (const command of world.pass()) if (command.type === 'RunAgent') tasks.push(command.task)
      world.end('well')
    }
    const entry = {
      host: 'fd00::7',
      port: 7000,
      username: 'copier',
      credentials: '/etc/slotkeeper/server',
      tls: { ca: '/etc/slotkeeper/server-ca/ca.pem', certificate: '/etc/slotkeeper/server-certificate' },
    }
    expect(tasks[0]).toEqual({ type: 'FindServers', target: 'prefer-replica', ...entry })
    expect(tasks[1]).toMatchObject({ type: 'StoreFound', shards: [0], topology: 'c'.repeat(64), ...entry })
    expect(JSON.stringify(tasks)).not.toMatch(/old-(auth|ca|cert)/)
  })

  test('slots that moved meanwhile: the servers are found anew, and all shards are read again', () => {
    const world = BackupWorld.ofServer()
    for (let turn = 0; turn < 3; turn++) {
      world.pass()
      world.end('well')
    }
    world.foreign = { shards: 4, topology: 'd'.repeat(64) }
    toTheEnd(world)
    expect(world.status).toMatchObject({ state: 'Completed', topology: 'd'.repeat(64) })
    expect(world.status?.shards?.map((one) => one.attempt)).toEqual([2, 2, 2, 2])
    expect(typesOf(world).filter((type) => type === 'Started')).toHaveLength(1)
  })

  test.each(['ServerUnfit', 'ServerDenied', 'ServerUntrusted'] as const)('%s is for a person, at once', (fault) => {
    const world = BackupWorld.ofServer()
    toTheEnd(world, () => fault)
    expect(world.status).toMatchObject({ state: 'Failed', reason: fault, message: `it failed: ${fault}` })
    expect(world.objects.size).toBe(0)
  })

  test('more shards than fit into one moment', () => {
    const world = BackupWorld.ofServer({ consistency: 'cluster' })
    world.foreign = { ...world.foreign, shards: 11 }
    toTheEnd(world)
    expect(world.status).toMatchObject({ state: 'Failed', reason: 'TooManyShards' })
  })

  test('a server that does not answer is asked five times', () => {
    const world = BackupWorld.ofServer()
    toTheEnd(world, () => 'ServerUnreachable')
    expect(world.status).toMatchObject({ state: 'Failed', reason: 'ServerUnreachable' })
    expect(typesOf(world).filter((type) => type === 'AttemptFailed')).toHaveLength(4)
  })

  test('completed, with a status that somebody erased: it is adopted', () => {
    const world = BackupWorld.ofServer()
    toTheEnd(world)
    world.status = null
    toTheEnd(world)
    expect(world.status).toMatchObject({ state: 'Completed' })
    expect(typesOf(world)).toContain('Adopted')
  })
})
