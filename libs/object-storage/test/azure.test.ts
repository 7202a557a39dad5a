import { createHmac, randomBytes } from 'node:crypto'
import { type SeenRequest, startAzureStorage, startFaultyStorage } from '@slotkeeper/testing'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { type AzureCredentials, type AzureOptions, checkStorage, openAzure, StorageError } from '../src/index.ts'
import { expectReadOn, expectSameObject } from './broken-reads.ts'
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

const open = (options: Partial<AzureOptions> = {}) =>
  openContainer(server, { endpoint: `${proxy.endpoint}/${server.account}`, ...options })
const data = randomBytes(2 * PART + 1000)
const isBlock = ({ method, path }: SeenRequest) => method === 'PUT' && path.includes('comp=block&')
const isEnd = ({ method, path }: SeenRequest) => method === 'PUT' && path.includes('comp=blocklist')
const isGet = ({ method, path }: SeenRequest) => method === 'GET' && !path.includes('comp=')

const HOUR_MS = 3_600_000

/** A token for the container with these of the rights r, c, w, d and l, as whoever has the key of the account makes one. */
function tokenFor(rights: string, end = new Date(Date.now() + HOUR_MS)): AzureCredentials {
  const { account, accountKey, container } = server
  const version = '2020-12-06'
  const expiry = end.toISOString().replace(/\.\d+/, '')
  const resource = `/blob/${account}/${container}`
  // Empty: its beginning, a policy, addresses, protocols, a snapshot, a scope of encryption, and five headers of answers.
  const toSign = [rights, '', expiry, resource, '', '', '', version, 'c', '', '', '', '', '', '', ''].join('\n')
  const sig = createHmac('sha256', Buffer.from(accountKey, 'base64')).update(toSign).digest('base64')
  return { sasToken: `?${new URLSearchParams({ sv: version, se: expiry, sr: 'c', sp: rights, sig }).toString()}\n` }
}

test('a wrong key, another account, a forged token and a missing container are named, and no secret is told', async () => {
  const wrongKey = randomBytes(64).toString('base64')
  const { sasToken } = tokenFor('rl') as { readonly sasToken: string }
  const forged = sasToken.replace(/sig=.{8}/, 'sig=AAAAAAAA')
  const wrong = [
    [{ credentials: { accountKey: wrongKey } }, 'WrongCredentials', wrongKey],
    [{ account: 'nobodyknows' }, 'WrongCredentials', server.accountKey],
    [{ credentials: { sasToken: forged } }, 'WrongCredentials', 'sig='],
    [{ credentials: tokenFor('rcwdl', new Date(Date.now() - HOUR_MS)) }, 'WrongCredentials', 'sig='],
    [{ container: 'no-such-container' }, 'NoBucket', server.accountKey],
  ] as const
  for (const [options, fault, secret] of wrong) {
    const store = openContainer(server, options)
    const calls = [
      () => store.put('a', streamOf(Buffer.from('a')), limits()),
      () => store.put('b', streamOf(Buffer.from('b')), { ...limits(), ifAbsent: true }),
      () => listed(store.list('', limits())),
      () => collect(store.get('a', limits())),
      () => store.delete(['a'], limits()),
      () => store.sweep('', new Date(), limits()),
    ]
    for (const call of calls) {
      const error = await call().catch((caught: unknown) => caught)
      expect(error).toMatchObject({ fault })
      const { stack, message, remedy, cause } = error as StorageError
      expect(`${stack} ${message} ${remedy} ${JSON.stringify(error)}`).not.toContain(secret)
      expect(cause).toBe(undefined)
    }
  }
  // The answer to HEAD has no sentence, and Azurite one code for two kinds of no.
  const missing = openContainer(server, { container: 'no-such-container' })
  expect(await faultOf(missing.head('a', limits()))).toBe('NoBucket')
})

test('a token whose time is over is told as such', async () => {
  const store = openContainer(server, { credentials: tokenFor('rcwdl', new Date(Date.now() - HOUR_MS)) })
  const error = await listed(store.list('', limits())).catch((caught: unknown) => caught)
  expect(error).toMatchObject({ fault: 'WrongCredentials', message: expect.stringContaining('has expired') })
})

test.each([
  ['rcwdl', []],
  ['cwdl', ['Read']],
  ['rcwd', ['List', 'List']],
  ['rcwl', ['Delete']],
  ['rl', ['Create and Write']],
])('the check of a token names what it lacks: %s', async (rights, lacking) => {
  const check = await checkStorage(openContainer(server, { credentials: tokenFor(rights) }), limits())
  expect(check.missingPermissions).toEqual(lacking)
  expect(check.ok).toBe(lacking.length === 0)
})

test('a server that is not there is unreachable, and an endpoint that is none is refused', async () => {
  const store = openContainer(server, { endpoint: `http://127.0.0.1:1/${server.account}`, tries: 2 })
  expect(await store.head('a', limits()).catch((error: unknown) => error)).toMatchObject({
    fault: 'Unreachable',
    mayPass: true,
  })
  const { account, container, accountKey } = server
  const none = () =>
    openAzure({ account, container, credentials: { accountKey }, endpoint: 'https://user:hunter2@example.org' })
  expect(none).toThrow(StorageError)
  expect(none).not.toThrow(/hunter2/)
})

describe('what passes, is tried again', () => {
  test.each([
    ['a block refused with 503', isBlock, { kind: 'refusal', status: 503, code: 'ServerBusy' }],
    ['a block cut in the middle', isBlock, { kind: 'cut-request', after: 2_000_000 }],
    ['a block whose answer is lost', isBlock, { kind: 'lost-answer' }],
    ['a block that nobody answers', isBlock, { kind: 'silence' }],
    ['an end refused with 500', isEnd, { kind: 'refusal', status: 500, code: 'InternalError' }],
    ['an end whose answer is lost', isEnd, { kind: 'lost-answer' }],
  ] as const)('%s', async (_what, fits, fault) => {
    const store = open({ stallMs: 1_000 })
    proxy.fault = first(1, fits, fault)
    await store.put('backup', streamOf(data), limits())
    expect(proxy.requests.filter(fits).length).toBeGreaterThanOrEqual(2)
    expect((await collect(store.get('backup', limits()))).equals(data)).toBe(true)
    expect(await unfinished(store)).toEqual([])
  })

  test.each([
    ['of blocks', data.length],
    ['of one request', 10],
  ])('a conditional put %s whose answer is lost is known again', async (_what, length) => {
    const store = open()
    const isLast = (seen: SeenRequest) => (length === 10 ? seen.method === 'PUT' : isEnd(seen))
    proxy.fault = first(1, isLast, { kind: 'lost-answer' })
    const put = () => store.put('once', streamOf(data.subarray(0, length)), { ...limits(), ifAbsent: true })
    expect(await faultOf(put())).toBe('none')
    expect(await faultOf(put())).toBe('Exists')
  })

  test('reading goes on where the connection broke, again and again', () =>
    expectReadOn({ store: open(), proxy, isGet, data }))

  test('but never in another object of the same name', () => expectSameObject({ store: open(), proxy, isGet, data }))
})

describe('what lasts is named, and nothing stays', () => {
  test.each([
    ['a server that refuses blocks', { kind: 'refusal', status: 503, code: 'ServerBusy' }, 'Unreachable'],
    ['blocks that are cut', { kind: 'cut-request', after: 2_000_000 }, 'Unreachable'],
    ['blocks that nobody answers', { kind: 'silence' }, 'Slow'],
    ['a bit turned on the way', { kind: 'flip' }, 'Refused'],
  ] as const)('%s', async (_what, fault, named) => {
    const store = open({ tries: 2, stallMs: 1_000, busyMs: 0 })
    let blocks = 0
    proxy.fault = (seen) => (isBlock(seen) && (blocks += 1) > 1 ? fault : undefined)
    const error = await store.put('backup', streamOf(data), limits()).catch((caught: unknown) => caught)
    expect(error).toMatchObject({ fault: named })
    proxy.fault = () => undefined
    expect(await faultOf(store.head('backup', limits()))).toBe('NotFound')
    expect(await unfinished(store)).toEqual([])
  })

  test('a deadline that comes before the patience ends', async () => {
    const store = open()
    proxy.fault = () => ({ kind: 'silence' })
    expect(await faultOf(store.head('backup', limits(300)))).toBe('Deadline')
    expect(await faultOf(listed(store.list('', limits(300))))).toBe('Deadline')
    expect(await faultOf(collect(store.get('backup', limits(300))))).toBe('Deadline')
  })

  test('a server that ends in the middle: what it left is swept when it is back, and nothing else', async () => {
    const store = openContainer(server, { tries: 2 })
    await store.put('empty', streamOf(Buffer.alloc(0)), limits())
    async function* meanwhile(): AsyncGenerator<Buffer> {
      yield data
      await server.end()
      yield data
    }
    expect(await faultOf(store.put('backup', meanwhile(), limits()))).toBe('Unreachable')
    await server.restart()
    expect((await listed(store.list('', limits()))).map(({ key }) => key)).toEqual(['empty'])
    expect(await store.sweep('', new Date(Date.now() - 3_600_000), limits())).toEqual([])
    expect(await unfinished(store)).toEqual(['backup'])
    expect(await unfinished(store)).toEqual([])
    expect((await listed(store.list('', limits()))).map(({ key }) => key)).toEqual(['empty'])
  })
})

test('a put that is called off while another one of its name goes on leaves the other alone', async () => {
  const store = openContainer(server)
  const stop = new AbortController()
  const { promise: hasEnded, resolve } = Promise.withResolvers<void>()
  async function* slow(): AsyncGenerator<Buffer> {
    yield data
    await hasEnded
    yield data
  }
  async function* calledOff(): AsyncGenerator<Buffer> {
    yield data
    stop.abort(new Error('called off'))
    yield data
  }
  const whole = store.put('shared', slow(), limits())
  await expect(store.put('shared', calledOff(), limits(60_000, stop.signal))).rejects.toThrow('called off')
  resolve()
  await whole
  expect((await collect(store.get('shared', limits()))).equals(Buffer.concat([data, data]))).toBe(true)
})
