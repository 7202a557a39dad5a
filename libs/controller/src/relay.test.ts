import { expect, test } from 'vitest'
import { createBackoff } from './backoff.ts'
import type { AppendResult, Committed, Spill } from './contract.ts'
import { parseEventId } from './parse-event-id.ts'
import { createRelay } from './relay.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

const anObject = (from: number, to: number, { life = 100, uid = 'u', published = from - 1 } = {}): Committed => ({
  metadata: { namespace: 'shop', name: 'orders', uid, resourceVersion: '1', generation: 1 },
  status: {
    lifecycle: { life, seq: to, published, epoch: 1, holder: 'me' },
    outbox: Array.from({ length: to - from + 1 }, (_, index) => {
      return { seq: from + index, time: '2026-11-21T10:00:00.000Z', epoch: 1, generation: 1, type: 'Seen', data: {} }
    }),
  },
})

/** A relay with a store that answers as told. */
function aRelay(
  answer: (id: string) => AppendResult | null = () => null,
  latest: Committed | null = null,
  spilled: readonly Spill[] = [],
) {
  let now = 0
  let timers: { at: number; run: () => void }[] = []
  const stream: string[] = []
  const tries: string[] = []
  const trims: number[] = []
  const acknowledged: number[] = []
  const times = {
    clock: { now: () => now },
    timers: {
      after: (ms: number, run: () => void) => {
        const timer = { at: now + ms, run }
        timers.push(timer)
        return () => void (timers = timers.filter((other) => other !== timer))
      },
    },
  }
  const relay = createRelay({
    ...times,
    store: {
      append: async ({ msgId, expectedLastSequence }) => {
        tries.push(msgId)
        const told = answer(msgId)
        if (told !== null) return told
        if (expectedLastSequence !== stream.length) return { ok: false, reason: 'WrongLastSequence', message: '10071' }
        return { ok: true, sequence: stream.push(msgId), duplicate: false }
      },
      lastOf: async () => {
        const id = stream.at(-1)
        return id === undefined ? null : { streamSequence: stream.length, id, time: '2026-11-21T10:00:00.000Z' }
      },
    },
    toMessage: (object, entry) => ({
      subject: 's',
      aggregate: 'a',
      body: '{}',
      msgId: `${object.metadata.uid}:${object.status?.lifecycle.life}:${entry.seq}`,
    }),
    get: async () => latest,
    spills: { write: async () => undefined, list: async () => spilled, remove: async () => undefined },
    trim: (_object, publishedSeq) => void trims.push(publishedSeq),
    acknowledged: ({ seq }) => void acknowledged.push(seq),
    trimAfterMs: 5_000,
    backoff: createBackoff({ baseMs: 100, maxMs: 30_000, jitter: () => 1 }),
    signal: new AbortController().signal,
  })
  const pass = async (ms: number) => {
    now += ms
    const ringing = timers.filter((timer) => timer.at <= now)
    timers = timers.filter((timer) => timer.at > now)
    ringing.forEach((timer) => timer.run())
    await turn()
  }
  return { relay, stream, tries, trims, acknowledged, pass }
}

test('an outbox is published in order and trimmed once, some seconds after the last acknowledgement', async () => {
  const { relay, stream, trims, pass } = aRelay()
  const object = anObject(1, 3)
  relay.offer(object)
  await relay.settled()
  expect(stream).toEqual(['u:100:1', 'u:100:2', 'u:100:3'])
  expect(relay.published(object)).toBe(3)
  expect(trims).toEqual([])
  await pass(5_000)
  await pass(60_000)
  expect(trims).toEqual([3])
})

test('passes that offer an outbox again and again do not put off its trim', async () => {
  const { relay, trims, pass } = aRelay()
  for (let looks = 0; looks < 12; looks += 1) {
    relay.offer(anObject(1, 3))
    await relay.settled()
    await pass(500)
  }
  expect(trims).toEqual([3])
  relay.offer(anObject(1, 4))
  await relay.settled()
  await pass(5_000)
  expect(trims).toEqual([3, 4])
})

test('what another process published is not published again', async () => {
  const { relay, stream, tries, acknowledged } = aRelay()
  stream.push('u:100:1', 'u:100:2')
  relay.offer(anObject(1, 3))
  await relay.settled()
  expect(tries).toEqual(['u:100:3'])
  expect(acknowledged).toEqual([3])
})

test('facts that aged out of the store are not published again', async () => {
  const { relay, tries } = aRelay()
  relay.offer(anObject(1, 3, { published: 2 }))
  await relay.settled()
  expect(tries).toEqual(['u:100:3'])
})

test('a store that is away makes entries wait, tried again ever more rarely, and newer offers do not hurry it', async () => {
  let away = true
  const { relay, stream, tries, pass } = aRelay(() =>
    away ? { ok: false, reason: 'Unavailable', message: 'no responders' } : null,
  )
  relay.offer(anObject(1, 1))
  await relay.settled()
  for (let to = 2; to < 30; to += 1) relay.offer(anObject(1, to))
  await relay.settled()
  expect(tries).toHaveLength(1)
  expect(relay.trouble(anObject(1, 1))).toEqual({ reason: 'Unavailable', message: 'no responders' })
  await pass(100)
  await pass(100)
  expect(tries).toHaveLength(2)
  away = false
  await pass(100)
  await relay.settled()
  expect(stream).toHaveLength(29)
  expect(relay.trouble(anObject(1, 1))).toBe(null)
  expect(relay.waiting()).toBe(0)
})

test('an acknowledgement that got lost repeats nothing', async () => {
  let lost = false
  const { relay, stream, pass } = aRelay((id) => {
    if (lost || id !== 'u:100:2') return null
    lost = true
    stream.push(id)
    return { ok: false, reason: 'Unavailable', message: 'timeout' }
  })
  relay.offer(anObject(1, 3))
  await relay.settled()
  await pass(100)
  await relay.settled()
  expect(stream).toEqual(['u:100:1', 'u:100:2', 'u:100:3'])
})

test('entries that the store refuses wait and say why; nothing overtakes them', async () => {
  const { relay, stream, pass } = aRelay(() => ({ ok: false, reason: 'TooOld', message: '2.10' }))
  const object = anObject(1, 2)
  relay.offer(object)
  await relay.settled()
  await pass(60_000)
  expect(stream).toEqual([])
  expect(relay.trouble(object)?.reason).toBe('TooOld')
  relay.forget(object.metadata)
})

test('a new life follows an old one: first what the old left, then all of its own', async () => {
  const young = anObject(1, 2, { life: 200 })
  const { relay, stream } = aRelay(undefined, young)
  relay.offer(anObject(1, 2))
  relay.offer(young)
  await relay.settled()
  expect(stream).toEqual(['u:100:1', 'u:100:2', 'u:200:1', 'u:200:2'])
})

test('an old life says nothing more once a new one has spoken', async () => {
  const young = anObject(1, 1, { life: 200 })
  const { relay, stream } = aRelay(undefined, young)
  stream.push('u:200:1')
  relay.offer(anObject(1, 2))
  await relay.settled()
  expect(stream).toEqual(['u:200:1'])
})

test('a status restored to an older one is published nothing of, and a pass is asked for', async () => {
  const restored = anObject(4, 6)
  const { relay, stream, tries, trims } = aRelay(undefined, restored)
  stream.push('u:100:9')
  relay.offer(restored)
  await relay.settled()
  expect(tries).toEqual([])
  expect(trims).toHaveLength(1)
  expect(relay.overtaken(restored)).toEqual({ life: 100, told: { seq: 9, time: '2026-11-21T10:00:00.000Z' } })
  // Once it is another life nothing holds it up.
  const reborn = anObject(1, 2, { life: 200 })
  expect(relay.overtaken(reborn)).toBe(null)
})

test('a history that ends in a later life is not continued by an earlier one', async () => {
  const restored = anObject(4, 6)
  const { relay, stream, tries } = aRelay(undefined, restored)
  stream.push('u:300:1')
  relay.offer(restored)
  await relay.settled()
  expect(tries).toEqual([])
  expect(relay.overtaken(restored)).toEqual({ life: 300, told: null })
})

test.each([
  ['a-b-c:1763719200000:18', { uid: 'a-b-c', life: 1_763_719_200_000, seq: 18 }],
  ['a:1', null],
  ['a:b:1', null],
  ['a:1:2:3', null],
  ['', null],
])('the id %s', (id, parts) => {
  expect(parseEventId(id)).toEqual(parts)
})

test('overlapping spills of an older life are told once, before the newer life speaks', async () => {
  const spill = (from: number, to: number): Spill => ({
    key: { namespace: 'shop', name: 'orders' },
    uid: 'old',
    life: 50,
    entries: anObject(from, to).status?.outbox ?? [],
  })
  const object = anObject(1, 1)
  const { relay, pass, stream } = aRelay(undefined, object, [spill(1, 3), spill(1, 4), spill(3, 5)])
  relay.offer(object)
  await pass(0)
  expect(stream).toEqual(['old:50:1', 'old:50:2', 'old:50:3', 'old:50:4', 'old:50:5', 'u:100:1'])
})
