import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { until } from '@slotkeeper/testing'
import { afterAll, beforeAll, expect, inject, test, vi } from 'vitest'
import { Stage } from './stage.ts'

const EXAMPLE = join(import.meta.dirname, '../../examples/clusters/orders-again.yaml')
const NOBODY = '00000000-0000-0000-0000-000000000000'
const spec = { replicasPerShard: 1, storage: { size: '64Mi' } }
let stage: Stage

// Each wait has a deadline of its own.
vi.setConfig({ testTimeout: 900_000 })

beforeAll(async () => {
  stage = await Stage.open(inject('platform'), 'left-volumes')
})

afterAll(() => stage.close())

/** Creates a cluster, writes to it, and deletes it; gives its uid, and how many keys are on its volumes. */
async function lost(name: string): Promise<{ readonly uid: string; readonly keys: number }> {
  await stage.create(name, spec)
  await stage.healthy(name)
  const writer = await stage.write(name, 200)
  await until('writes', 60_000, async () => (writer.record().acknowledged.size > 300 ? true : undefined))
  const { acknowledged } = await writer.finish()
  expect((await writer.missing()).acknowledged).toEqual([])
  writer.close()
  const { uid } = (await stage.read(name)).metadata
  await stage.remove(name)
  return { uid, keys: acknowledged.size }
}

/** The keys of all primaries. */
async function keysOf(name: string): Promise<number> {
  const { status } = await stage.read(name)
  const { password = '' } = await stage.secret(`${name}-auth`)
  const sizes = await Promise.all(
    (status?.topology ?? []).map(async ({ primary = '' }) => {
      const client = await stage.connect(primary, { username: 'default', password })
      const size = await client.dbsize()
      client.disconnect()
      return size
    }),
  )
  return sizes.reduce((sum, size) => sum + size, 0)
}

const patch = (name: string, bootstrap: object): Promise<string> =>
  stage.kubectl('patch', 'rdc', name, '--type=merge', '-p', JSON.stringify({ spec: { bootstrap } }))

const told = (reason: string): Promise<true> =>
  until(`the event ${reason}`, 90_000, async () =>
    (await stage.kubectl('get', 'events', '--field-selector', `reason=${reason}`, '-o', 'name')) === ''
      ? undefined
      : true,
  )

test.concurrent('deleted by mistake, created again: it says whose volumes these are, and has every key once they are adopted', async () => {
  const { uid, keys } = await lost('orders')
  expect(keys).toBeGreaterThan(300)
  await stage.create('orders', spec)
  const message = await stage.stalled('orders', 'VolumeHasOtherData')
  expect(message).toContain(`set spec: {bootstrap: {adoptVolumes: {uid: ${uid}}}}`)
  // As the message says.
  await patch('orders', { adoptVolumes: { uid } })
  await stage.healthy('orders')
  expect(await keysOf('orders')).toBeGreaterThanOrEqual(keys)
  await told('VolumesClaimed')
  await expect(patch('orders', { adoptVolumes: { uid: NOBODY } })).rejects.toThrow(/adoptVolumes stays once it is set/)
  // From here on it is a cluster as any: it takes writes, and a primary's pod may go.
  const writer = await stage.write('orders', 100)
  await until('writes', 60_000, async () => (writer.record().acknowledged.size > 100 ? true : undefined))
  const primary = (await stage.read('orders')).status?.topology?.[1]?.primary ?? ''
  await stage.kubectl('delete', 'pod', primary, '--wait=false')
  await stage.sees('orders', 'another primary', (one) => one.status?.topology?.[1]?.primary !== primary)
  await stage.healthy('orders')
  const before = writer.record().acknowledged.size
  await until('more writes', 60_000, async () => (writer.record().acknowledged.size > before + 50 ? true : undefined))
  await writer.finish()
  expect((await writer.missing()).confirmed).toEqual([])
  writer.close()
})

test.concurrent('created again with the uid of another it takes nothing; discarded, it is empty', async () => {
  const { uid } = await lost('other')
  await stage.create('other', { ...spec, bootstrap: { discardVolumes: { uid: NOBODY } } })
  const message = await stage.stalled('other', 'VolumeHasOtherData')
  expect(message).toContain(uid)
  expect(message).toContain(`spec.bootstrap.discardVolumes names another, ${NOBODY}: delete this cluster`)
  expect((await stage.read('other')).status?.formedAt).toBe(undefined)
  await stage.remove('other')
  await stage.create('other', spec)
  await stage.stalled('other', 'VolumeHasOtherData')
  await patch('other', { discardVolumes: { uid } })
  await stage.healthy('other')
  expect(await keysOf('other')).toBe(0)
  await expect(patch('other', { discardVolumes: null })).rejects.toThrow(/discardVolumes stays once it is set/)
})

test('the example is one that the API server takes', async () => {
  const text = await readFile(EXAMPLE, 'utf8')
  expect(text).toContain(`uid: ${NOBODY}`)
  const input = text.replace('name: orders', 'name: example')
  const said = await stage.platform.kubectl(['-n', stage.namespace, 'apply', '--dry-run=server', '-f', '-'], { input })
  expect(said).toMatch(/rediscluster.slotkeeper.dev\/example created/)
})
