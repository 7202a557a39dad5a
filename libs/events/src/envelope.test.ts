import { describe, expect, it } from 'vitest'
import { clusterEventExamples } from './cluster-event-examples.ts'
import { clusterEventData, clusterEventTypes, parseClusterEvent } from './cluster-events.ts'
import { backupEventData } from './backup-events.ts'
import { backupEventExamples } from './backup-event-examples.ts'
import { eventCatalogue, eventSchemas } from './catalogue.ts'
import { parseCloudEvent, toCloudEvent } from './envelope.ts'
import { formatEvent } from './format-event.ts'
import { aggregateSubject, eventSubject, everySubject, parseSubject, subjectFilter } from './subject.ts'

const orders = { kind: 'cluster', namespace: 'shop', name: 'orders' } as const
const event = toCloudEvent({
  ...orders,
  plural: 'redisclusters',
  uid: 'uid-1',
  life: 1_763_719_200_000,
  entry: {
    seq: 21,
    type: 'PrimaryChanged',
    data: clusterEventExamples.PrimaryChanged,
    time: '2026-11-21T10:00:05.123Z',
    epoch: 4,
    generation: 3,
  },
})

describe('envelope', () => {
  it('has these bytes', () => {
    expect({ ...event, data: {} }).toEqual({
      specversion: '1.0',
      id: 'uid-1:1763719200000:21',
      source: '/slotkeeper.dev/namespaces/shop/redisclusters/orders',
      type: 'dev.slotkeeper.cluster.PrimaryChanged.v1',
      subject: 'shop/orders',
      time: '2026-11-21T10:00:05.123Z',
      datacontenttype: 'application/json',
      sequence: '21',
      life: '1763719200000',
      epoch: '4',
      generation: '3',
      data: {},
    })
  })

  it('is read back, from text and from bytes', () => {
    const read = {
      cloudEvent: event,
      ...orders,
      type: 'PrimaryChanged',
      schemaVersion: 1,
      uid: 'uid-1',
      life: 1_763_719_200_000,
      sequence: 21,
    }
    expect(parseCloudEvent(JSON.stringify(event))).toEqual(read)
    expect(parseCloudEvent(new TextEncoder().encode(JSON.stringify({ ...event, added: 'later' })))).toEqual(read)
  })

  it.each([
    '',
    'no json',
    '{}',
    JSON.stringify({ ...event, id: 'x' }),
    JSON.stringify({ ...event, type: 'dev.slotkeeper.other.X.v1' }),
  ])('is not read from %s', (json) => {
    expect(parseCloudEvent(json)).toBeNull()
  })
})

describe('subjects', () => {
  it('are built and taken apart', () => {
    const subject = eventSubject({ ...orders, prefix: 'site.a', type: 'Deleted' })
    expect(subject).toBe('site.a.evt.cluster.shop.orders.Deleted')
    expect(parseSubject(subject)).toEqual({ ...orders, prefix: 'site.a', type: 'Deleted' })
    expect(aggregateSubject(orders)).toBe('redis.evt.cluster.shop.orders.>')
    expect(everySubject()).toBe('redis.evt.>')
    expect(subjectFilter({ kind: 'cluster', type: 'PrimaryChanged' })).toBe('redis.evt.cluster.*.*.PrimaryChanged')
    expect(parseSubject('redis.evt.other.shop.orders.Deleted')).toBeNull()
    expect(parseSubject('evt.cluster.shop.orders.Deleted')).toBeNull()
  })

  it.each(['a.b', '*', '>', '', 'a b'])('refuse "%s" as a name', (name) => {
    expect(() => eventSubject({ ...orders, name, type: 'Deleted' })).toThrow(RangeError)
  })
})

describe('catalogue', () => {
  it.each(clusterEventTypes)('has a valid example of %s', (type) => {
    expect(clusterEventData[type].parse(clusterEventExamples[type])).toEqual(clusterEventExamples[type])
    expect(parseClusterEvent(type, { ...clusterEventExamples[type], added: 'later' })?.data).toEqual(
      clusterEventExamples[type],
    )
    expect(eventCatalogue()).toContain(`### ${type}\n`)
    expect(eventSchemas()[`dev.slotkeeper.cluster.${type}.v1`]).toMatchObject({ type: 'object' })
  })

  it('knows no other event', () => {
    expect(parseClusterEvent('toString', {})).toBeNull()
  })
})

describe('formatEvent', () => {
  it('writes one line', () => {
    expect(formatEvent(event)).toBe(
      '10:00:05.123  cluster   shop/orders                PrimaryChanged       shard 1: orders-1-0 -> orders-1-1 (Assisted)',
    )
  })

  it('paints the parts it is asked to', () => {
    const line = formatEvent(event, { paint: (part, text) => `<${part}>${text.trim()}`, nameWidth: 12 })
    expect(line).toBe(
      '<time>10:00:05.123  <kind>cluster  <name>shop/orders  <type>PrimaryChanged  <text>shard 1: orders-1-0 -> orders-1-1 (Assisted)',
    )
  })

  it('lets no control character through', () => {
    const line = formatEvent({
      ...event,
      type: 'dev.slotkeeper.cluster.Unheard.v1',
      data: { message: 'a\u001b[31m\nb' },
    })
    expect(line).toBe('10:00:05.123  cluster   shop/orders                Unheard              a [31m b')
  })

  it.each([
    ['backup', 'backup  '],
    ['restore', 'restore '],
    ['storage', 'storage '],
    ['backupschedule', 'schedule'],
  ])('says that it is of a %s', (kind, word) => {
    const line = formatEvent({ ...event, type: `dev.slotkeeper.${kind}.Deleted.v1`, data: { message: 'gone' } })
    expect(line).toBe(`10:00:05.123  ${word}  shop/orders                Deleted              gone`)
  })
})

it('ObjectsLeft as earlier versions told it, without a path, is read as well', () => {
  const { path: _path, ...earlier } = backupEventExamples.ObjectsLeft
  expect(backupEventData.ObjectsLeft.parse(earlier)).toEqual(earlier)
})
