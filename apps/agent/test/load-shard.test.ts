import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import type { AgentTask } from '@slotkeeper/backup'
import { closeConnections, ENGINES, freePorts, type Place, SHARDS, takesConnections, until } from '@slotkeeper/testing'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { wordsHere } from './agent-process.ts'
import { type Scratch, startScratch } from './scratch-server.ts'
import { asking, backUp, contentOf, fillShards, type Sealed, startShards } from './seed-stage.ts'
import { PATIENCE_MS, Stage, TAGS } from './stage.ts'

vi.setConfig({ testTimeout: 4 * PATIENCE_MS, hookTimeout: 4 * PATIENCE_MS })

const sources = new Map<string, Sealed & { readonly keys: number }>()
const places: Place[] = []
let stage: Stage

beforeAll(async () => {
  stage = await Stage.make()
  await Promise.all(
    ENGINES.map(async (engine) => {
      const shards = await startShards(engine)
      places.push(...shards)
      await fillShards(engine, shards)
      const { storage } = await stage.directory()
      const sealed = await backUp(stage, storage, engine, shards)
      sources.set(engine, { ...sealed, keys: (await contentOf(shards.map(({ server }) => server))).size })
    }),
  )
})

afterAll(async () => {
  closeConnections()
  await Promise.all(places.map(({ server }) => server.remove()))
  await stage.close()
})

const sourceOf = (engine: string): Sealed & { readonly keys: number } => {
  const source = sources.get(engine)
  if (source === undefined) throw new Error(`no backup of ${engine}`)
  return source
}

const loading = ({ manifest, sha256 }: Sealed, volume: string, shard: number, port: number): AgentTask => ({
  type: 'LoadShard',
  manifest,
  sha256,
  volume,
  shard,
  port,
})

async function scratchOf(engine: string): Promise<Scratch> {
  const scratch = await startScratch(engine)
  onTestFinished(() => scratch.remove())
  return scratch
}

const load = (sealed: Sealed, { volume, port }: Pick<Scratch, 'volume' | 'port'>, shard: number) =>
  wordsHere(stage.plan(sealed.storage, loading(sealed, volume, shard, port)))

describe.each([...ENGINES])('%s', (engine) => {
  test('a server that is started from each shard has all of it, but for a key whose time was over', async () => {
    const { keys, ...sealed } = sourceOf(engine)
    let [loaded, expired] = [0, 0]
    for (let shard = 0; shard < SHARDS; shard++) {
      const report = await load(sealed, await scratchOf(engine), shard)
      if (report.result !== 'Done' || report.done.task !== 'LoadShard') throw new Error(JSON.stringify(report))
      expect(report.done.shard).toBe(shard)
      loaded += report.done.keys
      expired += report.done.expired
    }
    expect([loaded, expired]).toEqual([keys, 1])
  })
})

test.each(['redis-8.0', 'valkey-9.1'])(
  '%s: a hash whose fields are all over by then is missing without being counted, and nothing is wrong with that',
  async (engine) => {
    const shards = await startShards(engine)
    onTestFinished(async () => void (await Promise.all(shards.map(({ server }) => server.remove()))))
    const [last] = shards.slice(-1).map(({ server }) => asking(server)) as [ReturnType<typeof asking>]
    await last(['DEBUG', 'SET-ACTIVE-EXPIRE', '0'])
    for (const name of ['a', 'b']) {
      await last(['HSET', `${TAGS[2]}:${name}`, 'field', 'x'])
      await last(['HPEXPIRE', `${TAGS[2]}:${name}`, '1', 'FIELDS', '1', 'field'])
    }
    await last(['SET', `${TAGS[2]}:kept`, 'x'])
    const { storage } = await stage.directory()
    const sealed = await backUp(stage, storage, engine, shards)
    const report = await load(sealed, await scratchOf(engine), 2)
    if (report.result !== 'Done' || report.done.task !== 'LoadShard') throw new Error(JSON.stringify(report))
    expect(report.done.keys + report.done.expired).toBe(3)
  },
)

test('a server that does not load it fails it, with what it says', async () => {
  const report = await load(sourceOf('redis-8.0'), await scratchOf('valkey-8.1'), 1)
  expect(report).toMatchObject({ result: 'Failed', fault: 'DataUnreadable' })
  expect(JSON.stringify(report)).toMatch(
    /a server that was started from shard 1 of what is stored ended with 1: .*RDB format version/,
  )
})

test('a server that is not the one that was started for it is not taken for it', async () => {
  const sealed = sourceOf('valkey-9.1')
  const [other] = places
  const volume = await stage.folder()
  const { port = 0, host = '' } = other?.server ?? {}
  expect(host).toBe('127.0.0.1')
  const report = await load(sealed, { volume, port }, 0)
  expect(report).toMatchObject({ result: 'Failed', fault: 'CountsDiffer', message: expect.stringContaining('node id') })
})

test('a container that was killed does not start its server again, and says so', async () => {
  const sealed = sourceOf('valkey-9.1')
  const scratch = await scratchOf('valkey-9.1')
  expect(await load(sealed, scratch, 0)).toMatchObject({ result: 'Done' })
  await scratch.restart()
  const ended = join(scratch.volume, 'scratch.ended')
  await until('its word', PATIENCE_MS, () => Promise.resolve(existsSync(ended) || undefined))
  expect(await readFile(ended, 'utf8')).toBe('137\n')
  expect(await takesConnections(scratch.port)).toBe(false)
})

test('a server that was killed is another attempt, not a damaged backup', async () => {
  const sealed = sourceOf('valkey-9.1')
  const [port = 0] = await freePorts(1)
  const volume = await stage.folder()
  const words = load(sealed, { volume, port }, 0)
  await until('a filled volume', PATIENCE_MS, async () =>
    (await readFile(join(volume, 'slotkeeper.marker'), 'utf8')).includes(' seeded') ? true : undefined,
  )
  // As where it is created and not yet written.
  await writeFile(join(volume, 'scratch.ended'), '')
  expect(await Promise.race([words, setTimeout(2_000, 'waits')])).toBe('waits')
  await writeFile(join(volume, 'scratch.ended'), '137\n')
  expect(await words).toMatchObject({
    result: 'Failed',
    fault: 'Interrupted',
    message: expect.stringContaining('killed'),
  })
})

test('a shard that the backup does not have is told', async () => {
  const volume = await stage.folder()
  expect(await load(sourceOf('valkey-9.1'), { volume, port: 1 }, 7)).toMatchObject({
    result: 'Failed',
    fault: 'ObjectDamaged',
    message: expect.stringContaining('no shard 7'),
  })
})
