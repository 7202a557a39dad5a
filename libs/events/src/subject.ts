/** The kinds of objects that have a history, as they stand in subjects and types. */
export const eventKinds = [
  'cluster',
  'sentinel',
  'server',
  'backup',
  'backupschedule',
  'storage',
  'restore',
  'user',
] as const

/** One of the kinds that have a history. */
export type EventKind = (typeof eventKinds)[number]

/** What subjects begin with, unless a site says otherwise. */
export const defaultPrefix = 'redis'

/** Whose history: one object, by kind and name. */
export type Aggregate = {
  readonly prefix?: string
  readonly kind: EventKind
  readonly namespace: string
  readonly name: string
}

/** The parts of an event's subject. */
export type SubjectParts = Aggregate & { readonly prefix: string; readonly type: string }

// A dot in a name would shift every token after it; our kinds refuse such names, and so do we.
const token = /^[A-Za-z0-9][A-Za-z0-9_-]*$/

/** `<prefix>.evt.<kind>.<namespace>.<name>.<Type>`. Throws a RangeError for a part that is no single token. */
export const eventSubject = ({ type, ...aggregate }: Aggregate & { readonly type: string }): string =>
  `${aggregateOf(aggregate)}.${checked(type)}`

/** The filter of one object's whole history: `<prefix>.evt.<kind>.<namespace>.<name>.>`. */
export const aggregateSubject = (aggregate: Aggregate): string => `${aggregateOf(aggregate)}.>`

/** The filter of everything under a prefix: what the stream stores. */
export const everySubject = (prefix: string = defaultPrefix): string => `${checkedPrefix(prefix)}.evt.>`

/** A filter for subscribers: what is left out matches everything. */
export const subjectFilter = (filter: {
  readonly prefix?: string
  readonly kind?: EventKind
  readonly namespace?: string
  readonly name?: string
  readonly type?: string
}): string => {
  const { prefix = defaultPrefix, kind, namespace, name, type } = filter
  const tokens = [kind, namespace, name, type].map((each) => (each === undefined ? '*' : checked(each)))
  return `${checkedPrefix(prefix)}.evt.${tokens.join('.')}`
}

/** Takes an event's subject apart; null when it is none. */
export const parseSubject = (subject: string): SubjectParts | null => {
  const parts = subject.split('.')
  const [evt, kind, namespace, name, type] = parts.slice(-5)
  const prefix = parts.slice(0, -5).join('.')
  if (evt !== 'evt' || prefix === '' || !isEventKind(kind)) return null
  return namespace && name && type ? { prefix, kind, namespace, name, type } : null
}

const aggregateOf = ({ prefix = defaultPrefix, kind, namespace, name }: Aggregate): string =>
  `${checkedPrefix(prefix)}.evt.${kind}.${checked(namespace)}.${checked(name)}`

const checked = (part: string): string => {
  if (!token.test(part)) throw new RangeError(`"${part}" cannot be one token of a subject`)
  return part
}

const checkedPrefix = (prefix: string): string => prefix.split('.').map(checked).join('.')

const isEventKind = (kind: string | undefined): kind is EventKind => eventKinds.some((each) => each === kind)
