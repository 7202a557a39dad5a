import { existsSync } from 'node:fs'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ENGINES, until } from '@slotkeeper/testing'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { freshSecrets, makePod, type Pod, type PodOptions } from './pod.ts'
import { type Seed, seedVolume } from './seed-volume.ts'
import { refusesVolume } from './refuses-volume.ts'

const PATIENCE_MS = 45_000
const NODE_TIMEOUT_MS = 60_000
const NET = `127.${64 + Math.floor(Math.random() * 64)}.${Math.floor(Math.random() * 256)}`
const KEYS = 500
const secrets = freshSecrets()
const pods: Pod[] = []
let count = 0

// Each wait has a deadline of its own.
vi.setConfig({ testTimeout: 4 * PATIENCE_MS })

afterAll(async () => {
  await Promise.all(pods.map((pod) => pod.remove()))
})

async function podOf(kind: Pick<PodOptions, 'engine' | 'persistence'> & Partial<PodOptions>): Promise<Pod> {
  const ip = `${NET}.${++count}`
  const pod = await makePod({ ip, uid: 'ours', secrets, nodeTimeoutMs: NODE_TIMEOUT_MS, restore: 'a-restore', ...kind })
  pods.push(pod)
  return pod
}

/** RDB files with keys, one by each engine. */
const files: Record<string, Uint8Array> = {}

beforeAll(async () => {
  await Promise.all(
    ENGINES.map(async (engine) => {
      const pod = await podOf({ engine, persistence: 'rdb' })
      await pod.start()
      await pod.tell(['CLUSTER', 'ADDSLOTSRANGE', '0', '16383'])
      await written(
        pod,
        Array.from({ length: KEYS }, (_, number) => `key ${number}`),
      )
      await pod.tell(['SAVE'])
      files[engine] = await readFile(join(pod.data, 'dump.rdb'))
      await pod.kill()
    }),
  )
})

/** A primary takes no writes in its first two seconds. */
const written = (pod: Pod, keys: readonly string[]): Promise<true> =>
  until('writes', PATIENCE_MS, async () => {
    const answers = await pod.tell(...keys.map((key) => ['SET', key, 'v']))
    return answers.every((answer) => answer === 'OK') ? true : undefined
  })

type Kind = Partial<PodOptions> & { readonly engine: string; readonly persistence: 'aof' | 'rdb' }

async function seeded(kind: Kind, other: Partial<Seed> = {}): Promise<{ readonly pod: Pod; readonly id: string }> {
  const pod = await podOf(kind)
  const { engine, persistence } = kind
  const whole = { slots: '0-16383', epoch: 2, currentEpoch: 3, rdb: files[engine] ?? new Uint8Array() }
  return { pod, id: await seedVolume(pod.data, { restore: 'a-restore', shard: 0, persistence, ...whole, ...other }) }
}

const file = (pod: Pod, name: string): string => join(pod.data, name)
const both = ENGINES.flatMap((engine) => (['aof', 'rdb'] as const).map((persistence) => ({ engine, persistence })))

describe.each(both)('$engine with $persistence, on a volume that a restore has filled', (kind) => {
  test.concurrent('the server starts at once, as the primary that was written down, with every key', async () => {
    const { pod, id } = await seeded(kind)
    await pod.start()
    const [me, size, nodes, noFailover] = await pod.tell(
      ['CLUSTER', 'MYID'],
      ['DBSIZE'],
      ['CLUSTER', 'NODES'],
      ['CONFIG', 'GET', 'cluster-replica-no-failover'],
    )
    expect([me, size]).toEqual([id, KEYS])
    expect(String(nodes)).toMatch(/myself,\S+ - 0 0 2 connected 0-16383$/m)
    expect(noFailover).toContain('no')
    expect(await readFile(file(pod, 'slotkeeper.marker'), 'utf8')).toBe('ours 0 live\n')
    // What it says of itself once it has ended in order is for that end alone.
    expect(existsSync(file(pod, 'slotkeeper.clean'))).toBe(false)
    expect(await pod.log()).not.toContain('slotkeeper:')
  })

  test.concurrent('killed before any probe has seen it, it comes back with all that was restored', async () => {
    const { pod, id } = await seeded(kind)
    await pod.start()
    await written(pod, ['later'])
    await pod.kill()
    await pod.start()
    const size = kind.persistence === 'aof' ? KEYS + 1 : KEYS
    expect(await pod.tell(['CLUSTER', 'MYID'], ['DBSIZE'])).toEqual([id, size])
  })
})

const ENGINE = 'valkey-9.1'

test.concurrent('aof: killed at once, it waits for no replica: all it was sent is in its file', async () => {
  const { pod, id } = await seeded({ engine: ENGINE, persistence: 'aof' })
  await pod.start()
  await written(pod, ['later'])
  await pod.kill()
  const text = await readFile(file(pod, 'nodes.conf'), 'utf8')
  const heir = `${'b'.repeat(40)} ${NET}.250:6379@7 slave ${id} 0 0 2 connected`
  await writeFile(file(pod, 'nodes.conf'), text.replace(/^vars /m, `${heir}\nvars `))
  await pod.start()
  expect(await pod.tell(['CLUSTER', 'MYID'], ['DBSIZE'])).toEqual([id, KEYS + 1])
})

const ours = { engine: ENGINE, persistence: 'aof' } as const

test.concurrent.each<[string, Partial<Kind>, string | null, RegExp]>([
  ['that is not filled yet', {}, 'a-restore 0 seeding\n', /restore with uid a-restore has begun .* not finished/],
  ['of another shard', { shard: 1 }, null, /filled for shard 0, and this is shard 1/],
  ['of another restore', { restore: 'another' }, null, /filled by the restore with uid a-restore, which this cluster/],
  ['of a restore, in a cluster of none', { restore: '' }, null, /filled by the restore with uid a-restore, which/],
  ['of a cluster, in one of a restore', {}, 'theirs 0 live\n', /holds data of the cluster with uid theirs/],
  ['of a live cluster with the uid of the restore', {}, 'a-restore 0 live\n', /cluster with uid a-restore/],
])('a volume %s is neither served nor touched', async (_what, options, marker, message) => {
  const { pod } = await seeded({ ...ours, ...options })
  if (marker !== null) await writeFile(file(pod, 'slotkeeper.marker'), marker)
  await refusesVolume(pod, message)
})

test.concurrent.each([
  ['no append-only file', 'aof', 'appendonlydir', /left no append-only file here/],
  ['no RDB file', 'rdb', 'dump.rdb', /left no RDB file here/],
  ['no nodes.conf', 'rdb', 'nodes.conf', /left no nodes.conf here/],
] as const)('a volume that was filled and holds %s is not served empty', async (_what, persistence, lost, message) => {
  const { pod } = await seeded({ engine: ENGINE, persistence })
  await rm(file(pod, lost), { recursive: true })
  // What the other kind of server would read is no use to this one.
  if (lost === 'appendonlydir') await writeFile(file(pod, 'dump.rdb'), files[ENGINE] ?? '')
  await refusesVolume(pod, message)
})

test.concurrent('an empty volume in a cluster of a restore: an empty server, which must not be elected', async () => {
  const pod = await podOf({ engine: ENGINE, persistence: 'rdb' })
  await pod.start()
  const [size, noFailover] = await pod.tell(['DBSIZE'], ['CONFIG', 'GET', 'cluster-replica-no-failover'])
  expect(size).toBe(0)
  expect(noFailover).toContain('yes')
})
