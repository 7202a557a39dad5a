import { expect, test } from 'vitest'
import { AGENT_FAULTS, type AgentReport, formatReport, MOST_HELD, parseReport, REPORT_BYTES } from './agent-report.ts'

test.each(Object.keys(AGENT_FAULTS))('last words of %s are understood', (fault) => {
  const report = { result: 'Failed', fault, message: 'so and so' } as AgentReport
  expect(parseReport(JSON.stringify(report))).toEqual(report)
})

test.each([
  ['nothing', undefined],
  ['an empty text', ''],
  ['words that were cut', '{"result":"Do'],
  ['an unknown fault', '{"result":"Failed","fault":"Bored","message":""}'],
  ['a result without its task', '{"result":"Done","done":{"task":"SealBackup"}}'],
])('%s is no report', (_what, text) => {
  expect(parseReport(text)).toBeNull()
})

const shardOf = (shard: number) => ({
  shard,
  record: `shop/nightly/9b0d2c6e-8f7d-4b8e-b8a1-5b9f9e4f8f6d/shard-${shard}-0badcafe.json`,
  object: `shop/nightly/9b0d2c6e-8f7d-4b8e-b8a1-5b9f9e4f8f6d/shard-${shard}-0badcafe.rdb`,
  bytes: 1_000_000_000,
  sha256: 'a'.repeat(64),
  keys: 1_000_000,
  slots: '0-5460',
  offset: 17_000_000_000,
  takenFrom: `orders-${shard}-1`,
  role: 'replica' as const,
  rdb: { format: 'redis' as const, version: 11 },
})

const stored = (shards: number): AgentReport => ({
  result: 'Done',
  done: {
    task: 'StoreShards',
    heldMs: 3,
    attempt: '0badcafe',
    shards: Array.from({ length: shards }, (_, n) => shardOf(n)),
  },
})

const unfit: readonly (readonly [string, AgentReport])[] = [
  ['60 shards', stored(60)],
  ['a sentence without an end', { result: 'Failed', fault: 'Unexpected', message: 'so and so '.repeat(1_000) }],
  [
    'a sentence that takes six bytes a letter',
    { result: 'Failed', fault: 'Unexpected', message: '\u0001'.repeat(1_500) },
  ],
  [
    'more faults than can be',
    {
      result: 'Done',
      done: {
        task: 'CheckStorage',
        ok: false,
        missingPermissions: Array.from({ length: 9 }, () => 'ä'.repeat(400)),
        faults: Array.from({ length: 9 }, () => 'ö'.repeat(400)),
        keepsFirst: null,
        swept: 0,
        held: null,
      },
    },
  ],
  [
    'backups of names that are as long as can be',
    {
      result: 'Done',
      done: {
        task: 'CheckStorage',
        ok: true,
        missingPermissions: [],
        faults: [],
        keepsFirst: true,
        swept: 0,
        held: {
          backups: 5_000,
          newest: Array.from({ length: MOST_HELD }, (_, number) => ({
            manifest: `${'n'.repeat(63)}/${'b'.repeat(40)}/${'u'.repeat(34)}${10 + number}/manifest`,
            cluster: `${'n'.repeat(63)}/${'c'.repeat(40)}`,
            endedAt: '2026-11-22T10:00:00.000Z',
            keys: 123_456_789,
          })),
        },
      },
    },
  ],
]

test.each(unfit)('last words fit and are understood, also with %s', (_what, report) => {
  const text = formatReport(report)
  expect(Buffer.byteLength(text)).toBeLessThanOrEqual(REPORT_BYTES)
  expect(parseReport(text)?.result).toBe(report.result)
  // And say as much as there is room for.
  expect(Buffer.byteLength(text)).toBeGreaterThan(REPORT_BYTES / 3)
})

test('what is wrong with one backup is cut, and pushes none of the newest out', () => {
  const held = {
    backups: 5_000,
    newest: Array.from({ length: MOST_HELD }, (_, number) => ({
      manifest: `shop/nightly-202611${10 + number}/9b0d2c6e-8f7d-4b8e-b8a1-5b9f9e4f8f6d/manifest`,
      cluster: 'shop/orders',
      endedAt: '2026-11-22T10:00:00.000Z',
      keys: 123_456_789,
    })),
    unreadable: 15,
    unreadableReason: 'KeyWrong' as const,
  }
  const read = (unreadableMessage: string, newest = held.newest) => {
    const check = { ok: true, missingPermissions: [], faults: [], keepsFirst: true, swept: 0 }
    const done = { task: 'CheckStorage' as const, ...check, held: { ...held, newest, unreadableMessage } }
    const report = parseReport(formatReport({ result: 'Done', done }))
    if (report?.result !== 'Done' || report.done.task !== 'CheckStorage') throw new Error('another report')
    return report.done.held
  }
  const long = read('so and so '.repeat(1_000))
  expect(long?.newest).toEqual(held.newest)
  expect(long?.unreadableMessage).toMatch(/^so and so .*…$/)
  // Alone it may say more, up to what its schema takes.
  expect(read('so and so '.repeat(1_000), [])?.unreadableMessage).toHaveLength(1_500)
  expect(read('so and so', [])?.unreadableMessage).toBe('so and so')
})

test('what fits is left as it is, and shards are left out from the end on', () => {
  expect(parseReport(formatReport(stored(3)))).toEqual(stored(3))
  const report = parseReport(formatReport(stored(60)))
  if (report?.result !== 'Done' || report.done.task !== 'StoreShards') throw new Error('another report')
  expect(report.done.attempt).toBe('0badcafe')
  expect(report.done.shards.map(({ shard }) => shard)).toEqual(report.done.shards.map((_, index) => index))
})
