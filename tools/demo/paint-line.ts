import { styleText } from 'node:util'
import type { LinePart } from '@slotkeeper/events'

const styles = { time: 'dim', kind: 'dim', name: 'reset', type: 'cyan', text: 'reset' } as const

/** Paints a part of an event's line for standard output: colours on a terminal, plain text for a file or a pipe. */
export function paintLine(part: LinePart, text: string): string {
  return styles[part] === 'reset' ? text : styleText(styles[part], text)
}
