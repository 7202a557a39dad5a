import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { appendFile, cp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { takesConnections, until } from '@slotkeeper/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { freshSecrets, makePod, type Pod, type PodOptions } from './pod.ts'
import { volumeDigest } from './volume-digest.ts'

const ENGINE = 'valkey-9.1'
const PATIENCE_MS = 30_000
const NET = `127.${64 + Math.floor(Math.random() * 64)}.${Math.floor(Math.random() * 256)}`
const NOBODY = `${NET}.250`
const secrets = freshSecrets()
const pods: Pod[] = []
let count = 0

afterAll(async () => {
  await Promise.all(pods.map((pod) => pod.remove()))
})

async function podOf(
  persistence: PodOptions['persistence'],
  nodeTimeoutMs = 60_000,
  volume?: PodOptions['volume'],
): Promise<Pod> {
  const given = { engine: ENGINE, ip: `${NET}.${++count}`, uid: 'ours', persistence, secrets, nodeTimeoutMs }
  const pod = await makePod({ ...given, ...(volume === undefined ? {} : { volume }) })
  pods.push(pod)
  return pod
}

const idOf = async (pod: Pod): Promise<string> => String((await pod.tell(['CLUSTER', 'MYID']))[0])
const file = (pod: Pod, name: string): string => join(pod.data, name)
const isClean = (pod: Pod): boolean => existsSync(file(pod, 'slotkeeper.clean'))

/** Volumes of a killed primary with all slots and one key that is in its data file. */
const volumes: Record<string, { readonly data: string; readonly id: string }> = {}

beforeAll(async () => {
  await Promise.all(
    (['aof', 'rdb'] as const).map(async (persistence) => {
      const pod = await podOf(persistence)
      await pod.start()
      const [id] = await pod.tell(['CLUSTER', 'MYID'], ['CLUSTER', 'ADDSLOTSRANGE', '0', '16383'])
      await set(pod, 'k')
      expect(await pod.probe()).toBe(0)
      if (persistence === 'rdb') await pod.tell(['SAVE'])
      await pod.kill()
      volumes[persistence] = { data: pod.data, id: String(id) }
    }),
  )
})

/** A primary takes no writes in its first two seconds. */
const set = (pod: Pod, key: string): Promise<true> =>
  until('a write', PATIENCE_MS, async () => ((await pod.tell(['SET', key, 'v']))[0] === 'OK' ? true : undefined))

/** A pod on a copy of such a volume; nothing runs. `source`: whom the replica follows that its nodes.conf lists, if any. */
async function killedPrimary(
  persistence: 'aof' | 'rdb',
  source: string | null,
  nodeTimeoutMs?: number,
): Promise<{ readonly pod: Pod; readonly id: string }> {
  const { data, id } = volumes[persistence] ?? { data: '', id: '' }
  const pod = await podOf(persistence, nodeTimeoutMs)
  await cp(data, pod.data, { recursive: true })
  if (source !== null) await list(pod, heirOf(source === 'mine' ? id : source))
  return { pod, id }
}

const heirOf = (source: string): string => `${'b'.repeat(40)} ${NOBODY}:6379@7 slave ${source} 0 0 1 connected`

/** Adds a line to nodes.conf, before the last one. */
async function list(pod: Pod, line: string): Promise<void> {
  const text = await readFile(file(pod, 'nodes.conf'), 'utf8')
  await writeFile(file(pod, 'nodes.conf'), text.replace(/^vars /m, `${line}\nvars `))
}

const waits = (pod: Pod): Promise<string> =>
  until('what it waits for', PATIENCE_MS, async () =>
    (await pod.message()).includes('waiting with the port closed') ? pod.message() : undefined,
  )

test.concurrent('a first start claims the volume, and the server must not be elected yet', async () => {
  const pod = await podOf('rdb')
  await pod.start()
  expect((await pod.tell(['CONFIG', 'GET', 'cluster-replica-no-failover']))[0]).toEqual([
    'cluster-replica-no-failover',
    'yes',
  ])
  expect(await readFile(file(pod, 'slotkeeper.marker'), 'utf8')).toBe('ours 0 live\n')
})

test.concurrent.each([
  ['another cluster', 'theirs 0 live\n', /volume holds data of the cluster with uid theirs/],
  ['nobody', null, /volume holds data that no marker claims/],
])('a volume that belongs to %s is neither served nor touched', async (_whose, marker, message) => {
  const { pod } = await killedPrimary('aof', null)
  if (marker === null) await rm(file(pod, 'slotkeeper.marker'))
  else await writeFile(file(pod, 'slotkeeper.marker'), marker)
  const before = await volumeDigest(pod.data)
  await pod.start()
  expect(await pod.ended()).toBe(78)
  expect(await pod.message()).toMatch(/^VolumeHasOtherData: /)
  expect(await pod.message()).toMatch(message)
  expect(await volumeDigest(pod.data)).toBe(before)
})

test.concurrent('without a data file a server gives its identity up', async () => {
  const pod = await podOf('none')
  await pod.start()
  const id = await idOf(pod)
  await pod.tell(['CLUSTER', 'ADDSLOTSRANGE', '0', '16383'])
  await pod.kill()
  await pod.start()
  expect(await idOf(pod)).not.toBe(id)
  expect((await pod.tell(['CONFIG', 'GET', 'cluster-replica-no-failover']))[0]).toContain('yes')
  expect(await readFile(file(pod, 'nodes.conf.aside'), 'utf8')).toContain(id)
})

test.concurrent('aof: a killed primary with replicas starts at once, with all it had', async () => {
  const { pod, id } = await killedPrimary('aof', 'mine')
  await pod.start()
  expect(await pod.tell(['CLUSTER', 'MYID'], ['DBSIZE'])).toEqual([id, 1])
})

test.concurrent.each([
  ['nobody saw to be whole', 'slotkeeper.whole', null],
  ['a later sync has not reached', 'dump.rdb', 'of a sync'],
  ['is being written', 'appendonlydir/temp-appendonly.aof.incr', ''],
])('aof: a killed primary whose file %s waits, and starts anew from there', async (_what, name, text) => {
  const { pod, id } = await killedPrimary('aof', 'mine', 1_000)
  if (text === null) await rm(file(pod, name))
  else await writeFile(file(pod, name), text)
  await pod.start()
  await waits(pod)
  await writeFile(file(pod, 'slotkeeper.clean'), '')
  expect(await pod.tell(['CLUSTER', 'MYID'])).toEqual([id])
  // What proved nothing is no proof for the next start either.
  expect(existsSync(file(pod, 'slotkeeper.whole'))).toBe(false)
  expect(await pod.probe()).toBe(0)
  await pod.kill()
  await pod.start()
  expect(await pod.tell(['CLUSTER', 'MYID'], ['DBSIZE'])).toEqual([id, 1])
})

// All pods of a cluster that was formed a moment ago may be deleted at once: nobody is left who could take over.
test.concurrent('aof: a primary whose pod is deleted before the first probe saw its file starts at once', async () => {
  const { pod, id } = await killedPrimary('aof', null)
  await rm(file(pod, 'slotkeeper.whole'))
  await pod.start()
  await set(pod, 'another')
  expect(existsSync(file(pod, 'slotkeeper.whole'))).toBe(false)
  expect(await pod.delete()).toBe(0)
  await list(pod, heirOf(id))
  await pod.start()
  expect(await pod.tell(['CLUSTER', 'MYID'], ['DBSIZE'])).toEqual([id, 2])
})

test.concurrent('aof: what an empty server has is no proof, unless it is a primary with slots', async () => {
  const pod = await podOf('aof')
  await pod.start()
  await idOf(pod)
  expect(await pod.probe()).toBe(0)
  expect(existsSync(file(pod, 'slotkeeper.whole'))).toBe(false)
  await pod.tell(['CLUSTER', 'ADDSLOTSRANGE', '0', '16383'])
  expect(await pod.probe()).toBe(0)
  expect(existsSync(file(pod, 'slotkeeper.whole'))).toBe(true)
  await pod.tell(['CLUSTER', 'FLUSHSLOTS'])
  expect(await pod.probe()).toBe(0)
  expect(existsSync(file(pod, 'slotkeeper.whole'))).toBe(false)
})

test.concurrent('aof: while a server loads its file, what was seen of that stays true', async () => {
  const { pod } = await killedPrimary('aof', null)
  await pod.start()
  await set(pod, 'first')
  // While it loads, a server looks for commands after each 1024 bytes: so after each key.
  const value = () => randomBytes(600).toString('hex')
  await pod.tell(...Array.from({ length: 2_000 }, (_, number) => ['SET', `key ${number}`, value()]))
  await pod.tell(['BGREWRITEAOF'])
  const says = async (words: string) => {
    const node = pod.node()
    try {
      return String((await node.pipeline([['INFO', 'persistence']], 2_000))[0]).includes(words) || undefined
    } finally {
      node.close()
    }
  }
  await until('a new file', PATIENCE_MS, () => says('aof_rewrites:1'))
  await until('its end', PATIENCE_MS, () => says('aof_rewrite_in_progress:0'))
  await pod.kill()
  await appendFile(
    join(pod.data, '../slotkeeper/config/redis.conf'),
    'key-load-delay 20000\nloading-process-events-interval-bytes 1024\n',
  )
  await pod.start()
  await until('the loading', PATIENCE_MS, () => says('loading:1'))
  expect(await pod.probe()).toBe(0)
  expect(await says('loading:1')).toBe(true)
  expect(existsSync(file(pod, 'slotkeeper.whole'))).toBe(true)
})

const [ELECTED, PEER, REPLICA, OTHER] = ['a', 'b', 'c', 'd'].map((letter) => letter.repeat(40)) as [
  string,
  string,
  string,
  string,
]
// The bus is on no port of theirs: what each believes stays as it is.
const row = (id: string, ip: string, rest: string): string => `${id} ${ip}:6379@7 ${rest}`

/** A server that knows these rows and no more; the first is its own. */
async function believer(
  rows: (ip: string) => readonly string[],
  nodeTimeoutMs = 60_000,
  persistence: 'rdb' | 'none' = 'rdb',
): Promise<Pod> {
  const pod =
    persistence === 'none' ? await podOf('none', nodeTimeoutMs) : (await killedPrimary('rdb', null, nodeTimeoutMs)).pod
  await writeFile(file(pod, 'slotkeeper.marker'), 'ours 0 live\n')
  const text = [...rows(pod.ip), 'vars currentEpoch 9 lastVoteEpoch 0', '']
  await writeFile(file(pod, 'nodes.conf'), text.join('\n'))
  return pod
}

test.concurrent.each([
  ['a replica that nobody but itself knows to be one', [], `${ELECTED} master - 0 0 5 connected 0-16383`, true],
  [
    'a peer that has not heard of its election',
    [row(OTHER, NOBODY, 'master - 0 0 4 connected 0-16383')],
    `${ELECTED} slave ${OTHER} 0 0 4 connected`,
    true,
  ],
  [
    'a peer that knows a later owner of its slots',
    [row(OTHER, NOBODY, 'master - 0 0 6 connected 0-16383')],
    `${ELECTED} master - 0 0 5 connected`,
    false,
  ],
])('rdb: a killed primary asks everybody: %s', async (_what, heard, ours, waiting) => {
  const [id, ...rest] = ours.split(' ')
  const follows = waiting && heard.length === 0
  const replica = await believer((ip) => [
    row(REPLICA, ip, `myself,${follows ? `slave ${ELECTED}` : 'master -'} 0 0 0 connected`),
    ...(follows ? [row(ELECTED, NOBODY, 'master - 0 0 5 connected 0-16383')] : []),
  ])
  const peer = await believer((ip) => [
    row(PEER, ip, 'myself,master - 0 0 2 connected'),
    row(id ?? '', NOBODY, rest.join(' ')),
    row(REPLICA, NOBODY, 'master - 0 0 0 connected'),
    ...heard,
  ])
  const elected = await believer(
    (ip) => [
      row(ELECTED, ip, 'myself,master - 0 0 5 connected 0-16383'),
      row(PEER, peer.ip, 'master - 0 0 2 connected'),
      row(REPLICA, replica.ip, 'master - 0 0 0 connected'),
    ],
    1_000,
  )
  await Promise.all([peer.start(), replica.start()])
  await Promise.all([peer, replica].map(idOf))
  await elected.start()
  if (waiting) expect(await waits(elected)).toContain('no peer shows that it was replaced')
  else expect(await idOf(elected)).toBe(ELECTED)
  expect(await elected.log()).not.toContain('does not answer')
})

test.concurrent.each([
  ['follows it, unheard of', `slave ${ELECTED} 0 0 5 connected`, true],
  ['has not heard that it was elected', 'master - 0 0 4 connected 0-16383', true],
  ['was elected after it', 'master - 0 0 6 connected 0-16383', false],
])('none: a killed primary keeps its port from a former one that %s', async (_what, its, waiting) => {
  const former = await believer((ip) => [
    row(REPLICA, ip, `myself,${its}`),
    ...(its.includes(ELECTED) ? [row(ELECTED, NOBODY, 'master - 0 0 5 connected 0-16383')] : []),
  ])
  await former.start()
  expect(await former.tell(['DBSIZE'])).toEqual([1])
  const elected = await believer(
    (ip) => [
      row(ELECTED, ip, 'myself,master - 0 0 5 connected 0-16383'),
      row(REPLICA, former.ip, 'master - 0 0 4 connected'),
    ],
    1_000,
    'none',
  )
  await elected.start()
  if (waiting) expect(await waits(elected)).toContain('a replica still copies from it')
  else expect(await idOf(elected)).not.toBe(ELECTED)
})

test.concurrent('rdb: for a killed primary one that may be its replica counts for a while when it does not answer', async () => {
  const { pod, id } = await killedPrimary('rdb', null, 1_000)
  await list(pod, row(REPLICA, NOBODY, 'master - 0 0 1 connected'))
  await pod.start()
  expect(await pod.tell(['CLUSTER', 'MYID'])).toEqual([id])
  expect(await pod.log()).toContain('one that may be its replica does not answer: starting with what is here')
})

test.concurrent('rdb: a killed primary that nobody replicates starts at once', async () => {
  const { pod, id } = await killedPrimary('rdb', null)
  await pod.start()
  expect(await pod.tell(['CLUSTER', 'MYID'], ['DBSIZE'])).toEqual([id, 1])
})

test.concurrent.each([
  ['replicas', 'mine'],
  ['replicas that have not heard of it yet', 'c'.repeat(40)],
])('rdb: a killed primary with %s waits and says why; a person can start it', async (_what, heir) => {
  const { pod, id } = await killedPrimary('rdb', heir, 1_000)
  const before = await volumeDigest(pod.data)
  await pod.start()
  expect(await waits(pod)).toContain(`create /data/slotkeeper.clean`)
  expect(await pod.log()).toContain('slotkeeper: this node was a primary and did not end in order')
  expect(await takesConnections(6379, pod.ip)).toBe(false)
  expect(await volumeDigest(pod.data)).toBe(before)
  await writeFile(file(pod, 'slotkeeper.clean'), '')
  expect(await pod.tell(['CLUSTER', 'MYID'], ['DBSIZE'])).toEqual([id, 1])
  expect(isClean(pod)).toBe(false)
})

test.concurrent('a server that waits ends when it is told to', async () => {
  const { pod } = await killedPrimary('rdb', 'mine', 1_000)
  await pod.start()
  await waits(pod)
  expect(await pod.terminate()).toBe(143)
})

test.concurrent('rdb: a primary that ended in order starts at once, whoever replicates it', async () => {
  const { pod, id } = await killedPrimary('rdb', null)
  await pod.start()
  await set(pod, 'later')
  expect(await pod.terminate()).toBe(0)
  expect(isClean(pod)).toBe(true)
  await list(pod, heirOf(id))
  await pod.start()
  expect(await pod.tell(['CLUSTER', 'MYID'], ['DBSIZE'])).toEqual([id, 2])
  // Only once: from here on its file grows old again.
  expect(isClean(pod)).toBe(false)
  await pod.kill()
  expect(isClean(pod)).toBe(false)
})

test.concurrent('none: an end in order saves nothing, so it proves nothing of a file that is there', async () => {
  const pod = await podOf('none')
  await pod.start()
  await pod.tell(['SAVE'])
  expect(await pod.terminate()).toBe(0)
  expect(isClean(pod)).toBe(false)
})

test('on a volume whose server still runs, in a pod that was deleted by force, the next one waits for its end', async () => {
  const old = await podOf('aof')
  await old.start()
  await old.tell(['CLUSTER', 'ADDSLOTSRANGE', '0', '16383'])
  await set(old, 'early')
  const next = await podOf('aof', 60_000, old.data)
  await next.start()
  await until(
    'that it waits',
    PATIENCE_MS,
    async () => (await next.message()).includes(`still runs at ${old.ip}`) || undefined,
  )
  await set(old, 'late')
  expect(await takesConnections(6379, next.ip)).toBe(false)
  await old.kill()
  // A count is answered before the cluster is ok.
  expect(await next.tell(['DBSIZE'])).toEqual([2])
})
