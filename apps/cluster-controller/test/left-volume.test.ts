import { once } from 'node:events'
import { existsSync, watch } from 'node:fs'
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ENGINES, until } from '@slotkeeper/testing'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { freshSecrets, makePod, type Pod, type PodOptions } from './pod.ts'
import { refusesVolume } from './refuses-volume.ts'

const PATIENCE_MS = 45_000
const NET = `127.${64 + Math.floor(Math.random() * 64)}.${Math.floor(Math.random() * 256)}`
const NOBODY = `${NET}.250`
const [THEIR_SECRETS, OUR_SECRETS] = [freshSecrets(), freshSecrets()]
/** In the first of three shards. */
const KEYS = Array.from({ length: 200 }, (_, number) => `{a0}${number}`)
const pods: Pod[] = []
let count = 0

// Each wait has a deadline of its own.
vi.setConfig({ testTimeout: 4 * PATIENCE_MS })

afterAll(async () => {
  await Promise.all(pods.map((pod) => pod.remove()))
})

type Kind = Pick<PodOptions, 'engine' | 'persistence'> & Partial<PodOptions>

async function podOf(kind: Kind): Promise<Pod> {
  const pod = await makePod({
    ip: `${NET}.${++count}`,
    uid: 'ours',
    secrets: OUR_SECRETS,
    nodeTimeoutMs: 60_000,
    ...kind,
  })
  pods.push(pod)
  return pod
}

const file = (pod: Pod, name: string): string => join(pod.data, name)
const markerOf = (pod: Pod): Promise<string> => readFile(file(pod, 'slotkeeper.marker'), 'utf8')
const row = (letter: string, rest: string): string => `${letter.repeat(40)} ${NOBODY}:6379@7 ${rest}`
const OTHERS = [
  row('b', 'master - 0 0 2 connected 5461-10922'),
  row('c', 'master - 0 0 3 connected 10923-16383'),
] as const

/** A primary of the first of three shards, of the cluster `theirs`, that runs. */
async function theirs(kind: Kind): Promise<{ readonly pod: Pod; readonly id: string }> {
  const pod = await podOf({ ...kind, uid: 'theirs', secrets: THEIR_SECRETS })
  await pod.start()
  const [id] = await pod.tell(['CLUSTER', 'MYID'], ['CLUSTER', 'ADDSLOTSRANGE', '0', '5460'])
  await written(pod, KEYS)
  expect(await pod.probe()).toBe(0)
  return { pod, id: String(id) }
}

/** A primary takes no writes in its first two seconds. */
const written = (pod: Pod, keys: readonly string[]): Promise<true> =>
  until('writes', PATIENCE_MS, async () => {
    const answers = await pod.tell(...keys.map((key) => ['SET', key, 'v']))
    return answers.every((answer) => answer === 'OK') ? true : undefined
  })

/** Adds rows to a nodes.conf, before the last one. */
async function list(pod: Pod, rows: readonly string[]): Promise<void> {
  const text = await readFile(file(pod, 'nodes.conf'), 'utf8')
  await writeFile(file(pod, 'nodes.conf'), text.replace(/^vars /m, `${rows.join('\n')}\nvars `))
}

/** What they left, of each kind. */
const volumes: Record<string, { readonly data: string; readonly id: string }> = {}
const KINDS = ENGINES.flatMap((engine) => (['aof', 'rdb'] as const).map((persistence) => ({ engine, persistence })))

beforeAll(async () => {
  await Promise.all(
    KINDS.map(async (kind) => {
      const { pod, id } = await theirs(kind)
      expect(await pod.terminate()).toBe(0)
      await list(pod, OTHERS)
      volumes[`${kind.engine} ${kind.persistence}`] = { data: pod.data, id }
    }),
  )
})

/** A pod on a copy of what they left; nothing runs. */
async function left(kind: Kind, own: 'aof' | 'rdb' = kind.persistence === 'aof' ? 'aof' : 'rdb') {
  const pod = await podOf(kind)
  const { data, id } = volumes[`${kind.engine} ${own}`] ?? { data: '', id: '' }
  await cp(data, pod.data, { recursive: true, preserveTimestamps: true })
  return { pod, id }
}

/** Starts the container, and ends it once so many things have changed on its volume, or a little later. */
async function endedAfter(pod: Pod, changes: number): Promise<void> {
  const watcher = watch(pod.data)
  try {
    const started = pod.start()
    for (let seen = 0; seen < changes; seen += 1)
      await once(watcher, 'change', { signal: AbortSignal.timeout(PATIENCE_MS) })
    await started
    await pod.kill()
  } finally {
    watcher.close()
  }
}

const waitsForThem = (pod: Pod): Promise<true> =>
  until('what it waits for', PATIENCE_MS, async () => /still runs at/.test(await pod.message()) || undefined)

describe.each(KINDS)('$engine with $persistence, a volume of a cluster that was named', (kind) => {
  test.concurrent('to be adopted: the server comes up as who it was, with every key', async () => {
    const { pod, id } = await left({ ...kind, adopt: 'theirs' })
    await pod.start()
    const [me, size, nodes] = await pod.tell(['CLUSTER', 'MYID'], ['DBSIZE'], ['CLUSTER', 'NODES'])
    expect([me, size]).toEqual([id, KEYS.length])
    expect(String(nodes)).toMatch(/myself,\S+ - .* connected 0-5460$/m)
    expect(await markerOf(pod)).toBe('ours 0 live theirs\n')
    expect(await pod.log()).not.toContain('slotkeeper:')
    await pod.kill()
    await pod.start()
    expect(await pod.tell(['CLUSTER', 'MYID'], ['DBSIZE'])).toEqual([id, KEYS.length])
  })

  test.concurrent('to be discarded: a new server, that holds nothing', async () => {
    const { pod, id } = await left({ ...kind, discard: 'theirs' })
    await pod.start()
    const [me, size, nodes] = await pod.tell(['CLUSTER', 'MYID'], ['DBSIZE'], ['CLUSTER', 'NODES'])
    expect(me).not.toBe(id)
    expect(size).toBe(0)
    expect(String(nodes).trim().split('\n')).toHaveLength(1)
    expect(await markerOf(pod)).toBe('ours 0 live\n')
    // Once only: what it holds from now on is its own.
    await pod.tell(['CLUSTER', 'ADDSLOTSRANGE', '0', '5460'])
    await written(pod, ['{a0}later'])
    expect(await pod.terminate()).toBe(0)
    await pod.start()
    expect(await pod.tell(['CLUSTER', 'MYID'], ['DBSIZE'])).toEqual([me, 1])
  })
})

const AOF = { engine: 'valkey-9.1', persistence: 'aof' } as const

// One is the new marker, written aside; three its taking the name; then what is deleted, or written by the server.
test.concurrent.each([1, 3, 5, 8])(
  'killed after %i changes of the volume, either is done by the next start',
  async (changes) => {
    const [adopted, discarded] = await Promise.all([
      left({ ...AOF, adopt: 'theirs' }),
      left({ ...AOF, discard: 'theirs' }),
    ])
    await Promise.all([endedAfter(adopted.pod, changes), endedAfter(discarded.pod, changes)])
    await Promise.all([adopted.pod.start(), discarded.pod.start()])
    const ask = [['CLUSTER', 'MYID'], ['DBSIZE']] as const
    expect(await adopted.pod.tell(...ask)).toEqual([adopted.id, KEYS.length])
    expect(await discarded.pod.tell(...ask)).toEqual([expect.not.stringContaining(discarded.id), 0])
    expect(await markerOf(adopted.pod)).toBe('ours 0 live theirs\n')
    expect(await markerOf(discarded.pod)).toBe('ours 0 live\n')
  },
)

const RDB = { engine: 'valkey-9.1', persistence: 'rdb' } as const
const REST = row('b', 'master - 0 0 2 connected 5461-16383')

describe('adopting', () => {
  test.concurrent.each<[string, Kind, 'aof' | 'rdb', string | null, readonly string[], RegExp]>([
    ['nobody named', AOF, 'aof', null, OTHERS, /holds data of the cluster with uid theirs/],
    [
      'of another cluster',
      { ...AOF, adopt: 'others' },
      'aof',
      null,
      OTHERS,
      /holds data of the cluster with uid theirs/,
    ],
    [
      'of a restore with that uid',
      { ...AOF, adopt: 'theirs' },
      'aof',
      'theirs 0 seeded',
      OTHERS,
      /filled by the restore/,
    ],
    ['without a word in its marker', { ...AOF, adopt: '' }, 'aof', '', OTHERS, /its marker does not say whose/],
    [
      'of another shard',
      { ...AOF, shard: 1, adopt: 'theirs' },
      'aof',
      null,
      OTHERS,
      /is one of shard 0 .* this is shard 1/,
    ],
    ['that was given up', { ...AOF, adopt: 'theirs' }, 'aof', 'theirs 0 discarding', OTHERS, /had begun to give up/],
    ['with an RDB file', { ...AOF, adopt: 'theirs' }, 'rdb', null, OTHERS, /create it with storage.persistence rdb/],
    [
      'with an append-only file',
      { ...RDB, adopt: 'theirs' },
      'aof',
      null,
      OTHERS,
      /create it with storage.persistence aof/,
    ],
    [
      'of fewer shards',
      { ...AOF, adopt: 'theirs' },
      'aof',
      null,
      [REST],
      /had 2 shards, and this one has 3: .* with shards: 2/,
    ],
    [
      'of more shards',
      { ...AOF, adopt: 'theirs' },
      'aof',
      null,
      [...OTHERS, row('d', 'master - 0 0 4 connected 16000')],
      /had 4 shards, and this one has 3: .* create it with shards: 4/,
    ],
  ])('a volume %s is neither served nor touched', async (_what, kind, own, marker, others, message) => {
    const { pod } = await left(kind, own)
    if (marker !== null) await writeFile(file(pod, 'slotkeeper.marker'), marker === '' ? '' : `${marker}\n`)
    const text = await readFile(file(pod, 'nodes.conf'), 'utf8')
    await writeFile(file(pod, 'nodes.conf'), text.replaceAll(/^[bc]{40} .*\n/gm, ''))
    await list(pod, others)
    await refusesVolume(pod, message)
  })

  test.concurrent.each([
    ['a shard of theirs owned no slots', [REST, row('c', 'master - 0 0 3 connected')], null],
    ['the cluster before had not taken all of them over', OTHERS, 'between 0 live theirs\n'],
    ['it was ended while it claimed the volume', OTHERS, 'theirs 0 live\n'],
  ])('a volume is taken over where %s', async (_what, others, marker) => {
    const { pod, id } = await left({ ...AOF, adopt: 'theirs' })
    const text = await readFile(file(pod, 'nodes.conf'), 'utf8')
    await writeFile(file(pod, 'nodes.conf'), text.replaceAll(/^[bc]{40} .*\n/gm, ''))
    await list(pod, others)
    if (marker !== null) await writeFile(file(pod, 'slotkeeper.marker'), marker)
    await writeFile(file(pod, 'slotkeeper.marker.new'), 'ours 0 li')
    await pod.start()
    expect(await pod.tell(['CLUSTER', 'MYID'], ['DBSIZE'])).toEqual([id, KEYS.length])
    expect(await markerOf(pod)).toBe(
      marker?.startsWith('between') ? 'ours 0 live between theirs\n' : 'ours 0 live theirs\n',
    )
  })

  test.concurrent('a replica comes back as one, and an empty volume of its cluster belongs to the same ones', async () => {
    const { pod, id } = await left({ ...AOF, adopt: 'theirs' })
    const text = await readFile(file(pod, 'nodes.conf'), 'utf8')
    // Without the id of its shard, which has to be that of its primary's row.
    const [was, is] = [
      /^(\S+ \S+?)(,shard-id=\w+)? myself,master\S* - (.*) connected 0-5460$/m,
      `$1 myself,slave ${'d'.repeat(40)} $3 connected`,
    ]
    const own = text.replace(was, is)
    await writeFile(file(pod, 'nodes.conf'), own)
    await list(pod, [row('d', 'master - 0 0 9 connected 0-5460')])
    const empty = await podOf({ ...AOF, adopt: 'theirs' })
    await Promise.all([pod.start(), empty.start()])
    const [me, role, size] = await pod.tell(['CLUSTER', 'MYID'], ['ROLE'], ['DBSIZE'])
    expect([me, size]).toEqual([id, KEYS.length])
    expect(String(role)).toMatch(/^slave/)
    expect(await empty.tell(['DBSIZE'])).toEqual([0])
    expect(await markerOf(empty)).toBe('ours 0 live theirs\n')
  })

  test.concurrent.each(['aof', 'rdb'] as const)(
    '%s: an image that cannot read the files ends, and leaves them to one that can, of a third cluster',
    async (persistence) => {
      const older = await podOf({ engine: 'redis-7.0', persistence, adopt: 'theirs' })
      const { data, id } = volumes[`valkey-9.1 ${persistence}`] ?? { data: '', id: '' }
      await cp(data, older.data, { recursive: true, preserveTimestamps: true })
      await older.start()
      expect([0, 78]).not.toContain(await older.ended())
      expect(await markerOf(older)).toBe('ours 0 live theirs\n')
      const newer = { engine: 'valkey-9.1', persistence, uid: 'third', volume: older.data }
      const pod = await podOf({ ...newer, adopt: 'theirs' })
      await pod.start()
      expect(await pod.tell(['CLUSTER', 'MYID'], ['DBSIZE'])).toEqual([id, KEYS.length])
      expect(await markerOf(pod)).toBe('third 0 live ours theirs\n')
    },
  )

  test.concurrent('while the server that left the volume still runs, nobody else does: not with its password either', async () => {
    const { pod: old, id } = await theirs(AOF)
    await list(old, OTHERS)
    const pod = await podOf({ ...AOF, adopt: 'theirs', volume: old.data })
    await pod.start()
    await waitsForThem(pod)
    await written(old, ['{a0}later'])
    await old.kill()
    expect(await pod.tell(['CLUSTER', 'MYID'], ['DBSIZE'])).toEqual([id, KEYS.length + 1])
  })

  test.concurrent('somebody else at the address where it ran holds nobody up, and is not introduced', async () => {
    const { pod: old, id } = await theirs(AOF)
    await list(old, OTHERS)
    await old.kill()
    const stranger = await podOf({ ...AOF, uid: 'strangers', ip: old.ip, secrets: freshSecrets() })
    await stranger.start()
    await stranger.tell(['PING'])
    const pod = await podOf({ ...AOF, adopt: 'theirs', volume: old.data })
    await pod.start()
    expect(await pod.tell(['CLUSTER', 'MYID'], ['DBSIZE'])).toEqual([id, KEYS.length])
  })
})

describe('discarding', () => {
  const ours = { ...AOF, discard: 'theirs' }

  test.concurrent('what no server writes is named, and all of it stays', async () => {
    const { pod } = await left(ours)
    await writeFile(file(pod, 'notes of mine'), 'precious')
    await writeFile(file(pod, 'appendonlydir/more'), 'precious')
    await refusesVolume(
      pod,
      /is to be discarded, and this volume holds what no server writes: notes of mine appendonlydir\/more/,
    )
  })

  test.concurrent.each([
    [
      'of another cluster',
      { ...ours, discard: 'others' },
      'theirs 0 live',
      /holds data of the cluster with uid theirs/,
    ],
    [
      'that was taken over from the one that is named',
      ours,
      'between 0 live theirs',
      /of the cluster with uid between/,
    ],
    ['without a word in its marker', { ...ours, discard: '' }, '', /its marker does not say whose/],
    ['of a restore with that uid', ours, 'theirs 0 seeded', /filled by the restore with uid theirs/],
  ])('a volume %s stays as it is', async (_what, kind, marker, message) => {
    const { pod } = await left(kind)
    await writeFile(file(pod, 'slotkeeper.marker'), `${marker}\n`)
    await refusesVolume(pod, message)
  })

  test.concurrent.each([
    ['before anything was removed', []],
    ['when its table of nodes was gone', ['nodes.conf']],
    ['when all but the table was gone', ['appendonlydir', 'dump.rdb', 'slotkeeper.whole']],
  ])('ended %s, it goes on, and serves nothing of it', async (_when, gone) => {
    const { pod, id } = await left(ours)
    for (const name of gone) await rm(file(pod, name), { recursive: true, force: true })
    await mkdir(file(pod, 'lost+found'))
    await writeFile(file(pod, 'slotkeeper.marker'), 'ours 0 discarding theirs\n')
    await pod.start()
    const [me, size] = await pod.tell(['CLUSTER', 'MYID'], ['DBSIZE'])
    expect(me).not.toBe(id)
    expect(size).toBe(0)
    expect(await markerOf(pod)).toBe('ours 0 live\n')
    expect(existsSync(file(pod, 'lost+found'))).toBe(true)
  })

  test.concurrent('while the server that left the volume still runs, nothing is removed', async () => {
    const { pod: old, id } = await theirs(AOF)
    const pod = await podOf({ ...ours, volume: old.data })
    await pod.start()
    await waitsForThem(pod)
    expect(await markerOf(old)).toBe('theirs 0 live\n')
    expect(await readdir(old.data)).toEqual(expect.arrayContaining(['nodes.conf', 'appendonlydir']))
    await written(old, ['{a0}later'])
    await old.kill()
    const [me, size] = await pod.tell(['CLUSTER', 'MYID'], ['DBSIZE'])
    expect(me).not.toBe(id)
    expect(size).toBe(0)
  })
})
