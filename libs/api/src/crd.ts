import { z } from 'zod'
import { defined } from './defined.ts'
import { GROUP, VERSION } from './meta.ts'

/** A piece of a CustomResourceDefinition, as plain JSON. */
export type Schema = { [key: string]: unknown }

/** What a kind is, beside what all kinds have in common. */
export type KindDefinition = {
  readonly kind: string
  /** What it is, in a sentence, for `kubectl explain`. */
  readonly description: string
  readonly plural: string
  readonly shortName: string
  readonly columns: readonly Schema[]
  readonly scale?: Schema
  /** The longest name that an object may have, and what is named after it. */
  readonly name: { readonly most: number; readonly why: string }
  readonly spec: z.ZodType
  /** CEL rules over spec and status together. */
  readonly rules?: readonly { readonly rule: string; readonly message: string }[]
  readonly status: z.ZodType
}

const DROPPED = ['$schema', 'contentEncoding', 'propertyNames', 'examples', 'additionalItems']

/**
 * Makes a JSON Schema of zod structural, as CustomResourceDefinitions want it: safe-integer bounds, closed objects and
 * empty schemas are rewritten; what Kubernetes can't express (unions, references) is refused at build time.
 * Source: Kubernetes documentation, "Specifying a structural schema".
 *
 * @throws Error that names the path of what can't be expressed
 */
export function toStructural(schema: unknown, path = '$'): Schema {
  if (typeof schema !== 'object' || schema === null) throw new Error(`${path}: not a schema`)
  const input = { ...(schema as Schema) }
  refuseInexpressible(input, path)
  for (const key of DROPPED) delete input[key]
  if (input['x-kubernetes-preserve-unknown-fields'] === true) {
    return defined({
      type: 'object',
      description: input['description'],
      'x-kubernetes-preserve-unknown-fields': true,
    }) as Schema
  }
  if (input['type'] === 'integer') {
    for (const bound of ['minimum', 'maximum'])
      if (Math.abs(Number(input[bound])) === Number.MAX_SAFE_INTEGER) delete input[bound]
    input['format'] ??= 'int64'
  }
  return withStructuralParts(input, path)
}

function refuseInexpressible(input: Schema, path: string): void {
  for (const key of ['anyOf', 'oneOf', 'allOf', '$ref', 'not']) {
    if (key in input) throw new Error(`${path}: ${key} is not structural; use optional siblings with a CEL rule`)
  }
  if (typeof input['pattern'] === 'string' && /\(\?[=!<]/.test(input['pattern']))
    throw new Error(`${path}: the pattern is not RE2`)
}

function withStructuralParts(input: Schema, path: string): Schema {
  if (input['additionalProperties'] === false) delete input['additionalProperties']
  else if (input['additionalProperties'] !== undefined)
    input['additionalProperties'] = toStructural(input['additionalProperties'], `${path}.*`)
  if (input['items'] !== undefined) input['items'] = toStructural(input['items'], `${path}[]`)
  const properties = input['properties'] as Schema | undefined
  if (properties !== undefined) {
    input['properties'] = Object.fromEntries(
      Object.entries(properties).map(([name, value]) => [name, toStructural(value, `${path}.${name}`)]),
    )
  }
  return input
}

function structural(schema: z.ZodType): Schema {
  return toStructural(z.toJSONSchema(schema, { target: 'openapi-3.0', io: 'input' }))
}

/** The CustomResourceDefinition of a kind. */
export function crdOf({
  kind,
  description,
  plural,
  shortName,
  columns,
  scale,
  name,
  spec,
  status,
  rules = [],
}: KindDefinition): Schema {
  const nameRule = {
    rule: `self.metadata.name.matches('^[a-z]([-a-z0-9]{0,${name.most - 2}}[a-z0-9])?$')`,
    message: `metadata.name: at most ${name.most} lower case letters, digits and hyphens, beginning with a letter (${name.why})`,
  }
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${GROUP}` },
    spec: {
      group: GROUP,
      scope: 'Namespaced',
      names: {
        kind,
        listKind: `${kind}List`,
        plural,
        singular: kind.toLowerCase(),
        shortNames: [shortName],
        categories: ['slotkeeper'],
      },
      versions: [
        {
          name: VERSION,
          served: true,
          storage: true,
          additionalPrinterColumns: columns,
          subresources: { status: {}, ...(scale === undefined ? {} : { scale }) },
          schema: {
            openAPIV3Schema: {
              description,
              type: 'object',
              required: ['spec'],
              'x-kubernetes-validations': [nameRule, ...rules],
              properties: {
                apiVersion: { type: 'string' },
                kind: { type: 'string' },
                metadata: { type: 'object' },
                spec: structural(spec),
                status: structural(status),
              },
            },
          },
        },
      ],
    },
  }
}
