import { z } from 'zod'
import { defined } from './defined.ts'
import { GROUP, VERSION } from './meta.ts'
import { redisClusterSpec, redisClusterStatus } from './redis-cluster.ts'

type Schema = { [key: string]: unknown }

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

const COLUMNS = [
  { name: 'Ready', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].status' },
  { name: 'State', type: 'string', jsonPath: '.status.state' },
  { name: 'Shards', type: 'integer', jsonPath: '.status.readyShards' },
  { name: 'Replicas', type: 'integer', jsonPath: '.spec.replicasPerShard' },
  { name: 'Version', type: 'string', jsonPath: '.status.version', priority: 1 },
  { name: 'Reason', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].reason', priority: 1 },
  { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
]

/** The CustomResourceDefinition of RedisCluster. */
export function redisClusterCrd(): Schema {
  const nameRule = {
    rule: "self.metadata.name.matches('^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$')",
    message:
      'metadata.name: at most 40 lower case letters, digits and hyphens, beginning with a letter (Services and pods are named after it)',
  }
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `redisclusters.${GROUP}` },
    spec: {
      group: GROUP,
      scope: 'Namespaced',
      names: {
        kind: 'RedisCluster',
        listKind: 'RedisClusterList',
        plural: 'redisclusters',
        singular: 'rediscluster',
        shortNames: ['rdc'],
        categories: ['slotkeeper'],
      },
      versions: [
        {
          name: VERSION,
          served: true,
          storage: true,
          additionalPrinterColumns: COLUMNS,
          subresources: {
            status: {},
            scale: {
              specReplicasPath: '.spec.shards',
              statusReplicasPath: '.status.shards',
              labelSelectorPath: '.status.selector',
            },
          },
          schema: {
            openAPIV3Schema: {
              type: 'object',
              required: ['spec'],
              'x-kubernetes-validations': [nameRule],
              properties: {
                apiVersion: { type: 'string' },
                kind: { type: 'string' },
                metadata: { type: 'object' },
                spec: structural(redisClusterSpec),
                status: structural(redisClusterStatus),
              },
            },
          },
        },
      ],
    },
  }
}
