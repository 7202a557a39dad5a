import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { onSmallDisk, until } from '@slotkeeper/testing'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { doneHere, lastWords, startAgent } from './agent-process.ts'
import { claimKey, failed, FIRST, markerOf, MIB, SECOND, SeedCase } from './seed-case.ts'
import { seeding } from './seed-stage.ts'
import { PATIENCE_MS } from './stage.ts'

vi.setConfig({ testTimeout: 4 * PATIENCE_MS, hookTimeout: 4 * PATIENCE_MS })

let subject: SeedCase
beforeAll(async () => {
  subject = await SeedCase.make()
})
afterAll(() => subject.close())

/** Every file below a folder, and what is in it. */
async function treeOf(path: string): Promise<Readonly<Record<string, string>>> {
  const names = (await readdir(path, { recursive: true })).toSorted()
  const rows = names.map(async (name) => {
    const file = await stat(join(path, name))
    return [name, file.isDirectory() ? 'a folder' : (await readFile(join(path, name))).toString('latin1')] as const
  })
  return Object.fromEntries(await Promise.all(rows))
}

const MINE = 'uid-of-the-restore'
const strangers: readonly (readonly [string, Readonly<Record<string, string>>, string])[] = [
  ['data of a cluster', { 'slotkeeper.marker': 'uid-of-a-cluster 0 live\n', 'dump.rdb': 'x' }, 'uid-of-a-cluster'],
  ['what another restore left', { 'slotkeeper.marker': 'another 0 seeding\n', 'dump.rdb': 'x' }, 'another'],
  ['what was seeded and is used', { 'slotkeeper.marker': `${MINE} 0 live\n`, 'dump.rdb': 'x' }, 'is live'],
  ['another shard of the same restore', { 'slotkeeper.marker': `${MINE} 1 seeded\n` }, 'shard 1'],
  ['data without a marker', { 'dump.rdb': 'x', 'nodes.conf': 'y' }, 'dump.rdb, nodes.conf'],
  ['a table of nodes alone', { 'nodes.conf': 'y' }, 'nodes.conf'],
  ['something else', { 'photos/cat.jpg': 'x' }, 'photos'],
  ['a marker that is none', { 'slotkeeper.marker': '\n', 'dump.rdb': 'x' }, 'somebody else'],
  ['something beside what is ours', { 'slotkeeper.marker': `${MINE} 0 seeding\n`, 'photos/cat.jpg': 'x' }, 'photos'],
]

async function volumeWith(files: Readonly<Record<string, string>>): Promise<string> {
  const volume = await subject.stage.folder()
  for (const [name, text] of Object.entries(files)) {
    await mkdir(join(volume, name, '..'), { recursive: true })
    await writeFile(join(volume, name), text)
  }
  return volume
}

test.each(strangers)('a volume with %s is in use, and stays as it is', async (_what, files, words) => {
  const volume = await volumeWith(files)
  const before = await treeOf(volume)
  const report = await subject.seed(subject.sealed, volume, { restore: MINE, slots: SECOND })
  expect(report).toMatchObject(failed('VolumeInUse', words))
  expect(await treeOf(volume)).toEqual(before)
})

test.each([
  ['is a file system of its own', { 'lost+found/of-somebody': 'x' }],
  ['an attempt was killed on at once', { 'slotkeeper.marker.new': MINE }],
  [
    'attempts have left a lot on',
    {
      'slotkeeper.marker': `${MINE} 0 seeding\n`,
      'slotkeeper.marker.new': '',
      'dump.rdb': 'a part',
      'appendonlydir/appendonly.aof.9.incr.aof': 'a part',
      'nodes.conf': 'a part',
      'slotkeeper.clean': '',
    },
  ],
])('a volume that %s is taken', async (_what, files) => {
  const volume = await volumeWith(files)
  const report = await subject.seed(subject.sealed, volume, { restore: MINE, slots: SECOND })
  expect(report).toMatchObject({ done: { keys: 2 } })
  const { 'nodes.conf': nodes, ...others } = await treeOf(volume)
  const names = Object.keys(others).filter((name) => !name.startsWith('lost+found'))
  expect(names).toEqual(['dump.rdb', 'slotkeeper.clean', 'slotkeeper.ended', 'slotkeeper.marker'])
  expect('lost+found/of-somebody' in others).toBe('lost+found/of-somebody' in files)
  expect(nodes).toMatch(
    new RegExp(`^[0-9a-f]{40} :0@0 myself,\\w+ - 0 0 1 connected ${SECOND}\nvars currentEpoch 1 lastVoteEpoch 0\n$`),
  )
})

test.each([
  ['where it is known beforehand', FIRST, 'is too small'],
  // Of a part of a shard nobody knows how large it is.
  ['where it shows on the way', '0-2000,4000-5461', 'has no room left'],
])('a volume that is too small: %s', async (_what, slots, words) => {
  const volume = await subject.stage.folder()
  const onSmall = (command: readonly string[]) => onSmallDisk(volume, 4 * MIB, command)
  // So that the shard has a key elsewhere, and is taken in part.
  const of = slots === FIRST ? subject.sealed : await subject.rewritten((manifest) => claimKey(manifest, 3000))
  const report = await lastWords(subject.stage.plan(of.storage, seeding(of, volume, { slots })), onSmall)
  expect(report).toMatchObject(failed('VolumeTooSmall', words))
  expect(report).toMatchObject(failed('VolumeTooSmall', /\d{7} bytes were free, the data take some 1\d{7}/))
})

/** An agent that fills a volume slowly, and has begun. */
async function slowly(task: ReturnType<typeof seeding>) {
  const agent = await startAgent(subject.stage.plan(subject.sealed.storage, { ...task, maxBytesPerSecond: 2 * MIB }))
  await until('data are there', PATIENCE_MS, async () => {
    const { shards } = await agent.progress()
    return (shards[0]?.bytes ?? 0) > MIB || undefined
  })
  return agent
}

test('killed in the middle, told to end in the middle, killed at the end: the next attempt leaves the same', async () => {
  const volume = await subject.stage.folder()
  const task = seeding(subject.sealed, volume)
  const unfinished = `${task.restore} 0 seeding\n`
  const killed = await slowly(task)
  killed.signal('SIGKILL')
  expect((await killed.ended).report).toBe(null)
  expect(await markerOf(volume)).toBe(unfinished)

  const told = await slowly(task)
  expect((await told.progress()).shards).toMatchObject([{ shard: 0, done: false }])
  told.signal('SIGTERM')
  expect((await told.ended).report).toMatchObject({ fault: 'Interrupted' })
  expect(await markerOf(volume)).toBe(unfinished)

  const plan = subject.stage.plan(subject.sealed.storage, task)
  const first = await doneHere('SeedShard', plan)
  const { 'nodes.conf': nodes, ...others } = await treeOf(volume)
  expect(others['slotkeeper.marker']).toBe(`${task.restore} 0 seeded\n`)
  // As after a pod that was lost with its report: what has been seeded is seeded again, by another name.
  const second = await doneHere('SeedShard', plan)
  const { 'nodes.conf': later, ...again } = await treeOf(volume)
  expect(again).toEqual(others)
  expect(second).toEqual({ ...first, nodeId: second.nodeId })
  expect(second.nodeId).not.toBe(first.nodeId)
  expect(later).toBe(nodes?.replace(first.nodeId, second.nodeId))
})

test('an attempt that was given up and still lives does not mark what another one writes', async () => {
  const volume = await subject.stage.folder()
  const task = seeding(subject.sealed, volume)
  const old = await slowly(task)
  const done = await doneHere('SeedShard', subject.stage.plan(subject.sealed.storage, task))
  const after = await treeOf(volume)
  expect((await old.ended).report).toMatchObject({ fault: 'Interrupted' })
  expect(await treeOf(volume)).toEqual(after)
  expect(after['nodes.conf']).toContain(done.nodeId)
})

test.each(['rdb', 'aof'] as const)('the group may read and write all, whatever the umask: %s', async (persistence) => {
  const volume = await subject.stage.folder()
  const strict = (command: readonly string[]) => ['sh', '-c', 'umask 077 && exec "$@"', 'sh', ...command]
  const task = seeding(subject.sealed, volume, { slots: SECOND, persistence })
  expect(await lastWords(subject.stage.plan(subject.sealed.storage, task), strict)).toMatchObject({ result: 'Done' })
  for (const name of await readdir(volume, { recursive: true })) {
    const file = await stat(join(volume, name))
    expect({ name, mode: file.mode & 0o777 }).toEqual({ name, mode: file.isDirectory() ? 0o770 : 0o660 })
  }
})
