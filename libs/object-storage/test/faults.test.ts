import { randomBytes } from 'node:crypto'
import { startFaultyStorage, until } from '@slotkeeper/testing'
import type { SeenRequest } from '@slotkeeper/testing'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import type { S3Options } from '../src/index.ts'
import { expectReadOn, expectSameObject } from './broken-reads.ts'
import { collect, faultOf, first, limits, listed, openBucket, PART, startS3, streamOf, unfinished } from './storages.ts'

const server = await startS3()
const proxy = await startFaultyStorage(server)
afterAll(async () => {
  await proxy.stop()
  await server.stop()
})
beforeEach(() => {
  proxy.fault = () => undefined
  proxy.requests.length = 0
})

const open = (options: Partial<S3Options> = {}) => openBucket(server, { endpoint: proxy.endpoint, ...options })
const data = randomBytes(2 * PART + 1000)
const isPart = ({ method, path }: SeenRequest) => method === 'PUT' && path.includes('partNumber=2')
const isComplete = ({ method, path }: SeenRequest) => method === 'POST' && path.includes('uploadId=')
const isBegin = ({ method, path }: SeenRequest) => method === 'POST' && path.includes('uploads')
const isGet = ({ method, path }: SeenRequest) => method === 'GET' && !path.includes('list-type')

const slowDown = { kind: 'refusal', status: 503, code: 'SlowDown' } as const
const internal = { kind: 'refusal', status: 500, code: 'InternalError' } as const
const cut = { kind: 'cut-request', after: 2_000_000 } as const

describe('what passes, is tried again', () => {
  test.each([
    ['a part refused with 503', isPart, slowDown],
    ['a part refused with 500', isPart, internal],
    ['a part cut in the middle', isPart, cut],
    ['a part whose answer is lost', isPart, { kind: 'lost-answer' }],
    ['a part that nobody answers', isPart, { kind: 'silence' }],
    ['a beginning refused with 503', isBegin, slowDown],
    ['an end refused with 500', isComplete, internal],
    ['an end whose answer is lost', isComplete, { kind: 'lost-answer' }],
  ] as const)('%s', async (_what, fits, fault) => {
    const store = open({ stallMs: 1_000 })
    proxy.fault = first(1, fits, fault)
    await store.put('backup', streamOf(data), limits())
    expect(proxy.requests.filter(fits).length).toBeGreaterThanOrEqual(2)
    expect((await collect(store.get('backup', limits()))).equals(data)).toBe(true)
    expect(await unfinished(store)).toEqual([])
  })

  test.each([10, PART + 10])('a conditional put of %i bytes whose answer is lost is known again', async (length) => {
    const store = open()
    const isLast = ({ method, path }: SeenRequest) => (length === 10 ? method === 'PUT' : isComplete({ method, path }))
    proxy.fault = first(1, isLast, { kind: 'lost-answer' })
    const put = () => store.put('once', streamOf(data.subarray(0, length)), { ...limits(), ifAbsent: true })
    expect(await faultOf(put())).toBe('none')
    expect(await faultOf(put())).toBe('Exists')
  })

  test.each([
    [10, 501, 'NotImplemented'],
    [PART + 10, 400, 'InvalidArgument'],
  ])('a conditional put of %i bytes, on a server that knows no condition: %i', async (length, status, code) => {
    const store = open()
    const isLast = (seen: SeenRequest) => (length === 10 ? seen.method === 'PUT' : isComplete(seen))
    proxy.fault = first(1, isLast, { kind: 'refusal', status, code })
    const put = () => store.put('once', streamOf(data.subarray(0, length)), { ...limits(), ifAbsent: true })
    expect(await faultOf(put())).toBe('none')
    expect(await faultOf(put())).toBe('Exists')
  })

  test('a beginning whose answer is lost leaves an upload that nobody knows, until it is swept', async () => {
    const store = open()
    proxy.fault = first(1, isBegin, { kind: 'lost-answer' })
    await store.put('backup', streamOf(data), limits())
    expect(await store.sweep('', new Date(Date.now() - 3_600_000), limits())).toEqual([])
    expect(await unfinished(store)).toEqual(['backup'])
    expect(await unfinished(store)).toEqual([])
    expect((await collect(store.get('backup', limits()))).equals(data)).toBe(true)
  })

  test('looking, listing and deleting', async () => {
    const store = open()
    await store.put('a', streamOf(Buffer.from('a')), limits())
    for (const call of [
      () => store.head('a', limits()),
      () => listed(store.list('', limits())),
      () => collect(store.get('a', limits())),
      () => store.delete(['a'], limits()),
    ]) {
      proxy.fault = first(2, () => true, slowDown)
      expect(await faultOf(call())).toBe('none')
    }
  })
})

describe('a server that does not delete several at once', () => {
  test.each([
    ['knows nothing of it', 501, 'NotImplemented'],
    ['takes it for something else', 400, 'InvalidArgument'],
    ['wants another checksum', 400, 'InvalidRequest'],
    ['does not allow it', 403, 'AccessDenied'],
  ])('%s: they are deleted one by one', async (_what, status, code) => {
    const store = open()
    const keys = ['a', 'b', 'c']
    for (const key of keys) await store.put(key, streamOf(Buffer.from(key)), limits())
    proxy.fault = ({ method }) => (method === 'POST' ? { kind: 'refusal', status, code } : undefined)
    await store.delete([...keys, 'never-there'], limits())
    expect(await listed(store.list('', limits()))).toEqual([])
    expect(proxy.requests.filter(({ method }) => method === 'POST')).toHaveLength(1)
    proxy.fault = ({ method }) =>
      method === 'POST' || method === 'DELETE' ? { kind: 'refusal', status, code } : undefined
    expect(await faultOf(store.delete(keys, limits()))).toBe(status === 403 ? 'Forbidden' : 'Refused')
  })
})

describe('reading goes on', () => {
  test('where the connection broke, again and again', () => expectReadOn({ store: open(), proxy, isGet, data }))

  test('but not for ever where nothing comes', async () => {
    const store = open({ tries: 2, stallMs: 500 })
    await store.put('backup', streamOf(data), limits())
    proxy.fault = (seen) => (isGet(seen) ? { kind: 'cut-answer', after: 1 } : undefined)
    const reading = async () => {
      for await (const _chunk of store.get('backup', limits())) proxy.fault = () => ({ kind: 'silence' })
    }
    expect(await faultOf(reading())).toBe('Slow')
  })

  test('and never in another object of the same name', () => expectSameObject({ store: open(), proxy, isGet, data }))

  test('while its reader takes its time', async () => {
    const store = open({ stallMs: 2_000 })
    await store.put('backup', streamOf(data), limits())
    proxy.requests.length = 0
    const all: Buffer[] = []
    for await (const chunk of store.get('backup', limits())) {
      if (all.length === 0) await new Promise((resolve) => setTimeout(resolve, 2_600))
      all.push(chunk)
    }
    expect(Buffer.concat(all).equals(data)).toBe(true)
    expect(proxy.requests.filter(isGet)).toHaveLength(1)
  })
})

describe('what lasts is named, and nothing stays', () => {
  test.each([
    ['a server that refuses parts', slowDown, 'Unreachable'],
    ['parts that are cut', cut, 'Unreachable'],
    ['parts that nobody answers', { kind: 'silence' }, 'Slow'],
    ['no room', { kind: 'refusal', status: 507, code: 'InsufficientStorage' }, 'Full'],
    ['a quota', { kind: 'refusal', status: 403, code: 'QuotaExceeded' }, 'Full'],
    ['expired credentials', { kind: 'refusal', status: 400, code: 'ExpiredToken' }, 'WrongCredentials'],
    ['a clock that is wrong', { kind: 'refusal', status: 403, code: 'RequestTimeTooSkewed' }, 'Refused'],
    ['a bit turned on the way', { kind: 'flip' }, 'Refused'],
  ] as const)('%s', async (_what, fault, named) => {
    const store = open({ tries: 2, busyMs: 0, ...(fault.kind === 'silence' ? { stallMs: 1_000 } : {}) })
    proxy.fault = (seen) => (isPart(seen) ? fault : undefined)
    const error = await store.put('backup', streamOf(data), limits()).catch((caught: unknown) => caught)
    expect(error).toMatchObject({ fault: named })
    expect(proxy.requests.filter(isPart).length).toBeLessThanOrEqual(2)
    proxy.fault = () => undefined
    expect(await faultOf(store.head('backup', limits()))).toBe('NotFound')
    expect(await unfinished(store)).toEqual([])
  })

  test('a bit turned in a small object', async () => {
    const store = open()
    proxy.fault = (seen) => (seen.method === 'PUT' ? { kind: 'flip' } : undefined)
    expect(await faultOf(store.put('small', streamOf(Buffer.from('small')), limits()))).toBe('Refused')
    expect(await faultOf(store.head('small', limits()))).toBe('NotFound')
  })

  test('a deadline that comes before the patience ends', async () => {
    const store = open()
    proxy.fault = (seen) => (isPart(seen) ? { kind: 'silence' } : undefined)
    expect(await faultOf(store.put('backup', streamOf(data), limits(1_500)))).toBe('Deadline')
    proxy.fault = () => ({ kind: 'silence' })
    expect(await faultOf(store.head('backup', limits(300)))).toBe('Deadline')
    expect(await faultOf(listed(store.list('', limits(300))))).toBe('Deadline')
    expect(await faultOf(collect(store.get('backup', limits(300))))).toBe('Deadline')
    proxy.fault = () => undefined
    expect(await unfinished(store)).toEqual([])
  })
})

describe('the server itself', () => {
  /** A stream that does something once two parts are on their way. */
  async function* meanwhile(act: () => void | Promise<void>): AsyncGenerator<Buffer> {
    yield data
    await act()
    yield data
  }

  test('stops in the middle of a part: it is slow, and what it left is swept once it goes on', async () => {
    const store = openBucket(server, { tries: 2, stallMs: 400 })
    try {
      expect(await faultOf(store.put('backup', meanwhile(server.pause), limits()))).toBe('Slow')
    } finally {
      server.resume()
    }
    // It still works off what was sent before: a part that comes after an upload was aborted can bring it back.
    await until('a sweep that finds nothing', 20_000, async () => (await unfinished(store)).length === 0 || undefined)
    expect(await listed(store.list('', limits()))).toEqual([])
  })

  test('stops and goes on: the put is whole', async () => {
    const store = openBucket(server, { tries: 4, stallMs: 500 })
    const act = () => {
      server.pause()
      setTimeout(server.resume, 800)
    }
    await store.put('backup', meanwhile(act), limits())
    expect((await collect(store.get('backup', limits()))).equals(Buffer.concat([data, data]))).toBe(true)
  })

  test('is killed in the middle: it is unreachable, and its unfinished upload is swept when it is back', async () => {
    const store = openBucket(server, { tries: 2 })
    expect(await faultOf(store.put('backup', meanwhile(server.kill), limits()))).toBe('Unreachable')
    await server.restart()
    expect(await listed(store.list('', limits()))).toEqual([])
    expect(await unfinished(store)).toEqual(['backup'])
    expect(await unfinished(store)).toEqual([])
  })
})

test('no more bytes a second than allowed, counted from below', async () => {
  const store = open({ maxBytesPerSecond: 1_000_000 })
  const start = performance.now()
  await store.put('paced', streamOf(data.subarray(0, 1_500_000), 100_000), limits())
  expect(performance.now() - start).toBeGreaterThan(1_300)
  await collect(store.get('paced', { ...limits(), to: 500_000 }))
  expect(performance.now() - start).toBeGreaterThan(1_800)
})
