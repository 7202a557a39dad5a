import { z } from 'zod'
import { backupEventExamples } from './backup-event-examples.ts'
import { backupEventData, backupEventSentences } from './backup-events.ts'
import { clusterEventData } from './cluster-events.ts'
import { clusterEventExamples, clusterEventSentences } from './cluster-event-examples.ts'
import { restoreEventData, restoreEventExamples, restoreEventSentences } from './restore-events.ts'
import { scheduleEventData, scheduleEventExamples, scheduleEventSentences } from './schedule-events.ts'
import { storageEventData, storageEventExamples, storageEventSentences } from './storage-events.ts'
import { defaultPrefix, type EventKind } from './subject.ts'

type FieldSchema = {
  readonly type?: string
  readonly enum?: readonly unknown[]
  readonly description?: string
  readonly items?: FieldSchema
}
type DataSchema = { readonly properties?: Readonly<Record<string, FieldSchema>>; readonly required?: readonly string[] }

/** The events of one kind of objects. */
type Chapter = {
  readonly title: string
  readonly kind: EventKind
  readonly data: Readonly<Record<string, z.ZodType>>
  readonly sentences: Readonly<Record<string, string>>
  readonly examples: Readonly<Record<string, object>>
}

const chapters: readonly Chapter[] = [
  {
    title: 'Cluster',
    kind: 'cluster',
    data: clusterEventData,
    sentences: clusterEventSentences,
    examples: clusterEventExamples,
  },
  {
    title: 'Backup',
    kind: 'backup',
    data: backupEventData,
    sentences: backupEventSentences,
    examples: backupEventExamples,
  },
  {
    title: 'Restore',
    kind: 'restore',
    data: restoreEventData,
    sentences: restoreEventSentences,
    examples: restoreEventExamples,
  },
  {
    title: 'Schedule of backups',
    kind: 'backupschedule',
    data: scheduleEventData,
    sentences: scheduleEventSentences,
    examples: scheduleEventExamples,
  },
  {
    title: 'Storage of backups',
    kind: 'storage',
    data: storageEventData,
    sentences: storageEventSentences,
    examples: storageEventExamples,
  },
]

/** JSON Schema of the data of every event, by CloudEvents type. */
export const eventSchemas = (): Readonly<Record<string, object>> =>
  Object.fromEntries(
    chapters.flatMap(({ kind, data }) =>
      Object.entries(data).map(([type, schema]) => [ceType(kind, type), z.toJSONSchema(schema, { io: 'input' })]),
    ),
  )

/** The catalogue of events as Markdown: for each its meaning, subject, data and an example. */
export const eventCatalogue = (): string =>
  [
    '# Catalogue of events',
    '',
    'Generated from the schemas in `libs/events`. How to subscribe: [events.md](events.md).',
    '',
    ...chapters.flatMap(chapter),
  ].join('\n')

const chapter = ({ title, kind, data, sentences, examples }: Chapter): readonly string[] => [
  `## ${title}`,
  '',
  '| event | told when |',
  '|---|---|',
  ...Object.keys(data).map((type) => `| [${type}](#${anchor(kind, type)}) | ${sentences[type]} |`),
  '',
  ...Object.entries(data).flatMap(([type, schema]) => [
    `### ${heading(kind, type)}`,
    '',
    sentences[type] ?? '',
    '',
    `Subject \`${defaultPrefix}.evt.${kind}.<namespace>.<name>.${type}\`, type \`${ceType(kind, type)}\`.`,
    '',
    '| field | type | meaning |',
    '|---|---|---|',
    ...fields(z.toJSONSchema(schema, { io: 'input' }) as DataSchema),
    '',
    '```json',
    JSON.stringify(examples[type], null, 2),
    '```',
    '',
  ]),
]

const ceType = (kind: EventKind, type: string): string => `dev.slotkeeper.${kind}.${type}.v1`

// Names repeat from kind to kind, headings must not.
const heading = (kind: EventKind, type: string): string => (kind === 'cluster' ? type : `${type} (${kind})`)
const anchor = (kind: EventKind, type: string): string =>
  kind === 'cluster' ? type.toLowerCase() : `${type.toLowerCase()}-${kind}`

const fields = ({ properties = {}, required = [] }: DataSchema): readonly string[] =>
  Object.entries(properties).map(([name, field]) => {
    const optional = required.includes(name) ? '' : ', optional'
    return `| \`${name}\` | ${typeName(field)}${optional} | ${field.description ?? ''} |`
  })

const typeName = ({ type, enum: values, items }: FieldSchema): string => {
  if (values) return values.map((value) => `\`${String(value)}\``).join(' \\| ')
  return type === 'array' ? `list of ${items?.type ?? 'values'}` : (type ?? 'value')
}
