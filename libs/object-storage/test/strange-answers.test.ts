import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { startAzureStorage, startFaultyStorage } from '@slotkeeper/testing'
import { afterAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { openAzure, openS3, StorageError } from '../src/index.ts'
import type { AzureOptions, ObjectStore, S3Options } from '../src/index.ts'
import { collect, faultOf, first, limits, listed, openBucket, openContainer, startS3, streamOf } from './storages.ts'

const servers = { azure: await startAzureStorage(), s3: await startS3() }
const proxies = { azure: await startFaultyStorage(servers.azure), s3: await startFaultyStorage(servers.s3) }
afterAll(async () => {
  for (const proxy of Object.values(proxies)) await proxy.stop()
  for (const server of Object.values(servers)) await server.stop()
})
beforeEach(() => {
  for (const proxy of Object.values(proxies)) {
    proxy.fault = () => undefined
    proxy.requests.length = 0
  }
})

const openAzurite = (options: Partial<AzureOptions> = {}) =>
  openContainer(servers.azure, { endpoint: `${proxies.azure.endpoint}/${servers.azure.account}`, ...options })
const openS3Server = (options: Partial<S3Options> = {}) =>
  openBucket(servers.s3, { endpoint: proxies.s3.endpoint, ...options })
/** Both kinds of servers, each behind its proxy. */
const kinds = [
  ['azure', openAzurite],
  ['s3', openS3Server],
] as const

const answer = (status: number, body: string, headers: Readonly<Record<string, string>> = {}) =>
  ({ kind: 'answer', status, headers: { 'content-type': 'application/xml', ...headers }, body }) as const
const errorOf = (call: Promise<unknown>) => call.then(String, (caught: unknown) => caught)
const small = () => streamOf(Buffer.from('small'))

const calls: Readonly<Record<string, (store: ObjectStore) => Promise<unknown>>> = {
  list: (store) => listed(store.list('', limits())),
  delete: (store) => store.delete(['a'], limits()),
  sweep: (store) => store.sweep('', new Date(), limits()),
  put: (store) => store.put('a', small(), limits()),
  head: (store) => store.head('a', limits()),
  get: (store) => collect(store.get('a', limits())),
}

describe('the page of a proxy is no success', () => {
  const page = answer(200, '<html>log in</html>', { 'content-type': 'text/html' })
  test.each([
    ['azure', 'list'],
    ['azure', 'delete'],
    ['azure', 'sweep'],
    ['azure', 'put'],
    ['azure', 'head'],
    ['azure', 'get'],
    ['s3', 'list'],
    ['s3', 'delete'],
    ['s3', 'sweep'],
    ['s3', 'put'],
  ] as const)('%s: %s', async (kind, call) => {
    const store = kind === 'azure' ? openAzurite() : openS3Server()
    proxies[kind].fault = () => page
    const error = await errorOf(calls[call]!(store))
    expect(error).toMatchObject({ fault: 'Refused', remedy: expect.stringContaining('proxy') })
    expect(proxies[kind].requests).toHaveLength(1)
  })

  test('nor are a page that says of itself that it is of Azure, a status that is another one, and a 404 of others', async () => {
    const named = { 'x-ms-request-id': 'one' }
    for (const [fault, call] of [
      [answer(200, '<html></html>', named), 'list'],
      [answer(200, '<html></html>', named), 'sweep'],
      [answer(200, '', named), 'delete'],
      [answer(200, '', named), 'put'],
      [answer(307, '', { location: 'http://127.0.0.1:1/' }), 'get'],
      [answer(404, '<html>not here</html>'), 'head'],
    ] as const) {
      proxies.azure.fault = () => fault
      const error = await errorOf(calls[call]!(openAzurite()))
      expect(error).toMatchObject({ fault: 'Refused', remedy: expect.stringContaining('proxy') })
    }
  })
})

describe('s3: what says that it is a page and is none is an answer', () => {
  const html = { 'content-type': 'text/html; charset=utf-8' }
  const nothing = answer(200, '', { ...html, 'transfer-encoding': 'chunked', etag: '"one"' })
  const put = ['PUT', (store: ObjectStore) => store.put('a', small(), limits())] as const
  const deleted = ['DELETE', (store: ObjectStore) => store.delete(['a'], limits())] as const

  test.each([put, deleted])('%s', async (method, call) => {
    proxies.s3.fault = (seen) => (seen.method === method ? nothing : refusesTogether(seen))
    expect(await errorOf(call(openS3Server()))).not.toBeInstanceOf(StorageError)
  })

  test('nor is one of many comments, which is seen at once', async () => {
    const [method, call] = put
    const comments = answer(200, '<!-- -->'.repeat(1_000), { ...html, 'transfer-encoding': 'chunked' })
    proxies.s3.fault = (seen) => (seen.method === method ? comments : undefined)
    expect(await errorOf(call(openS3Server()))).not.toBeInstanceOf(StorageError)
  })

  test.each(['\n <!DOCTYPE html><title>', '<HTML>', '<?xml version="1.0"?>\n<!-- ours --> <html lang="en">'])(
    'but not %s',
    async (page) => {
      for (const [method, call] of [put, deleted]) {
        const chunked = answer(200, page, { ...html, 'transfer-encoding': 'chunked' })
        proxies.s3.fault = (seen) => (seen.method === method ? chunked : refusesTogether(seen))
        expect(await errorOf(call(openS3Server()))).toMatchObject({ fault: 'Refused' })
      }
    },
  )

  const refusesTogether = ({ method }: { readonly method: string }) =>
    method === 'POST' ? answer(501, '<Error><Code>NotImplemented</Code></Error>') : undefined
})

test.each([
  [
    "Request date header too old: 'Thu, 01 Jan 2026 00:00:00 GMT'",
    { fault: 'Refused', remedy: 'Set the clock of this machine or of the server' },
  ],
  [
    'Signature not valid in the specified time frame: Start [Thu, 01 Jan 2026 00:00:00 GMT] - Expiry [Fri, 02 Jan 2026 00:00:00 GMT] - Current [Sat, 03 Jan 2026 00:00:00 GMT]',
    { fault: 'WrongCredentials', remedy: expect.stringContaining('new token') },
  ],
  [
    'Signature not valid in the specified time frame: Start [Thu, 01 Jan 2026 00:00:00 GMT] - Expiry [Fri, 02 Jan 2026 00:00:00 GMT] - Current [Wed, 31 Dec 2025 23:00:00 GMT]',
    { fault: 'WrongCredentials', remedy: expect.stringContaining('begins earlier') },
  ],
  [
    "The MAC signature found in the HTTP request 'c2VjcmV0' is not the same as any computed signature. Server used following string to sign: 'GET secret'",
    { fault: 'WrongCredentials', remedy: expect.stringContaining('Secret') },
  ],
])('of what Azure says about a signature its time is told, and nothing else: %s', async (detail, told) => {
  const said = `<Message>Server failed to authenticate the request.</Message><AuthenticationErrorDetail>${detail}</AuthenticationErrorDetail>`
  proxies.azure.fault = () => answer(403, `<Error><Code>AuthenticationFailed</Code>${said}</Error>`)
  const error = (await errorOf(calls['list']!(openAzurite()))) as StorageError
  expect(error).toMatchObject(told)
  expect(`${error.message} ${error.remedy}`).not.toMatch(/c2VjcmV0|GET secret|2026/)
})

describe('a server that is busy', () => {
  test.each(
    kinds.flatMap(([kind, open]) => [408, 429, 500, 502, 503, 504].map((status) => [kind, status, open] as const)),
  )('%s: %i is tried again', async (kind, status, open) => {
    const store = open()
    await store.put('a', small(), limits())
    for (const call of ['head', 'get', 'list', 'put', 'delete']) {
      proxies[kind].fault = first(1, () => true, answer(status, '<Error><Code>Later</Code></Error>'))
      expect(await faultOf(calls[call]!(store))).toBe('none')
    }
  })

  test.each(kinds)('%s: is left alone as long as it asks', async (kind, open) => {
    const store = open({ tries: 2 })
    await store.put('a', small(), limits())
    const at: number[] = []
    const later = answer(503, '<Error><Code>Busy</Code></Error>', { 'retry-after': '3' })
    const once = first(1, () => true, later)
    proxies[kind].fault = (seen) => {
      at.push(performance.now())
      return once(seen)
    }
    await store.head('a', limits())
    expect(at).toHaveLength(2)
    expect(at[1]! - at[0]!).toBeGreaterThan(2_900)
  })

  test.each(kinds)('%s: is asked again for longer than others, but not past the deadline', async (kind, open) => {
    const store = open({ tries: 2, busyMs: 4_000 })
    await store.put('a', small(), limits())
    let isOver = false
    setTimeout(() => (isOver = true), 2_500)
    proxies[kind].fault = () => (isOver ? undefined : answer(429, '<Error><Code>TooMany</Code></Error>'))
    expect(await faultOf(store.head('a', limits()))).toBe('none')
    expect(proxies[kind].requests.length).toBeGreaterThan(3)
    const start = performance.now()
    proxies[kind].fault = () => answer(429, '<Error><Code>TooMany</Code></Error>', { 'retry-after': '30' })
    expect(await faultOf(store.head('a', limits(700)))).toBe('Deadline')
    expect(performance.now() - start).toBeLessThan(3_000)
    proxies[kind].fault = () => answer(429, '<Error><Code>TooMany</Code></Error>')
    expect(await errorOf(open({ tries: 2, busyMs: 0 }).head('a', limits()))).toMatchObject({ fault: 'Unreachable' })
  })
})

describe('a connection that does not come about is told as such, in the time for it', () => {
  const credentials = { accessKeyId: 'a', secretAccessKey: 'b' }
  const patience = { stallMs: 1_000, tries: 2 }
  const both = (endpoint: string) =>
    [
      openAzure({ account: 'acct', container: 'cont', endpoint, credentials: { accountKey: 'eA==' }, ...patience }),
      openS3({ endpoint, bucket: 'bucket', credentials, ...patience }),
    ] as const
  const told = { fault: 'Unreachable', message: expect.stringContaining('no connection came about within 1 s') }

  /** Listens, and takes no connection: what waits for it fills its line, and more is not answered. */
  const full = `const s = require('net').createServer()
    s.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
      process.stdout.write(String(s.address().port), () => process.kill(process.pid, 'SIGSTOP'))
    })`

  test('where nothing answers', async () => {
    const child = spawn(process.execPath, ['-e', full], { stdio: ['ignore', 'pipe', 'inherit'] })
    onTestFinished(() => void child.kill('SIGKILL'))
    const [port] = (await once(child.stdout, 'data')) as [Buffer]
    const waiting = Array.from({ length: 8 }, () => connect(Number(port), '127.0.0.1').on('error', () => undefined))
    onTestFinished(() => waiting.forEach((socket) => void socket.destroy()))
    await new Promise((done) => setTimeout(done, 1_000))
    for (const store of both(`http://127.0.0.1:${port}`)) {
      const start = performance.now()
      expect(await errorOf(store.head('a', limits(20_000)))).toMatchObject(told)
      expect(performance.now() - start).toBeLessThan(8_000)
    }
  })

  test('where TLS does not begin', async () => {
    const silent = createServer((socket) => void socket.on('error', () => undefined)).listen(0, '127.0.0.1')
    await once(silent, 'listening')
    onTestFinished(() => void silent.close())
    const [azure] = both(`https://127.0.0.1:${(silent.address() as AddressInfo).port}`)
    expect(await errorOf(azure.head('a', limits(20_000)))).toMatchObject(told)
    azure.close()
  })
})

test.each(kinds)('%s: without an etag nothing is read on in what may be another object', async (kind, open) => {
  const store = open()
  const data = Buffer.alloc(3_000_000, 'a')
  await store.put('a', streamOf(data), limits())
  const cut = { kind: 'cut-answer', after: 1_000_000, without: 'etag' } as const
  proxies[kind].fault = first(1, ({ method }) => method === 'GET', cut)
  const error = await errorOf(collect(store.get('a', limits())))
  expect(error).toMatchObject({ fault: 'Unreachable', message: expect.stringContaining('no etag') })
})

test.each([
  ['azure', (at: string) => `<EnumerationResults><Blobs/><NextMarker>${at}</NextMarker></EnumerationResults>`],
  [
    's3',
    (at: string) =>
      `<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>${at}</NextContinuationToken></ListBucketResult>`,
  ],
] as const)('%s: a list that goes round ends with an error', async (kind, pageAt) => {
  const store = kind === 'azure' ? openAzurite() : openS3Server()
  let pages = 0
  proxies[kind].fault = () => answer(200, pageAt(`m${(pages += 1) % 2}`), { 'x-ms-request-id': 'one' })
  const error = await errorOf(listed(store.list('', limits(10_000))))
  expect(error).toMatchObject({ fault: 'Refused', message: expect.stringContaining('not where') })
  expect(pages).toBe(3)
})

test.each(['?sv=2020&sig=hunter2', '/?sig=hunter2', '#hunter2', '?'])('an endpoint with %s is refused', (tail) => {
  for (const open of [
    () =>
      openAzure({
        account: 'acct',
        container: 'cont',
        endpoint: `https://acct.example.org${tail}`,
        credentials: { accountKey: 'eA==' },
      }),
    () => openS3({ bucket: 'bucket', endpoint: `https://s3.example.org${tail}` }),
  ]) {
    expect(open).toThrow(StorageError)
    expect(open).not.toThrow(/hunter2/)
  }
})
