import { aggregateSubject, eventSubject, toCloudEvent } from '@slotkeeper/events'
import type { AppendRequest } from '../src/index.ts'

/** The history of the cluster `orders` in `shop`. */
export const aggregate = aggregateSubject({ kind: 'cluster', namespace: 'shop', name: 'orders' })

/** The append of event number `seq` of `orders`, in the words of the store. */
export const appendOf = (seq: number, expectedLastSequence: number, uid = 'uid-1'): AppendRequest => {
  const event = toCloudEvent({
    kind: 'cluster',
    plural: 'redisclusters',
    namespace: 'shop',
    name: 'orders',
    uid,
    life: 1,
    entry: {
      seq,
      type: 'Deleted',
      data: { retain: true, message: `number ${seq}` },
      time: new Date(1_763_719_200_000 + seq).toISOString(),
      epoch: 1,
      generation: 1,
    },
  })
  return {
    subject: eventSubject({ kind: 'cluster', namespace: 'shop', name: 'orders', type: 'Deleted' }),
    body: JSON.stringify(event),
    msgId: event.id,
    aggregate,
    expectedLastSequence,
  }
}

/** Everything an asynchronous iteration gives. */
export const collect = async <T>(items: AsyncIterable<T>, most = Number.POSITIVE_INFINITY): Promise<T[]> => {
  const collected: T[] = []
  for await (const item of items) {
    collected.push(item)
    if (collected.length >= most) break
  }
  return collected
}
