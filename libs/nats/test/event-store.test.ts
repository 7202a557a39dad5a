import { rm } from 'node:fs/promises'
import { jetstreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { startNatsServer, type NatsServer } from '@slotkeeper/testing'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { checkApiLevel, connectNats, createEventStore, streamConfig, type EventStore } from '../src/index.ts'
import { aggregate, appendOf, collect } from './fixtures.ts'

let server: NatsServer
let connection: NatsConnection
let store: EventStore
let ending: AbortController

beforeEach(async () => {
  server = await startNatsServer()
  ending = new AbortController()
  connection = await connectNats({ url: server.url, name: 'test', signal: ending.signal })
  store = createEventStore({ connection, mode: 'ensure', timeoutMs: 2_000 })
})

afterEach(async () => {
  ending.abort()
  await server.stop()
  await rm(server.dir, { recursive: true, force: true })
})

const sequencesStored = async (from = store): Promise<(number | undefined)[]> =>
  (await collect(from.read({ filter: aggregate }))).map((stored) => stored.event?.sequence)

/** The number of the event whose body this is: racing writers have ids of their own, so that only the order decides. */
const numberIn = (body: string | undefined): number => (body === undefined ? 0 : Number(JSON.parse(body).sequence))

describe('append', () => {
  it('has one winner per step, with 20 writers racing', async () => {
    const steps = 25
    const race = async (writer: number): Promise<number> => {
      for (let won = 0; ;) {
        const last = await store.lastOf(aggregate)
        const seq = numberIn(last?.body) + 1
        if (seq > steps) return won
        const result = await store.append(appendOf(seq, last?.streamSequence ?? 0, `uid-${writer}`))
        if (result.ok) won += 1
        else expect(result.reason).toBe('WrongLastSequence')
      }
    }
    const wins = await Promise.all(Array.from({ length: 20 }, (_, writer) => race(writer)))
    expect(wins.reduce((sum, won) => sum + won, 0)).toBe(steps)
    expect(await sequencesStored()).toEqual(Array.from({ length: steps }, (_, index) => index + 1))
  })

  it('repeats nothing when the acknowledgement was lost', async () => {
    const first = await store.append(appendOf(1, 0))
    expect(first).toMatchObject({ ok: true, duplicate: false })
    // The writer did not see the answer and sends the same again: either answer is right, another copy is not.
    const again = await store.append(appendOf(1, 0))
    expect(again.ok ? again.duplicate : again.reason === 'WrongLastSequence').toBe(true)
    const last = await store.lastOf(aggregate)
    expect(last).toMatchObject({ id: 'uid-1:1:1', streamSequence: first.ok ? first.sequence : 0 })
    expect(await store.append(appendOf(2, last?.streamSequence ?? 0))).toMatchObject({ ok: true })
    expect(await sequencesStored()).toEqual([1, 2])
  })

  it('refuses an old expectation, of the whole aggregate and not of the subject alone', async () => {
    const first = await store.append(appendOf(1, 0))
    const other = { ...appendOf(2, first.ok ? first.sequence : 0), subject: 'redis.evt.cluster.shop.orders.Accepted' }
    expect(await store.append(other)).toMatchObject({ ok: true })
    expect(await store.append(appendOf(3, first.ok ? first.sequence : 0))).toMatchObject({
      ok: false,
      reason: 'WrongLastSequence',
    })
    expect(await store.append(appendOf(3, 0))).toMatchObject({ ok: false, reason: 'WrongLastSequence' })
    expect(await sequencesStored()).toEqual([1, 2])
  })

  it('keeps histories apart', async () => {
    expect(await store.append(appendOf(1, 0))).toMatchObject({ ok: true })
    const other = {
      ...appendOf(1, 0, 'uid-2'),
      subject: 'redis.evt.cluster.shop.orders2.Deleted',
      aggregate: 'redis.evt.cluster.shop.orders2.>',
    }
    expect(await store.append(other)).toMatchObject({ ok: true })
    expect(await store.lastOf('redis.evt.cluster.shop.nobody.>')).toBeNull()
  })

  it('keeps what was acknowledged through a kill -9, says Unavailable meanwhile, and goes on', async () => {
    const acknowledged: number[] = []
    let expected = 0
    for (let seq = 1; seq <= 20; seq += 1) {
      const result = await store.append(appendOf(seq, expected))
      if (!result.ok) throw new Error(result.message)
      acknowledged.push(seq)
      expected = result.sequence
    }
    await server.kill()
    expect(await store.append(appendOf(21, expected))).toMatchObject({ ok: false, reason: 'Unavailable' })
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
      .toMatch(/^uid-1:1:2[01]$/)
    const last = await store.lastOf(aggregate)
    expect(await store.append(appendOf(numberIn(last?.body) + 1, last?.streamSequence ?? 0))).toMatchObject({
      ok: true,
    })
    const stored = await sequencesStored()
    expect(stored.slice(0, 20)).toEqual(acknowledged)
    expect(stored).toEqual(stored.map((_, index) => index + 1))
  })

  it('says Unavailable before the first connection, and ends when called off', async () => {
    const pending = createEventStore({
      connection: new Promise<NatsConnection>(() => undefined),
      mode: 'ensure',
      timeoutMs: 200,
    })
    expect(await pending.append(appendOf(1, 0))).toMatchObject({ ok: false, reason: 'Unavailable' })
    await expect(pending.lastOf(aggregate)).rejects.toMatchObject({ reason: 'Unavailable' })
    await expect(pending.append(appendOf(1, 0), { signal: AbortSignal.abort(new Error('over')) })).rejects.toThrow(
      'over',
    )
    const never = connectNats({ url: 'nats://127.0.0.1:1', name: 'test', signal: AbortSignal.timeout(300) })
    await expect(never).rejects.toThrow()
  })
})

describe('the stream', () => {
  it('is made as configured, and cannot be purged', async () => {
    await store.ready()
    const manager = await jetstreamManager(connection)
    const { config } = await manager.streams.info('REDIS_LIFECYCLE')
    expect(config).toMatchObject(streamConfig())
    await expect(manager.streams.purge('REDIS_LIFECYCLE')).rejects.toThrow()
  })

  it('is only looked at in verify, and what is wrong is said', async () => {
    const verifying = () => createEventStore({ connection, mode: 'verify' })
    await expect(verifying().ready()).rejects.toMatchObject({
      reason: 'Refused',
      message: 'stream REDIS_LIFECYCLE does not exist',
    })
    const manager = await jetstreamManager(connection)
    await manager.streams.add({ ...streamConfig(), subjects: ['redis.evt.cluster.>'], deny_purge: false })
    const message =
      'stream REDIS_LIFECYCLE cannot hold the history: subjects lack redis.evt.>; deny_purge is false, not true'
    await expect(verifying().ready()).rejects.toMatchObject({ reason: 'Refused', message })
    expect(await store.append(appendOf(1, 0))).toEqual({ ok: false, reason: 'Refused', message })
    expect((await manager.streams.info('REDIS_LIFECYCLE')).config.deny_purge).toBeFalsy()
  })

  it('is not used on a server that would ignore the expectations', async () => {
    await checkApiLevel(connection, 1_000)
    const accountInfo = JSON.stringify({
      type: 'io.nats.jetstream.api.v1.account_info_response',
      api: { total: 0, errors: 0 },
    })
    const request = connection.request.bind(connection)
    const old = Object.assign(Object.create(connection) as NatsConnection, {
      request: async (subject: string, ...rest: never[]) =>
        subject === '$JS.API.INFO'
          ? {
              ...(await request(subject, ...rest)),
              data: new TextEncoder().encode(accountInfo),
              json: () => JSON.parse(accountInfo) as unknown,
            }
          : request(subject, ...rest),
    })
    const tooOld = createEventStore({ connection: old, mode: 'ensure' })
    expect(await tooOld.append(appendOf(1, 0))).toMatchObject({ ok: false, reason: 'TooOld' })
  })
})
