import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Aggregate, aggregateSubject, eventSubject, toCloudEvent } from '@slotkeeper/events'
import { connectNats, createEventStore, defaultStreamName, type EventStore, subscribe } from '@slotkeeper/nats'
import { type NatsServer, startNatsServer, until } from '@slotkeeper/testing'
import { root } from '../workspace.ts'

const example = join(root, 'examples/subscriber')
const cluster = { kind: 'cluster', namespace: 'shop', name: 'orders' } as const
let server: NatsServer
let ending: AbortController
let connection: Awaited<ReturnType<typeof connectNats>>
let store: EventStore
let children: ChildProcess[]

/** A program as a user starts it, and what it has printed so far. */
type Running = {
  readonly lines: () => readonly string[]
  readonly told: () => string
  /** Sends a signal; gives the exit code, or the signal that ended it. */
  readonly end: (signal: 'SIGINT' | 'SIGTERM' | 'SIGKILL') => Promise<number | string>
}

function start(args: readonly string[]): Running {
  const child = spawn(process.execPath, args, { cwd: example, stdio: ['ignore', 'pipe', 'pipe'] })
  children.push(child)
  let [out, errors] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text))
  return {
    lines: () => out.split('\n').slice(0, -1),
    told: () => errors,
    end: async (signal) => {
      const ended = once(child, 'close') as Promise<[number | null, string | null]>
      child.kill(signal)
      const [code, by] = await ended
      return code ?? by ?? ''
    },
  }
}

/** The example, once it is subscribed. */
async function subscribed(...args: readonly string[]): Promise<Running> {
  const running = start(['subscribe.ts', '--url', server.url, ...args])
  await until(`the subscription: ${running.told()}`, 30_000, async () =>
    running.told().includes('subscribed to') ? true : undefined,
  )
  return running
}

const numbers = (lines: readonly string[]): readonly number[] =>
  lines.map((line) => Number(/number (\d+)$/.exec(line)?.[1]))
const shows = (running: Running, count: number): Promise<unknown> =>
  until(`${count} lines`, 30_000, async () => (running.lines().length >= count ? true : undefined))

/** Publishes events as the controller does: of the cluster `shop/orders`, unless another object is named. */
async function publish(
  first: number,
  last: number,
  type = 'Deleted',
  more: object = { retain: true },
  of: Aggregate = cluster,
): Promise<void> {
  const aggregate = aggregateSubject(of)
  let expected = (await store.lastOf(aggregate))?.streamSequence ?? 0
  for (let seq = first; seq <= last; seq += 1) {
    const time = new Date(1_763_719_200_000 + seq).toISOString()
    const entry = { seq, type, data: { ...more, message: `number ${seq}` }, time, epoch: 1, generation: 1 }
    const event = toCloudEvent({ ...of, plural: `redis${of.kind}s`, uid: `uid-of-${of.kind}`, life: 1, entry })
    const subject = eventSubject({ ...of, type })
    const request = { subject, aggregate, body: JSON.stringify(event), msgId: event.id, expectedLastSequence: expected }
    const result = await store.append(request)
    if (!result.ok) throw new Error(result.message)
    expected = result.sequence
  }
}

beforeEach(async () => {
  children = []
  server = await startNatsServer()
  ending = new AbortController()
  connection = await connectNats({ url: server.url, name: 'test', signal: ending.signal })
  store = createEventStore({ connection, mode: 'ensure' })
  await publish(1, 5)
})

afterEach(async () => {
  for (const child of children) child.kill('SIGKILL')
  ending.abort()
  await server.stop()
})

describe('the subscriber that a user runs', () => {
  test('live: what happens from now on, and it ends in order', async () => {
    const running = await subscribed('--live')
    await publish(6, 8)
    await shows(running, 3)
    expect(numbers(running.lines())).toEqual([6, 7, 8])
    expect(running.lines()[0]).toBe('10:00:00.006  cluster   shop/orders                Deleted              number 6')
    expect(await running.end('SIGINT')).toBe(0)
  })

  test('from a sequence number: replayed, then live', async () => {
    const running = await subscribed('--from', '3')
    await publish(6, 7)
    await shows(running, 5)
    expect(numbers(running.lines())).toEqual([3, 4, 5, 6, 7])
    expect(await running.end('SIGTERM')).toBe(0)
  })

  test('durable: goes on where it stopped; only what was under way comes again', async () => {
    // Made here with a short patience; the example takes a durable as it finds it.
    const made = new AbortController()
    await subscribe({ connection, from: { durable: 'pager' }, signal: made.signal, ackWaitMs: 500 })
    made.abort()
    await publish(6, 20)
    const first = await subscribed('--durable', 'pager')
    await shows(first, 10)
    expect(await first.end('SIGKILL')).toBe('SIGKILL')
    // It may have come to the end before it died: there is always more.
    await publish(21, 25)
    const second = await subscribed('--durable', 'pager')
    await until('the last event', 30_000, async () => (numbers(second.lines()).includes(25) ? true : undefined))
    expect(await second.end('SIGTERM')).toBe(0)
    const [before, after] = [numbers(first.lines()), numbers(second.lines())]
    expect(before).toEqual(before.map((_, index) => index + 1))
    expect([before.length, before.length + 1]).toContain(after[0])
    expect(after).toEqual(after.map((_, index) => (after[0] ?? 0) + index))
  })

  test('what is wrong is one line, and the exit code says so', async () => {
    const wrong = start(['subscribe.ts', '--url', server.url, '--from', 'yesterday'])
    const other = start(['subscribe.ts', '--url', server.url, '--form', '1'])
    await until('both ends', 30_000, async () => (children.every(({ exitCode }) => exitCode === 1) ? true : undefined))
    expect(wrong.told()).toBe('--from wants a stream sequence, 1 or more, not yesterday\n')
    expect(other.told()).toMatch(/^Unknown option '--form'.*\n$/)
  })
})

describe('docs/events.md', () => {
  const text = readFileSync(join(root, 'docs/events.md'), 'utf8')

  test('the program in it runs', async () => {
    const code = /```ts\n([\s\S]*?)```/.exec(text)?.[1]?.replace('nats://127.0.0.1:4222', server.url) ?? ''
    const [from, to] = ['orders-1-0', 'orders-1-1'].map((pod) => ({ pod, nodeId: 'a'.repeat(40) }))
    await publish(6, 6, 'PrimaryChanged', { shard: 1, from, to, cause: 'Engine', writesAtRisk: true })
    const running = start(['--input-type=module-typescript', '--eval', code])
    await shows(running, 2)
    expect(running.lines()).toEqual([
      '10:00:00.006  cluster   shop/orders                PrimaryChanged       shard 1: orders-1-0 -> orders-1-1 (Engine)',
      'number 6',
    ])
  })

  test('every filter and stream in it exists', async () => {
    await publish(6, 6, 'PrimaryChanged')
    await publish(1, 1, 'Failed', {}, { kind: 'backup', namespace: 'shop', name: 'orders-1' })
    await publish(1, 1, 'Completed', {}, { kind: 'restore', namespace: 'shop', name: 'orders-back' })
    const filters = [...new Set(text.match(/\bredis\.evt\.[\w.*-]+>?/g))]
    expect(filters.length).toBeGreaterThanOrEqual(4)
    for (const filter of filters) {
      const events = await subscribe({ connection, from: { sequence: 1 }, filter, signal: AbortSignal.timeout(20_000) })
      const first = await events[Symbol.asyncIterator]().next()
      expect(first.done, filter).toBe(false)
    }
    expect(new Set(text.match(/\b[A-Z]+_LIFECYCLE\b/g))).toEqual(new Set([defaultStreamName]))
  })
})
