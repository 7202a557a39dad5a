import { KubeError } from './errors.ts'
import type { KubeObject } from './objects.ts'

/** One line of a watch. */
export type WatchEvent =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK'; readonly object: KubeObject }
  | { readonly type: 'ERROR'; readonly object: unknown }

const LONGEST_LINE = 16 * 1024 * 1024
const TYPES: ReadonlySet<unknown> = new Set(['ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK'])
const NEWLINE = 10

/** The events of a watch. What is no event throws: it may stand for a change, which skipping it would lose. */
export async function* watchEvents(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<WatchEvent, void> {
  let parts: Uint8Array[] = []
  let length = 0
  for await (const piece of pieces) {
    let start = 0
    for (let end = piece.indexOf(NEWLINE); end >= 0; end = piece.indexOf(NEWLINE, start)) {
      const line = Buffer.concat([...parts, piece.subarray(start, end)]).toString('utf8')
      parts = []
      length = 0
      start = end + 1
      if (line.trim() !== '') yield eventOf(line)
    }
    if (start < piece.length) parts.push(piece.subarray(start))
    length += piece.length - start
    if (length > LONGEST_LINE) throw garbage('a line without an end')
  }
}

function eventOf(line: string): WatchEvent {
  let event: unknown
  try {
    event = JSON.parse(line)
  } catch {
    throw garbage('a line that is not JSON')
  }
  if (typeof event !== 'object' || event === null || !('type' in event) || !('object' in event))
    throw garbage('a line that is no event')
  const { type, object } = event
  if (type === 'ERROR') return { type, object }
  if (!TYPES.has(type) || typeof object !== 'object' || object === null || !('metadata' in object))
    throw garbage('an unknown event')
  return { type: type as 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK', object: object as KubeObject }
}

function garbage(what: string): KubeError {
  return new KubeError('Other', 0, `watch: ${what}`)
}
