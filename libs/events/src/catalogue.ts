import { z } from 'zod'
import { clusterEventData, clusterEventTypes, type ClusterEventType } from './cluster-events.ts'
import { clusterEventExamples, clusterEventSentences } from './cluster-event-examples.ts'
import { defaultPrefix } from './subject.ts'

type FieldSchema = {
  readonly type?: string
  readonly enum?: readonly unknown[]
  readonly description?: string
  readonly items?: FieldSchema
}
type DataSchema = { readonly properties?: Readonly<Record<string, FieldSchema>>; readonly required?: readonly string[] }

/** JSON Schema of the data of every event, by CloudEvents type. */
export const eventSchemas = (): Readonly<Record<string, object>> =>
  Object.fromEntries(
    clusterEventTypes.map((type) => [ceType(type), z.toJSONSchema(clusterEventData[type], { io: 'input' })]),
  )

/** The catalogue of events as Markdown: for each its meaning, subject, data and an example. */
export const eventCatalogue = (): string =>
  [
    '# Catalogue of events',
    '',
    'Generated from the schemas in `libs/events`. How to subscribe: [events.md](events.md).',
    '',
    '## Cluster',
    '',
    '| event | told when |',
    '|---|---|',
    ...clusterEventTypes.map((type) => `| [${type}](#${type.toLowerCase()}) | ${clusterEventSentences[type]} |`),
    '',
    ...clusterEventTypes.flatMap(chapter),
  ].join('\n')

const ceType = (type: ClusterEventType): string => `dev.slotkeeper.cluster.${type}.v1`

const chapter = (type: ClusterEventType): readonly string[] => [
  `### ${type}`,
  '',
  clusterEventSentences[type],
  '',
  `Subject \`${defaultPrefix}.evt.cluster.<namespace>.<name>.${type}\`, type \`${ceType(type)}\`.`,
  '',
  '| field | type | meaning |',
  '|---|---|---|',
  ...fields(z.toJSONSchema(clusterEventData[type], { io: 'input' }) as DataSchema),
  '',
  '```json',
  JSON.stringify(clusterEventExamples[type], null, 2),
  '```',
  '',
]

const fields = ({ properties = {}, required = [] }: DataSchema): readonly string[] =>
  Object.entries(properties).map(([name, field]) => {
    const optional = required.includes(name) ? '' : ', optional'
    return `| \`${name}\` | ${typeName(field)}${optional} | ${field.description ?? ''} |`
  })

const typeName = ({ type, enum: values, items }: FieldSchema): string => {
  if (values) return values.map((value) => `\`${String(value)}\``).join(' \\| ')
  return type === 'array' ? `list of ${items?.type ?? 'values'}` : (type ?? 'value')
}
