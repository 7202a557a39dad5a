import { rm } from 'node:fs/promises'
import { jetstreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { startNatsServer, type NatsServer } from '@slotkeeper/testing'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  connectNats,
  createEventStore,
  subscribe,
  type Delivery,
  type EventStore,
  type SubscribeFrom,
} from '../src/index.ts'
import { aggregate, appendOf, collect } from './fixtures.ts'

let server: NatsServer
let connection: NatsConnection
let store: EventStore
let ending: AbortController

beforeEach(async () => {
  server = await startNatsServer()
  ending = new AbortController()
  connection = await connectNats({ url: server.url, name: 'test', signal: ending.signal })
  store = createEventStore({ connection, mode: 'ensure' })
  await append(1, 5)
})

afterEach(async () => {
  ending.abort()
  await server.stop()
  await rm(server.dir, { recursive: true, force: true })
})

const append = async (from: number, to: number): Promise<void> => {
  for (let seq = from; seq <= to; seq += 1) {
    const last = await store.lastOf(aggregate)
    const result = await store.append(appendOf(seq, last?.streamSequence ?? 0))
    if (!result.ok) throw new Error(result.message)
  }
}

const open = (from: SubscribeFrom, more: { inFlight?: number; ackWaitMs?: number } = {}) =>
  subscribe({ connection, from, signal: ending.signal, ...more })

const numbers = (deliveries: readonly Delivery[]): number[] => deliveries.map((each) => each.event.sequence)

describe('subscribe', () => {
  it('live: gives what happens from now on, and when it was stored', async () => {
    const events = await open({ live: true })
    const before = Date.now()
    await append(6, 8)
    const after = Date.now() + 1
    const got = await collect(events, 3)
    expect(numbers(got)).toEqual([6, 7, 8])
    const times = got.map((each) => each.storedAt)
    expect(times).toEqual(times.toSorted((a, b) => a - b))
    expect(before <= Math.min(...times) && Math.max(...times) <= after).toBe(true)
    expect(got[0]?.event).toMatchObject({
      kind: 'cluster',
      type: 'Deleted',
      namespace: 'shop',
      name: 'orders',
      uid: 'uid-1',
      life: 1,
    })
  })

  it('from a sequence: replays, then goes on live', async () => {
    const events = await open({ sequence: 3 })
    await append(6, 7)
    expect(numbers(await collect(events, 5))).toEqual([3, 4, 5, 6, 7])
  })

  it('from a sequence: misses and repeats nothing through a kill -9 of the server', async () => {
    const events = collect(await open({ sequence: 1 }), 8)
    await server.kill()
    await server.restart()
    await expect
      .poll(
        () =>
          store.lastOf(aggregate).then(
            (last) => last?.id,
            () => undefined,
          ),
        { timeout: 20_000 },
      )
      .toBe('uid-1:1:5')
    await append(6, 8)
    expect(numbers(await events)).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
  })

  it('durable: goes on where it acknowledged, and gives again what it did not', async () => {
    for await (const delivery of await open({ durable: 'billing' }, { ackWaitMs: 500 })) {
      if (delivery.event.sequence === 3) break
      await delivery.ack()
    }
    const second = await open({ durable: 'billing' }, { ackWaitMs: 500 })
    const got: Delivery[] = []
    for await (const delivery of second) {
      got.push(delivery)
      await delivery.ack()
      if (delivery.event.sequence === 5) break
    }
    expect(numbers(got)).toEqual([3, 4, 5])
    expect(got[0]?.redelivered).toBe(true)
    const other = subscribe({
      connection,
      from: { durable: 'billing' },
      signal: ending.signal,
      filter: 'redis.evt.backup.>',
    })
    await expect(other).rejects.toMatchObject({ reason: 'Refused' })
  })

  it('ends without an error when called off', async () => {
    const off = new AbortController()
    const events = await subscribe({ connection, from: { sequence: 1 }, signal: off.signal })
    setTimeout(() => off.abort(), 200)
    expect(numbers(await collect(events))).toEqual([1, 2, 3, 4, 5])
  })

  it('passes over what is no event of ours', async () => {
    await connection.request('redis.evt.cluster.shop.orders.Deleted', 'no event')
    await append(6, 6).catch(() => undefined)
    const unreadable: number[] = []
    const events = await subscribe({
      connection,
      from: { sequence: 5 },
      signal: ending.signal,
      onUnreadable: (_subject, sequence) => unreadable.push(sequence),
    })
    expect(numbers(await collect(events, 2))).toEqual([5, 6])
    expect(unreadable).toEqual([6])
  })

  it('asks for nothing before somebody reads it, and misses nothing until then', async () => {
    const manager = await jetstreamManager(connection)
    const waiting = async (): Promise<number> => (await manager.consumers.info('REDIS_LIFECYCLE', 'reader')).num_waiting
    const unread = await open({ durable: 'reader' })
    expect(await waiting()).toBe(0)
    const live = await open({ live: true })
    await append(6, 7)
    expect(numbers(await collect(live, 2))).toEqual([6, 7])
    const read = unread[Symbol.asyncIterator]()
    expect((await read.next()).value?.event.sequence).toBe(1)
    await vi.waitFor(async () => expect(await waiting()).toBeGreaterThan(0), { timeout: 15_000 })
  })
})
