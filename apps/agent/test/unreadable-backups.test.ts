import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { AgentPlan, AgentTask } from '@slotkeeper/backup'
import { type ContainerKey, type ObjectStore, packContainer, StorageError } from '@slotkeeper/object-storage'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { withUnreadable } from '../src/unreadable-backups.ts'
import { keepSecret, wordsHere } from './agent-process.ts'
import { drawBackup, limits, PATIENCE_MS, Stage } from './stage.ts'

vi.setConfig({ testTimeout: 4 * PATIENCE_MS, hookTimeout: 4 * PATIENCE_MS })

let stage: Stage

beforeAll(async () => {
  stage = await Stage.make()
})

afterAll(() => stage?.close())

async function* once(text: string): AsyncGenerator<Buffer> {
  yield Buffer.from(text)
}

/** A backup as far as the storage shows it: a shard, and a manifest that nobody has to understand. */
async function keep(store: ObjectStore, encryption: ContainerKey | 'none'): Promise<string> {
  const { namespace, name, uid } = drawBackup()
  const folder = `${namespace}/${name}/${uid}/`
  const object = `${folder}shard-0-0a.rdb`
  await store.put(object, packContainer(once('data'), { subject: object, encryption }), limits())
  await store.put(`${folder}manifest`, once('a manifest'), limits())
  return `${folder}manifest`
}

const drawKey = (id: string) => {
  const text = keepSecret(randomBytes(32).toString('base64'))
  return { text, key: { id, key: Buffer.from(text, 'base64') } }
}

async function held(storage: AgentPlan['storage'], encryption: AgentPlan['encryption']) {
  const task: AgentTask = { type: 'CheckStorage', sweepAfterMs: 86_400_000, known: [] }
  const report = await wordsHere(stage.plan(storage, task, { encryption }))
  if (report.result === 'Failed' || report.done.task !== 'CheckStorage') throw new Error(JSON.stringify(report))
  expect(report.done.ok).toBe(true)
  return report.done.held
}

test.each(['bucket', 'directory'] as const)('%s: each check opens what is there with the keys of now', async (kind) => {
  const { storage, store } = await stage[kind]()
  const [first, second] = [drawKey('first'), drawKey('second')]
  const keys = await stage.mounts.mount({ first: first.text, second: second.text })
  const encryption = { keys, current: 'second' }
  const old = await keep(store, first.key)
  await keep(store, second.key)
  expect(await held(storage, encryption)).toMatchObject({ backups: 2, unreadable: 0 })

  // Another value under the same name.
  await writeFile(join(keys, 'first'), drawKey('first').text)
  expect(await held(storage, encryption)).toMatchObject({
    unreadable: 1,
    unreadableReason: 'KeyWrong',
    unreadableMessage: expect.stringContaining(`${old}: the key first is not the one`),
  })
  await writeFile(join(keys, 'first'), first.text)
  expect(await held(storage, encryption)).toMatchObject({ unreadable: 0 })

  // One that is not there.
  const fewer = { keys: await stage.mounts.mount({ second: second.text }), current: 'second' }
  expect(await held(storage, fewer)).toMatchObject({ unreadable: 1, unreadableReason: 'KeyWrong' })
  expect(await held(storage, null)).toMatchObject({ unreadable: 2, unreadableReason: 'KeyWrong' })

  const plain = await keep(store, 'none')
  expect(await held(storage, encryption)).toMatchObject({
    unreadable: 1,
    unreadableReason: 'NotEncrypted',
    unreadableMessage: expect.stringContaining(plain),
  })
})

test('what is damaged is no matter of keys', async () => {
  const { storage, store } = await stage.directory()
  const manifest = await keep(store, 'none')
  const broken = manifest.replace('manifest', 'shard-0-0b.rdb')
  await store.delete([broken.replace('-0b', '-0a')], limits())
  expect(await held(storage, null)).toMatchObject({ backups: 1, unreadable: 0 })
  await store.put(broken, once('no container'), limits())
  expect(await held(storage, null)).toMatchObject({ backups: 1, unreadable: 0 })
})

test.each([
  ['one that lies in an archive says nothing of the others', 'Forbidden', 1, { unreadable: 1 }],
  ['where each is refused nothing was found out', 'Forbidden', 2, {}],
  ['a storage that does not answer is not asked for the next one', 'Unreachable', 1, {}],
] as const)('%s', async (_what, fault, count, found) => {
  const { store } = await stage.directory()
  const manifests = [await keep(store, 'none'), await keep(store, drawKey('gone').key)]
  const refused = manifests.slice(0, count).map((one) => one.replace('manifest', 'shard-0-0a.rdb'))
  const asked: string[] = []
  const partly: Pick<ObjectStore, 'get' | 'list'> = {
    list: (...args) => store.list(...args),
    get: (key, options) => {
      asked.push(key)
      if (refused.includes(key)) throw new StorageError(fault, `no ${key}`)
      return store.get(key, options)
    },
  }
  const newest = manifests.map((manifest) => ({ manifest, endedAt: '2026-11-21T10:00:41Z' }))
  const before = { backups: 2, newest }
  const held = await withUnreadable(partly as ObjectStore, before as never, 'none', limits())
  expect(held).toMatchObject({ ...before, ...found })
  if (!('unreadable' in found)) expect(held).toEqual(before)
  expect(asked).toHaveLength(fault === 'Unreachable' ? 1 : 2)
})
