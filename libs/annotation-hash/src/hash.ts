import { createHash } from 'node:crypto'
import { canonicalJson } from './canonical-json.ts'

/**
 * The hash that goes into an annotation, `v1:<64 hex>`. The prefix lets the algorithm change later without every pod
 * taking the change for one of its own.
 */
export function hash(value: unknown): string {
  return `v1:${createHash('sha256').update(canonicalJson(value), 'utf8').digest('hex')}`
}
