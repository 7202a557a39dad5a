import type { Facts } from './facts.ts'
import { figureTable } from './figure-table.ts'
import type { Result } from './scenario.ts'

/** The page of a whole run. */
export function renderPage({ date, machine, versions, busy }: Facts, results: readonly Result[]): string {
  const rows = [...machine, ...versions].map(([name, value]) => `| ${name} | ${value} |`)
  return [
    '# Benchmarks',
    '',
    `Written by \`make bench\` on ${date}; do not edit. All of a section is measured in one run on one machine, so the ratios`,
    'are what to carry elsewhere. "To reach" is what the project asks of itself; nothing fails when it is missed, and nothing',
    'is left out.',
    '',
    ...(busy ? [BUSY, ''] : []),
    '| | |',
    '|---|---|',
    ...rows,
    '',
    'Bold is the median, or the statistic that is named before it; the range of the samples is in brackets.',
    ...results.flatMap((result) => ['', section(result)]),
    '',
  ].join('\n')
}

/**
 * A page with the sections of some scenarios measured anew, or added at its end.
 *
 * @param when on which day, at which load; it is told in each of these sections
 */
export function pageWith(page: string, results: readonly Result[], when: string): string {
  const [head = '', ...sections] = page.trimEnd().split(/\n+(?=## )/)
  for (const result of results) {
    const text = section(result, wrapped(`${APART}: ${when}.**`))
    const index = sections.findIndex((one) => one.startsWith(`## ${result.title}\n`))
    if (index < 0) sections.push(text)
    else sections[index] = text
  }
  // Of a run that no section is left of nothing needs to be known.
  const top = sections.every((one) => one.includes(APART))
    ? head.replace(`${BUSY}\n\n`, '').replace(LOAD_ROW, '')
    : head
  return `${[top, ...sections].join('\n\n')}\n`
}

const section = ({ title, method, figures }: Result, ...notes: readonly string[]): string =>
  [`## ${title}`, wrapped(method), ...notes, figureTable(figures)].join('\n\n')

const BUSY = '**Other work was under way on the machine: all but the ratios is slower than it would be.**'
const APART = '**Measured apart from the rest'
const LOAD_ROW = /^\| load before the run \|.*\n/m
const WIDTH = 125

/** Breaks a text into lines, as the other pages are. */
function wrapped(text: string): string {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + word.length >= WIDTH) {
      lines.push(line)
      line = ''
    }
    line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line].join('\n')
}
