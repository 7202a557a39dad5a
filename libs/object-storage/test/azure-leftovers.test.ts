import { randomBytes } from 'node:crypto'
import { type SeenRequest, startAzureStorage, startFaultyStorage } from '@slotkeeper/testing'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { connectAzure } from '../src/azure-connection.ts'
import { tellAzure } from '../src/azure-request.ts'
import { Bounds } from '../src/bounds.ts'
import type { AzureOptions, ObjectStore } from '../src/index.ts'
import { collect, faultOf, first, limits, listed, openContainer, PART, streamOf, unfinished } from './storages.ts'

const server = await startAzureStorage()
const proxy = await startFaultyStorage(server)
afterAll(async () => {
  await proxy.stop()
  await server.stop()
})
beforeEach(() => {
  proxy.fault = () => undefined
  proxy.requests.length = 0
})

const place = { endpoint: `${proxy.endpoint}/${server.account}`, tries: 3, busyMs: 0 }
const open = (options: Partial<AzureOptions> = {}) => openContainer(server, { ...place, ...options })
const data = randomBytes(PART + 1000)
const isEnd = ({ method, path }: SeenRequest) => method === 'PUT' && path.includes('comp=blocklist')
const isDelete = ({ method }: SeenRequest) => method === 'DELETE'
const busy = { kind: 'refusal', status: 503, code: 'ServerBusy' } as const
const lost = { kind: 'lost-answer' } as const

/** Leaves blocks that are no object, as whoever is killed at the end of a put: nothing is heard of them afterwards. */
async function leaveBlocks(store: ObjectStore, key: string): Promise<void> {
  let isDead = false
  proxy.fault = (seen) => {
    isDead ||= isEnd(seen)
    return isDead ? busy : undefined
  }
  expect(await faultOf(store.put(key, streamOf(data), limits()))).toBe('Unreachable')
  proxy.fault = () => undefined
}

const keysOf = async (store: ObjectStore) => (await listed(store.list('', limits()))).map(({ key }) => key)

/** A request of somebody else, on an object of a store with this prefix. */
const ask = (key: string, query: Record<string, string>, headers: Record<string, string>, body = Buffer.alloc(0)) => {
  const { account, container, endpoint, accountKey } = server
  const connection = connectAzure({ account, container, endpoint, credentials: { accountKey } })
  return tellAzure(connection, { method: 'PUT', name: key, query, headers, body }, new Bounds(limits()))
}

describe('dropping blocks leaves nothing', () => {
  test('when the answer to the empty object is lost', async () => {
    const store = open()
    await leaveBlocks(store, 'left')
    proxy.fault = first(1, isEnd, lost)
    expect(await unfinished(store)).toEqual(['left'])
    expect(proxy.requests.filter(isEnd).length).toBeGreaterThanOrEqual(2)
    expect(await keysOf(store)).toEqual([])
    expect(await unfinished(store)).toEqual([])
  })

  test('when the answer to its deletion is lost, and the others are dropped as well', async () => {
    const store = open()
    for (const key of ['left', 'left2']) await leaveBlocks(store, key)
    proxy.fault = first(1, isDelete, lost)
    expect(await unfinished(store)).toEqual(['left', 'left2'])
    expect(await keysOf(store)).toEqual([])
  })

  test('when another object is there by the time it is deleted, which stays', async () => {
    const store = open()
    await leaveBlocks(store, 'left')
    const code = 'ConditionNotMet'
    proxy.fault = first(1, isDelete, { kind: 'refusal', status: 412, code })
    expect(await unfinished(store)).toEqual(['left'])
  })

  test('when we end between the two, until it is swept; and nothing of others is', async () => {
    const prefix = `test-${randomBytes(8).toString('hex')}`
    const store = open({ prefix })
    await leaveBlocks(store, 'left')
    proxy.fault = (seen) => (isDelete(seen) ? busy : undefined)
    expect(await faultOf(unfinished(store))).toBe('Unreachable')
    proxy.fault = () => undefined
    await store.put('empty', streamOf(Buffer.alloc(0)), limits())
    await ask(`${prefix}/others`, {}, { 'x-ms-blob-type': 'BlockBlob', 'x-ms-meta-other': 'slotkeeperempty' })
    expect(await keysOf(store)).toEqual(['empty', 'left', 'others'])
    expect(await store.sweep('', new Date(Date.now() - 3_600_000), limits())).toEqual([])
    expect(await unfinished(store)).toEqual(['left'])
    expect(await keysOf(store)).toEqual(['empty', 'others'])
  })

  test('while blocks of somebody else lie beside what is left, which is let be', async () => {
    const prefix = `test-${randomBytes(8).toString('hex')}`
    const store = open({ prefix })
    await leaveBlocks(store, 'left')
    proxy.fault = (seen) => (isDelete(seen) ? busy : undefined)
    expect(await faultOf(unfinished(store))).toBe('Unreachable')
    proxy.fault = () => undefined
    const theirs = { comp: 'block', blockid: Buffer.from('theirs').toString('base64') }
    await ask(`${prefix}/left`, theirs, {}, Buffer.from('x'))
    expect(await unfinished(store)).toEqual([])
    expect(await keysOf(store)).toEqual(['left'])
  })
})

describe('a small object', () => {
  const manifest = () => streamOf(Buffer.from('{"kind":1}'))

  test('is stored by one request, and read back', async () => {
    const store = open()
    await store.put('a/manifest', manifest(), limits())
    expect(proxy.requests.filter(({ method }) => method === 'PUT')).toHaveLength(1)
    expect(String(await collect(store.get('a/manifest', limits())))).toBe('{"kind":1}')
  })

  test('leaves nothing under its name when it is refused, and each answer afterwards is lost', async () => {
    const store = open({ tries: 2 })
    const put = () => store.put('a/manifest', manifest(), { ...limits(), ifAbsent: true })
    let puts = 0
    proxy.fault = (seen) => {
      // A block would pass, and the end of its put be refused.
      if (seen.method !== 'PUT' || seen.path.includes('comp=block&')) return undefined
      return (puts += 1) <= 2 ? busy : lost
    }
    expect(await faultOf(put())).toBe('Unreachable')
    proxy.fault = () => undefined
    expect(await keysOf(store)).toEqual([])
    expect(await faultOf(put())).toBe('none')
    expect(await faultOf(put())).toBe('Exists')
  })

  test('with a bit turned on the way is refused', async () => {
    const store = open()
    proxy.fault = ({ method }) => (method === 'PUT' ? { kind: 'flip' } : undefined)
    expect(await faultOf(store.put('small', manifest(), limits()))).toBe('Refused')
    expect(await faultOf(store.head('small', limits()))).toBe('NotFound')
  })
})

test('an object on which somebody holds a lease is not deleted, and no other name is called for', async () => {
  const prefix = `test-${randomBytes(8).toString('hex')}`
  const store = open({ prefix })
  await store.put('held', streamOf(data), limits())
  const lease = { 'x-ms-lease-action': 'acquire', 'x-ms-lease-duration': '-1' }
  await ask(`${prefix}/held`, { comp: 'lease' }, lease)
  const error = await store.delete(['held'], limits()).catch((caught: unknown) => caught)
  expect(error).toMatchObject({ fault: 'Refused', remedy: expect.stringContaining('break the lease') })
  expect(String(error)).toContain('LeaseIdMissing')
})
