import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { redisClusterSpec } from '@slotkeeper/api'
import { expect, test } from 'vitest'
import { z } from 'zod'

type Schema = { readonly properties?: Readonly<Record<string, Schema>> }

// What others make just as we do: those who restore claim volumes of the same kind, for pods of the same user.
const api = join(import.meta.dirname, '../../../libs/api/src')
const shared = ['claim-template.ts', 'pod-security-context.ts'].map((file) => join(api, file))
const own = readdirSync(import.meta.dirname, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
  .map((file) => join(import.meta.dirname, file))
const sources = [...own, ...shared].map((file) => readFileSync(file, 'utf8')).join('\n')

function fieldsOf(schema: Schema): readonly string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, inner]) => [name, ...fieldsOf(inner)])
}

/** Whole parts of a pod are read by spreading labels and the like; a field counts as read where its name is accessed. */
function isRead(field: string): boolean {
  return new RegExp(`[.{,] ?\\??\\.?${field}\\b|\\['${field}'\\]`).test(sources)
}

const fields = fieldsOf(z.toJSONSchema(redisClusterSpec, { target: 'openapi-3.0', io: 'input' }) as Schema)

test('the schema was seen', () => {
  expect(fields.length).toBeGreaterThan(30)
  expect(isRead('noSuchField')).toBe(false)
})

// `requests` and `limits` travel whole, as `resources`; `name` is that of a pull secret, which travels whole too.
test.each(fields.filter((field) => !['requests', 'limits', 'name'].includes(field)))(
  'spec field %s has a reader',
  (field) => {
    expect(isRead(field)).toBe(true)
  },
)
