import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ENGINES, fillServer, librariesOf, until, valueOf } from '@slotkeeper/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  canLoad,
  commonHeader,
  Crc64,
  formatWrittenBy,
  keySlot,
  type RdbCounts,
  type RdbEngine,
  RdbMerger,
  RdbParser,
  RdbTally,
} from '../src/index.ts'
import { type Asked, startAsked, tryToLoad } from './loaded-server.ts'
import { read } from './rdb-file.ts'
import { openReplicaStream } from './replica-stream.ts'

const PARTS = 3

/** A filled server, its file, and what is in it. */
type Source = {
  readonly asked: Asked
  readonly file: Buffer
  readonly counts: RdbCounts
  readonly keys: readonly Buffer[]
}

const sources = new Map<string, Source>()
const sourceOf = (engine: string): Source => sources.get(engine) as Source
const engineOf = (name: string): RdbEngine => {
  const [engine, version = ''] = name.split('-')
  return { engine: engine === 'redis' ? 'redis' : 'valkey', version }
}

/** In cluster mode, so that the file has what only that writes, and the server knows the slots of keys. */
async function makeSource(engine: string): Promise<Source> {
  const asked = await startAsked(engine, { 'cluster-enabled': 'yes' })
  try {
    const { ask, server } = asked
    await ask(['CLUSTER', 'ADDSLOTSRANGE', 0, 16_383])
    await until(`${engine} to serve`, 30_000, async () =>
      String(await ask(['CLUSTER', 'INFO'])).includes('cluster_state:ok') ? true : undefined,
    )
    await fillServer(engine, ask)
    await ask(['SAVE'])
    const file = await readFile(join(server.dir, 'dump.rdb'))
    const tally = new RdbTally()
    const parser = new RdbParser(tally)
    parser.push(file)
    parser.finish()
    return { asked, file, counts: tally.counts(), keys: (await ask(['KEYS', '*'])) as Buffer[] }
  } catch (error) {
    await asked.stop()
    throw error
  }
}

beforeAll(async () => {
  const made = await Promise.allSettled(ENGINES.map(async (engine) => sources.set(engine, await makeSource(engine))))
  for (const one of made) if (one.status === 'rejected') throw one.reason
})
afterAll(async () => {
  await Promise.all(Array.from(sources.values(), ({ asked }) => asked.stop()))
})

const partOf = (slot: number): number => Math.floor((slot * PARTS) / 16_384)

/** Files of three parts in folders of their own, each by a merger that has its slots, and what these counted. */
async function splitInto({ asked, file, counts }: Source): Promise<readonly RdbCounts[]> {
  const { format, version } = counts
  const makePart = async (part: number): Promise<RdbCounts> => {
    const written: Buffer[] = []
    const merger = new RdbMerger({
      header: { format, version },
      has: (slot) => partOf(slot) === part,
      write: (slice) => void written.push(Buffer.from(slice)),
    })
    const parser = new RdbParser(merger.source())
    for (let at = 0; at < file.length; at += 1_000) parser.push(file.subarray(at, at + 1_000))
    parser.finish()
    merger.end()
    const dir = join(asked.server.dir, `part-${part}`)
    await mkdir(dir, { recursive: true })
    await writeFile(join(dir, 'dump.rdb'), Buffer.concat(written))
    return merger.tally.counts()
  }
  return Promise.all(Array.from({ length: PARTS }, (_, part) => makePart(part)))
}

/** Reads a snapshot in the way of a replica, up to the mark behind it or to the end of the connection. */
async function readStream({ server }: Asked, parser: RdbParser, signal: AbortSignal): Promise<void> {
  const stream = await openReplicaStream(server, signal)
  let behind = ''
  try {
    for await (const chunk of stream.chunks) {
      behind += chunk.toString('latin1', parser.push(chunk))
      if (behind.length >= stream.mark.length) break
    }
  } finally {
    stream.close()
  }
  parser.finish()
  expect(behind).toBe(stream.mark)
}

const isSlotHint = (what: unknown): boolean => {
  const { kind, name } = what as { kind?: string; name?: string }
  return kind === 'slotSize' || name === 'slot-info'
}

describe.each(ENGINES)('%s', (engine) => {
  test('every key is found with its slot and its end, and all is counted', async () => {
    const { asked, file, counts, keys } = sourceOf(engine)
    const { ask } = asked
    const expected = await Promise.all(
      keys.map(async (key) => {
        const end = Number(await ask(['PEXPIRETIME', key]))
        return [
          key.toString('latin1'),
          { slot: Number(await ask(['CLUSTER', 'KEYSLOT', key])), expiresAtMs: end === -1 ? null : end },
        ] as const
      }),
    )
    const records = read(file, [333]).told.flatMap(({ what }) => {
      const { key, slot, expiresAtMs } = what as { key?: string; slot: number; expiresAtMs: number | null }
      return key === undefined ? [] : [[key, { slot, expiresAtMs }] as const]
    })
    expect(records.length).toBe(keys.length)
    expect(Object.fromEntries(records)).toEqual(Object.fromEntries(expected))
    expect(counts).toMatchObject({
      ...formatWrittenBy(engineOf(engine), 'file'),
      keys: Number(await ask(['DBSIZE'])),
      expiring: expected.filter(([, { expiresAtMs }]) => expiresAtMs !== null).length,
      functions: ((await ask(['FUNCTION', 'LIST'])) as unknown[]).length,
      checksumSaid: true,
      producer: expect.stringContaining(engine.replace('-', ' ')),
    })
    expect(counts.expiring).toBeGreaterThanOrEqual(4)
    // What only a server in cluster mode writes.
    const hints = read(file).told.filter(({ what }) => isSlotHint(what))
    expect(hints.length).toBe(engine === 'redis-7.0' ? 0 : new Set(records.map(([, { slot }]) => slot)).size)
    expect(Object.keys(counts.types)).toEqual(TYPES[engine])
  })

  test('what is in a record is what DUMP gives', async () => {
    const { asked, file, counts } = sourceOf(engine)
    let compared = 0
    for (const { what, bytes } of read(file).told) {
      const { key, type, valueOffset } = what as { key?: string; type: string; valueOffset: number }
      // What is kept in tables may come in another order.
      if (key === undefined || ['set', 'hash', 'hash-2', 'hash-metadata'].includes(type)) continue
      const dump = (await asked.ask(['DUMP', Buffer.from(key, 'latin1')])) as Buffer
      const payload = Buffer.from(bytes, 'latin1').subarray(valueOffset)
      expect(payload.equals(dump.subarray(1, -10)), key).toBe(true)
      expect(
        new Crc64()
          .update(dump, 0, dump.length - 8)
          .digest()
          .equals(dump.subarray(-8)),
        key,
      ).toBe(true)
      compared += 1
    }
    expect(compared).toBeGreaterThan(counts.keys - 7)
  })

  test('three parts load into three servers, with every value and all functions', async () => {
    const { asked, counts, keys } = sourceOf(engine)
    const parts = await splitInto(sourceOf(engine))
    for (const name of ['keys', 'expiring', 'recordBytes'] as const)
      expect(
        parts.reduce((sum, part) => sum + part[name], 0),
        name,
      ).toBe(counts[name])
    const servers = await Promise.all(
      parts.map((_, part) => startAsked(engine, { dir: join(asked.server.dir, `part-${part}`) })),
    )
    try {
      const sizes = await Promise.all(servers.map(async ({ ask }) => Number(await ask(['DBSIZE']))))
      expect(sizes).toEqual(parts.map((part) => part.keys))
      for (const key of keys) {
        const slot = Number(await asked.ask(['CLUSTER', 'KEYSLOT', key]))
        const target = servers[partOf(slot)] as Asked
        expect(await valueOf(target.ask, key), key.toString('latin1')).toEqual(await valueOf(asked.ask, key))
      }
      for (const { ask } of servers) expect(await librariesOf(ask)).toEqual(await librariesOf(asked.ask))
    } finally {
      await Promise.all(servers.map((server) => server.stop()))
    }
  })

  test('files without compression or checksum, and with how keys were used, are read as well', async () => {
    const asked = await startAsked(engine, {
      rdbcompression: 'no',
      rdbchecksum: 'no',
      'maxmemory-policy': 'allkeys-lfu',
    })
    try {
      const save = async () => {
        await asked.ask(['SAVE'])
        return read(await readFile(join(asked.server.dir, 'dump.rdb')), [77])
      }
      await fillServer(engine, asked.ask)
      const frequent = await save()
      await asked.ask(['CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru'])
      const idle = await save()
      const used = (told: typeof frequent.told, name: string) =>
        told.filter(({ what }) => typeof (what as Record<string, unknown>)[name] === 'number').length
      const keys = Number(await asked.ask(['DBSIZE']))
      expect([used(frequent.told, 'frequency'), used(frequent.told, 'idleSeconds')]).toEqual([keys, 0])
      expect([used(idle.told, 'frequency'), used(idle.told, 'idleSeconds')]).toEqual([0, keys])
      expect(frequent.end?.said).toBe(null)
    } finally {
      await asked.stop()
    }
  })

  test('a stream to a replica that announces no version is read up to its end, and is of the version that was said', async () => {
    const asked = await startAsked(engine, { 'repl-diskless-sync': 'yes', 'repl-diskless-sync-delay': '0' })
    const signal = AbortSignal.timeout(40_000)
    try {
      for (const name of ['a', 'b', 'c']) await asked.ask(['SET', name, name.repeat(50_000)])
      const tally = new RdbTally()
      await readStream(asked, new RdbParser(tally, { stopAtEnd: true }), signal)
      expect(tally.counts()).toMatchObject({ ...formatWrittenBy(engineOf(engine), 'stream'), keys: 3 })
    } finally {
      await asked.stop()
    }
  })

  test.each(ENGINES.filter((other) => other !== engine))('its file in %s', async (other) => {
    const { asked, file, counts } = sourceOf(engine)
    const dir = join(asked.server.dir, `in-${other}`)
    await mkdir(dir)
    await writeFile(join(dir, 'dump.rdb'), file)
    const loaded = await tryToLoad(other, dir)
    const { loads, reason } = canLoad(counts, engineOf(other))
    expect(loaded, reason).toEqual(loads ? { loads, keys: counts.keys } : { loads, log: expect.any(String) })
  })
})

/** One file of what several servers wrote: of each the keys of every so manyth slot. */
function mergeFiles(engines: readonly string[]): Buffer {
  const written: Buffer[] = []
  const header = commonHeader(engines.map((engine) => sourceOf(engine).counts))
  if (header === null) throw new Error('they have no header in common')
  let turn = 0
  const has = (slot: number): boolean => slot % engines.length === turn
  const merger = new RdbMerger({ header, has, write: (slice) => void written.push(Buffer.from(slice)) })
  for (const engine of engines) {
    const parser = new RdbParser(merger.source())
    parser.push(sourceOf(engine).file)
    parser.finish()
    turn += 1
  }
  merger.end()
  return Buffer.concat(written)
}

/** A server that has loaded a file. */
async function startOver(engine: string, folder: string, file: Buffer): Promise<Asked> {
  const dir = join(sourceOf(engine).asked.server.dir, folder)
  await mkdir(dir)
  await writeFile(join(dir, 'dump.rdb'), file)
  return startAsked(engine, { dir })
}

test.each(ENGINES)('%s reads the same in a file of the latest version as in that of each server', async (target) => {
  const engines = ENGINES.filter((engine) => canLoad(sourceOf(engine).counts, engineOf(target)).loads)
  expect(engines.length).toBeGreaterThan(target === 'redis-7.0' ? 0 : 1)
  const merged = await startOver(target, 'merged', mergeFiles(engines))
  try {
    let compared = 0
    for (const [turn, engine] of engines.entries()) {
      const { keys, file } = sourceOf(engine)
      const alone = await startOver(target, `alone-${engine}`, file)
      try {
        for (const key of keys.filter((one) => keySlot(one) % engines.length === turn)) {
          const name = `${engine}: ${key.toString('latin1')}`
          expect(await valueOf(merged.ask, key), name).toEqual(await valueOf(alone.ask, key))
          compared += 1
        }
      } finally {
        await alone.stop()
      }
    }
    expect(Number(await merged.ask(['DBSIZE']))).toBe(compared)
  } finally {
    await merged.stop()
  }
})

test('hash fields that end are not in a stream of Valkey 9 to a replica that announces no version: it breaks off', async () => {
  const asked = await startAsked('valkey-9.1', { 'repl-diskless-sync': 'yes', 'repl-diskless-sync-delay': '0' })
  try {
    await asked.ask(['HSET', 'hash', 'field', 'value'])
    await asked.ask(['HPEXPIREAT', 'hash', 4_102_444_800_000, 'FIELDS', 1, 'field'])
    const parser = new RdbParser(new RdbTally(), { stopAtEnd: true })
    await expect(readStream(asked, parser, AbortSignal.timeout(40_000))).rejects.toThrow(
      /closed the connection|ends before its end mark/,
    )
  } finally {
    await asked.stop()
  }
})

const SHARED_TYPES = [
  'hash',
  'hash-listpack',
  'list-quicklist-2',
  'set',
  'set-intset',
  'string',
  'zset-2',
  'zset-listpack',
]
const LATER_TYPES = [...SHARED_TYPES, 'set-listpack', 'stream-listpacks-3']

/** The types that each writes, so that none goes missing unseen. */
const TYPES: Readonly<Record<string, readonly string[]>> = {
  'redis-7.0': [...SHARED_TYPES, 'stream-listpacks-2'].toSorted(),
  'redis-8.0': [...LATER_TYPES, 'hash-listpack-ex', 'hash-metadata', 'module-2'].toSorted(),
  'valkey-8.1': LATER_TYPES.toSorted(),
  'valkey-9.1': [...LATER_TYPES, 'hash-2'].toSorted(),
}
