import type { CloudEvent } from './envelope.ts'

/** What a part of a line is, for whoever colours it. */
export type LinePart = 'time' | 'kind' | 'name' | 'type' | 'text'

/** How to write a line: without `paint` it is plain; widths keep the columns of many lines under each other: by default there is room for a backup that a schedule has made. */
export type LineStyle = {
  readonly paint?: (part: LinePart, text: string) => string
  readonly nameWidth?: number
  readonly typeWidth?: number
}

/**
 * One event as one line: `10:00:05.123  cluster   shop/orders  PrimaryChanged  shard 1: orders-1-0 -> orders-1-1 (Assisted)`.
 * Kind and namespace are always there: names repeat across both, and whoever reads one line cannot know how many there are.
 */
export const formatEvent = (event: CloudEvent, style: LineStyle = {}): string => {
  const { paint = (_part, text) => text, nameWidth = 25, typeWidth = 19 } = style
  const [, , kind = '', type = event.type] = event.type.split('.')
  return [
    paint('time', event.time.slice(11, 23)),
    paint('kind', printable(shortKinds[kind] ?? kind).padEnd(KIND_WIDTH)),
    paint('name', printable(event.subject).padEnd(nameWidth)),
    paint('type', printable(type).padEnd(typeWidth)),
    paint('text', printable(describe(type, event.data))),
  ].join('  ')
}

/** Kinds whose short word is another one than in subjects. */
const shortKinds: Readonly<Record<string, string>> = { backupschedule: 'schedule' }
const KIND_WIDTH = 8

type Data = Readonly<Record<string, unknown>>

const describe = (type: string, data: Data): string => {
  const text = phrases[type]?.(data)
  return text ?? (typeof data['message'] === 'string' ? data['message'] : '')
}

const word = (data: Data, field: string): string => {
  const value = data[field]
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '?'
}

const podOf = (data: Data, field: string): string => {
  const value = data[field]
  return typeof value === 'object' && value !== null && 'pod' in value ? String(value.pod) : '(none)'
}

const slotPhrase = (data: Data): string => {
  const ranges = Array.isArray(data['ranges']) ? data['ranges'].join(',') : '?'
  return `shard ${word(data, 'shard')}: ${ranges} (${word(data, 'count')})`
}

const stepPhrase = (data: Data): string => `${word(data, 'type')} ${word(data, 'target')}`

/** The events whose line is shorter than their sentence. */
const phrases: Readonly<Record<string, (data: Data) => string>> = {
  StateChanged: (data) => `${word(data, 'from')} -> ${word(data, 'to')}${about(data)}`,
  ConditionChanged: (data) =>
    `${word(data, 'type')} ${word(data, 'from')} -> ${word(data, 'to')} (${word(data, 'reason')})`,
  PrimaryChanged: (data) =>
    `shard ${word(data, 'shard')}: ${podOf(data, 'from')} -> ${podOf(data, 'to')} (${word(data, 'cause')})`,
  PrimaryLost: (data) => `shard ${word(data, 'shard')}: ${word(data, 'pod')}`,
  PrimaryReturned: (data) => `shard ${word(data, 'shard')}: ${word(data, 'pod')}`,
  ReplicaAttached: (data) => `shard ${word(data, 'shard')}: ${word(data, 'pod')} -> ${word(data, 'primary')}`,
  ReplicaDetached: (data) => `shard ${word(data, 'shard')}: ${word(data, 'pod')} -x- ${word(data, 'primary')}`,
  SlotsAssigned: slotPhrase,
  SlotsCovered: slotPhrase,
  SlotsUncovered: slotPhrase,
  OperationStarted: stepPhrase,
  OperationFinished: (data) => `${stepPhrase(data)} after ${word(data, 'durationMs')} ms`,
  OperationAbandoned: (data) => `${stepPhrase(data)} after ${word(data, 'durationMs')} ms: ${word(data, 'reason')}`,
}

const about = (data: Data): string =>
  typeof data['finding'] === 'string' ? ` (${data['finding']} ${word(data, 'about')})` : ''

/** Names and messages come from elsewhere: a control character must not reach a terminal. */
const printable = (text: string): string =>
  Array.from(text, (each) => (each < ' ' || (each >= '\u007f' && each <= '\u009f') ? ' ' : each)).join('')
