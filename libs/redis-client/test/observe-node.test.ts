import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { ask, ENGINES, nodeAt, type RedisConfig, type RedisServer, startRedisServer, until } from '@slotkeeper/testing'
import { expect, test } from 'vitest'
import type { Contact } from '@slotkeeper/redis-topology'
import { clusterCalls, observeNode, type RedisNode } from '../src/index.ts'

const WITHIN_MS = 500
const SETTINGS = ['maxmemory', 'cluster-node-timeout']

/** Starts a server for one test, and removes it whatever comes of the test. */
async function withServer(engine: string, config: RedisConfig, run: (server: RedisServer) => Promise<void>) {
  const server = await startRedisServer(engine, config)
  try {
    await run(server)
  } finally {
    await server.remove()
  }
}

async function look(node: RedisNode): Promise<Contact> {
  try {
    return await observeNode(node, SETTINGS, WITHIN_MS)
  } finally {
    node.close()
  }
}

/** Looks with fresh connections until what comes is of this type: on a busy machine an answer may be late. */
const comes = (type: Contact['type'], dial: () => RedisNode): Promise<Contact> =>
  until(type, 20_000, async () => {
    const contact = await look(dial())
    return contact.type === type ? contact : undefined
  })

const USERS: RedisConfig = { user: `default on >right ~* &* +@all\nuser prober on >right -@all +ping` }

test.concurrent.each(ENGINES)('%s: a fresh node tells everything that decisions need', (engine) =>
  withServer(engine, { maxmemory: '100mb' }, async (server) => {
    const contact = await comes('up', () => nodeAt(server))
    expect(contact).toMatchObject({
      type: 'up',
      view: {
        version: expect.stringMatching(new RegExp(`^${engine.split('-')[1]}\\.`)),
        nodeId: expect.stringMatching(/^[0-9a-f]{40}$/),
        role: 'primary',
        currentEpoch: 0,
        clusterOk: false,
        keys: 0,
        loading: false,
        syncing: false,
        settings: { maxmemory: String(100 * 2 ** 20), 'cluster-node-timeout': '15000' },
        rows: [{ myself: true, role: 'primary', slots: [], open: [], configEpoch: 0, connected: true }],
      },
    })
  }),
)

test.concurrent.each(ENGINES)('%s: a node that loads its data says so, and no more', (engine) =>
  withServer(engine, { 'enable-debug-command': 'local' }, async (server) => {
    await ask(
      server,
      clusterCalls.addSlots([{ first: 0, last: 16383 }]),
      ['DEBUG', 'POPULATE', '10000', 'key', '100'],
      ['SAVE'],
    )
    await server.kill()
    // 10,000 keys at 1 ms each; the server answers in between.
    await server.restart({ 'key-load-delay': '1000', 'loading-process-events-interval-bytes': '1024' })
    expect(await comes('loading', () => nodeAt(server))).toEqual({ type: 'loading' })
  }),
)

test.concurrent.each(ENGINES)('%s: passwords and permissions', (engine) =>
  withServer(engine, USERS, async (server) => {
    await comes('up', () => nodeAt(server, 'right'))
    const denied = (...as: [string, string?]) => comes('denied', () => nodeAt(server, ...as))
    expect(await denied('wrong')).toMatchObject({ message: expect.stringMatching(/^WRONGPASS/) })
    expect(await denied('right', 'prober')).toMatchObject({ message: expect.stringMatching(/^NOPERM/) })
  }),
)

test.concurrent.each(ENGINES)('%s: a stopped process is silent, a dead one refuses, and neither for long', (engine) =>
  withServer(engine, {}, async (server) => {
    const kept = await until('a connection', 20_000, async () => {
      const node = nodeAt(server)
      return (await observeNode(node, SETTINGS, WITHIN_MS)).type === 'up' ? node : undefined
    })
    server.signal('SIGSTOP')
    expect(await observeNode(kept, SETTINGS, WITHIN_MS)).toMatchObject({ type: 'silent' })
    expect(await look(nodeAt(server))).toMatchObject({ type: 'silent' })
    server.signal('SIGCONT')
    await until('its answer', 10_000, async () =>
      (await observeNode(kept, SETTINGS, WITHIN_MS)).type === 'up' ? true : undefined,
    )
    await server.kill()
    // What a kept connection says of a death is that it was closed; a fresh dial is refused.
    expect(await observeNode(kept, SETTINGS, WITHIN_MS)).toMatchObject({ type: 'silent' })
    expect(kept.closed).toBe(true)
    expect(await comes('refused', () => nodeAt(server))).toEqual({ type: 'refused' })
  }),
)

test('an end that accepts and never answers, or hangs up at once, is silent', async () => {
  for (const hangsUp of [false, true]) {
    const mute = createServer((socket) => {
      socket.on('error', () => undefined)
      if (hangsUp) socket.destroy()
    }).listen(0, '127.0.0.1')
    await once(mute, 'listening')
    const port = (mute.address() as AddressInfo).port
    expect(await look(nodeAt({ host: '127.0.0.1', port }, 'any'))).toMatchObject({ type: 'silent' })
    mute.close()
  }
})
