import type { Committed, Message, OutboxEntry } from '@slotkeeper/controller'
import { aggregateSubject, type EventKind, eventSubject, toCloudEvent } from '@slotkeeper/events'

/** Puts entries of the outboxes of one kind into the words of the store. */
export function toMessage(of: {
  readonly prefix: string
  readonly kind: EventKind
  readonly plural: string
}): (object: Committed, entry: OutboxEntry) => Message {
  const { prefix, kind, plural } = of
  return ({ metadata, status }, entry) => {
    const { namespace, name, uid } = metadata
    const life = status?.lifecycle.life ?? 0
    const aggregate = { prefix, kind, namespace, name }
    const cloudEvent = toCloudEvent({ kind, plural, namespace, name, uid, life, entry })
    return {
      subject: eventSubject({ ...aggregate, type: entry.type }),
      aggregate: aggregateSubject(aggregate),
      body: JSON.stringify(cloudEvent),
      msgId: cloudEvent.id,
    }
  }
}
