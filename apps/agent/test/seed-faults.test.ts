import { randomBytes, randomUUID } from 'node:crypto'
import { readFile, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { AgentReport, BackupManifest } from '@slotkeeper/backup'
import { evenRanges } from '@slotkeeper/redis-topology'
import { order, SHARDS, until } from '@slotkeeper/testing'
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { keepSecret, wordsHere } from './agent-process.ts'
import { claimKey, failed, LARGE, markerOf, NEWEST, replace, SECOND, SeedCase } from './seed-case.ts'
import { backUp, type Restored, restore, startShards, verifying } from './seed-stage.ts'
import { PATIENCE_MS } from './stage.ts'

vi.setConfig({ testTimeout: 4 * PATIENCE_MS, hookTimeout: 4 * PATIENCE_MS })

let subject: SeedCase
beforeAll(async () => {
  subject = await SeedCase.make()
})
afterAll(() => subject.close())

test('a backup is inspected: what is in it, and who loads it', async () => {
  const { manifest } = await subject.copied()
  const sum = (of: (shard: BackupManifest['shards'][number]) => number) =>
    manifest.shards.reduce((total, shard) => total + of(shard), 0)
  const report = await subject.inspect(subject.sealed)
  expect(report).toEqual({
    result: 'Done',
    done: {
      task: 'InspectBackup',
      sha256: subject.sealed.sha256,
      backup: manifest.backup,
      cluster: manifest.cluster,
      engine: { engine: 'valkey', version: '1.2.3' },
      consistency: 'shard',
      beganAt: manifest.beganAt,
      endedAt: manifest.endedAt,
      shards: SHARDS,
      keys: LARGE + 2 * SHARDS,
      expiring: SHARDS,
      bytes: sum(({ bytes }) => bytes),
      size: sum(({ content }) => content.size),
      refusal: expect.stringContaining('nothing is known of Valkey 1.2.3'),
      spec: { shards: SHARDS },
    },
  })
  const refusalFor = async (engine: 'redis' | 'valkey', version: string) => {
    const said = await subject.inspect(subject.sealed, { engine, version })
    return said.result === 'Done' && said.done.task === 'InspectBackup' ? said.done.refusal : said
  }
  expect(await refusalFor('valkey', '9.1.2')).toBe(null)
  expect(await refusalFor('redis', '8.0.2')).toContain('Redis 8.0.2 does not load')
  expect(await refusalFor('redis', '5.0')).toContain('nothing is known of Redis 5.0')
})

test('a backup of Redis 8 is not for Valkey', async () => {
  const others = await startShards('redis-8.0')
  onTestFinished(async () => void (await Promise.all(others.map(({ server }) => server.remove()))))
  const { storage } = await subject.stage.directory()
  const of = await backUp(subject.stage, storage, 'redis-8.0', others)
  expect(await subject.inspect(of, { engine: 'valkey', version: '9.1.2' })).toMatchObject({
    done: { refusal: expect.stringContaining('Valkey reads files of Redis up to version 11') },
  })
  expect(await subject.inspect(of, { engine: 'redis', version: '8.0.2' })).toMatchObject({ done: { refusal: null } })
})

const damages: readonly (readonly [string, (objects: readonly string[]) => Promise<void>, object])[] = [
  [
    'a bit that is another',
    async ([object = '']) => {
      const bytes = await readFile(object)
      const at = Math.floor(bytes.length * 0.7)
      bytes[at] = (bytes[at] ?? 0) ^ 4
      await replace(object, bytes)
    },
    failed('ObjectDamaged', /shard-0-\w+\.rdb: .*bytes were changed/),
  ],
  [
    'an object that was cut',
    async ([object = '']) => replace(object, (await readFile(object)).subarray(0, -1)),
    failed('ObjectDamaged', /shard-0-\w+\.rdb has \d+ bytes, \d+ were stored/),
  ],
  [
    'objects in the place of each other, of one size',
    async ([one = '', other = '']) => {
      const { length } = await readFile(one)
      const swapped = Buffer.alloc(length)
      ;(await readFile(other)).copy(swapped)
      await replace(one, swapped)
    },
    failed('ObjectDamaged', /shard-0-\w+\.rdb: it holds .*shard-1-/),
  ],
  [
    'an object that is gone',
    async ([object = '']) => rm(object),
    failed('ObjectMissing', /shard-0-\w+\.rdb is not there/),
  ],
]

test.each(damages)('%s: no volume is marked as seeded, and a whole backup may follow', async (_what, damage, words) => {
  const { of, objects } = await subject.copied()
  await damage(objects)
  const volume = await subject.stage.folder()
  const more = { restore: randomUUID(), slots: '0-9000' }
  expect(await subject.seed(of, volume, more)).toMatchObject(words)
  expect(await markerOf(volume).catch(() => 'none')).not.toContain('seeded')
  // Shards of which no key is needed are not read.
  expect(await subject.seed(of, await subject.stage.folder(), { slots: SECOND })).toMatchObject({ done: { keys: 2 } })
  expect(await subject.seed(subject.sealed, volume, more)).toMatchObject({ result: 'Done' })
  expect(await markerOf(volume)).toBe(`${more.restore} 0 seeded\n`)
})

test('objects that are gone or too short are told by those who inspect', async () => {
  const { of, objects } = await subject.copied()
  const [first = '', second = ''] = objects
  await replace(second, Buffer.from('short'))
  expect(await subject.inspect(of)).toMatchObject(failed('ObjectDamaged', /shard-1-\w+\.rdb has 5 bytes/))
  await rm(first)
  expect(await subject.inspect(of)).toMatchObject(failed('ObjectMissing', /shard-0-\w+\.rdb is not there/))
})

const shardIn = (shards: BackupManifest['shards'], shard: number) => shards[shard] as BackupManifest['shards'][number]

const lies: readonly (readonly [string, (manifest: BackupManifest) => void, object])[] = [
  [
    'an object that was stored once more',
    ({ shards }) => void (shards[0] = { ...shardIn(shards, 0), sha256: 'a'.repeat(64) }),
    failed('ObjectDamaged', /shard-0-\w+\.rdb is not what was stored/),
  ],
  [
    'a key that is not in any object',
    (manifest) => claimKey(manifest, 7),
    failed('DataUnreadable', 'the objects hold 0 keys of slot 7, the manifest of the backup says 1'),
  ],
  [
    'shards that no server reads in one file',
    ({ shards }) => {
      const one = shardIn(shards, 1)
      shards[1] = { ...one, content: { ...one.content, format: 'redis', version: 12 } }
    },
    failed('DataUnreadable', /0 \(VALKEY 80\), 1 \(REDIS 12\)/),
  ],
]

test.each(lies)('refused: %s', async (_what, change, words) => {
  const volume = await subject.stage.folder()
  expect(await subject.seed(await subject.rewritten(change), volume)).toMatchObject(words)
  expect(await markerOf(volume).catch(() => 'none')).not.toContain('seeded')
})

test('a manifest that is gone, is another, or is none: nothing is touched', async () => {
  const volume = await subject.stage.folder()
  const gone = { ...subject.sealed, manifest: `${subject.sealed.manifest}-gone` }
  expect(await subject.seed(gone, volume)).toMatchObject(failed('ObjectMissing', gone.manifest))
  expect(await subject.inspect(gone)).toMatchObject(failed('ObjectMissing', gone.manifest))
  const other = { ...subject.sealed, sha256: 'b'.repeat(64) }
  expect(await subject.seed(other, volume)).toMatchObject(
    failed('ObjectDamaged', 'is another manifest than was inspected'),
  )
  const { of, path } = await subject.copied()
  await replace(join(path, of.manifest), Buffer.from('{}'))
  expect(await subject.inspect(of)).toMatchObject(failed('ObjectDamaged', of.manifest))
  expect(await readdir(volume)).toEqual([])
})

test('another key, and none', async () => {
  const keys = await subject.stage.mounts.mount({ '2026': keepSecret(randomBytes(32).toString('base64')) })
  const volume = await subject.stage.folder()
  const wrong = { encryption: { keys, current: '2026' } }
  expect(await subject.seed(subject.sealed, volume, {}, wrong)).toMatchObject({ fault: 'KeyWrong' })
  expect(await markerOf(volume)).toContain('seeding')
  expect(await subject.seed(subject.sealed, await subject.stage.folder(), {}, { encryption: null })).toMatchObject({
    fault: 'KeyWrong',
  })
})

/** As a server is after a failover, with its name and another's data. */
async function becomeReplica(server: Restored['server'], of: Restored): Promise<void> {
  const { host, port, busPort } = of.server
  await order(server, ['FLUSHALL'], ['CLUSTER', 'FLUSHSLOTS'], ['CLUSTER', 'MEET', host, `${port}`, `${busPort}`])
  await until('it copies the other', PATIENCE_MS, async () => {
    await order(server, ['CLUSTER', 'REPLICATE', of.nodeId])
    return true
  })
}

test('servers that are not what they were to be are named', async () => {
  const slots = evenRanges(2).map((range) => [range])
  const restored = await restore(subject.stage, subject.sealed, NEWEST, { slots, persistence: 'rdb' })
  onTestFinished(async () => void (await Promise.all(restored.map(({ server }) => server.remove()))))
  type Shard = ReturnType<typeof verifying>['shards'][number]
  const verify = (change: (shard: Shard) => Partial<Shard>): Promise<AgentReport> => {
    const task = verifying(subject.stage, restored)
    const shards = task.shards.map((shard) => (shard.shard === 1 ? { ...shard, ...change(shard) } : shard))
    const plan = subject.stage.plan(subject.sealed.storage, { ...task, shards })
    return until('they have loaded', PATIENCE_MS, async () => {
      const report = await wordsHere(plan)
      return 'message' in report && report.message.includes('loading') ? undefined : report
    })
  }
  expect(await verify(() => ({}))).toMatchObject({ done: { keys: LARGE + 2 * SHARDS, expired: 0 } })
  const differ = (words: string) => failed('CountsDiffer', `shard 1 (orders-1-0): ${words}`)
  expect(await verify(({ keys }) => ({ keys: keys + 1 }))).toMatchObject(
    differ(`keys loaded: ${Number(restored[1]?.keys) + 1} expected, ${restored[1]?.keys} found`),
  )
  expect(await verify(() => ({ slots: '8192-16382' }))).toMatchObject(
    differ('slots: 8192-16382 expected, 8192-16383 found'),
  )
  const nodeId = 'c'.repeat(40)
  expect(await verify(({ server }) => ({ server: { ...server, nodeId } }))).toMatchObject(
    differ(`node id: ${nodeId} expected, ${restored[1]?.nodeId} found`),
  )
  const [large, small] = restored
  if (large === undefined || small === undefined) throw new Error('there are no two shards')
  await order(
    small.server,
    ['CONFIG', 'SET', 'maxmemory-policy', 'allkeys-random'],
    ['CONFIG', 'SET', 'maxmemory', '1'],
  )
  const evicted = await until('keys go', PATIENCE_MS, async () => {
    const report = await verify(() => ({}))
    return report.result === 'Failed' ? report : undefined
  })
  expect(evicted).toMatchObject(failed('CountsDiffer', 'keys evicted for want of memory (maxMemory): 0 expected'))
  await becomeReplica(small.server, large)
  expect(await verify(() => ({}))).toMatchObject(failed('NotCounted', 'shard 1: orders-1-0 is a replica by now'))
  await small.server.kill()
  expect(await verify(() => ({}))).toMatchObject(failed('ServerUnreachable', 'orders-1-0'))
})
