import { z } from 'zod'
import { eventKinds, type EventKind } from './subject.ts'

/** The content type of our messages; without it a receiver would take them for CloudEvents in binary mode. */
export const cloudEventContentType = 'application/cloudevents+json'

const cloudEvent = z.object({
  specversion: z.literal('1.0'),
  id: z.string().regex(/^[^:]+:\d+:\d+$/),
  source: z.string().min(1),
  type: z.string().regex(/^dev\.slotkeeper\.[a-z]+\.[A-Za-z]+\.v\d+$/),
  subject: z.string().regex(/^[^/]+\/[^/]+$/),
  time: z.iso.datetime(),
  datacontenttype: z.literal('application/json'),
  sequence: z.string().regex(/^\d+$/),
  life: z.string().regex(/^\d+$/),
  epoch: z.string().regex(/^\d+$/),
  generation: z.string().regex(/^\d+$/),
  data: z.record(z.string(), z.unknown()),
})

/** An event as it is stored and sent: CloudEvents 1.0, structured. Our extensions are decimal strings. */
export type CloudEvent = Readonly<z.infer<typeof cloudEvent>>

/** What an envelope is made from: whose event, and its entry in the outbox. */
export type EventSource = {
  readonly kind: EventKind
  readonly plural: string
  readonly namespace: string
  readonly name: string
  readonly uid: string
  readonly life: number
  readonly entry: {
    readonly seq: number
    readonly type: string
    readonly data: Readonly<Record<string, unknown>>
    readonly time: string
    readonly epoch: number
    readonly generation: number
  }
}

/** `<uid>:<life>:<seq>`: the same event has the same id however often it is sent. */
export const eventId = (uid: string, life: number, seq: number): string => `${uid}:${life}:${seq}`

/** Puts an outbox entry into its envelope. Same entry, same bytes. */
export const toCloudEvent = ({ kind, plural, namespace, name, uid, life, entry }: EventSource): CloudEvent => ({
  specversion: '1.0',
  id: eventId(uid, life, entry.seq),
  source: `/slotkeeper.dev/namespaces/${namespace}/${plural}/${name}`,
  type: `dev.slotkeeper.${kind}.${entry.type}.v1`,
  subject: `${namespace}/${name}`,
  time: entry.time,
  datacontenttype: 'application/json',
  sequence: String(entry.seq),
  life: String(life),
  epoch: String(entry.epoch),
  generation: String(entry.generation),
  data: entry.data,
})

/** An event read back: the envelope and what its words mean. */
export type ReadEvent = {
  readonly cloudEvent: CloudEvent
  readonly kind: EventKind
  readonly type: string
  readonly schemaVersion: number
  readonly namespace: string
  readonly name: string
  readonly uid: string
  readonly life: number
  readonly sequence: number
}

/** Reads an envelope from its JSON; null when it is none of ours. Unknown attributes are dropped. */
export const parseCloudEvent = (json: string | Uint8Array): ReadEvent | null => {
  const parsed = cloudEvent.safeParse(readJson(json))
  if (!parsed.success) return null
  const { data: event } = parsed
  const [, , kindName, type = '', version = ''] = event.type.split('.')
  const kind = eventKinds.find((each) => each === kindName)
  const [namespace = '', name = ''] = event.subject.split('/')
  const [uid = '', life, sequence] = event.id.split(':')
  if (kind === undefined) return null
  return {
    cloudEvent: event,
    kind,
    type,
    schemaVersion: Number(version.slice(1)),
    namespace,
    name,
    uid,
    life: Number(life),
    sequence: Number(sequence),
  }
}

const readJson = (json: string | Uint8Array): unknown => {
  try {
    return JSON.parse(typeof json === 'string' ? json : new TextDecoder().decode(json))
  } catch {
    return undefined
  }
}
