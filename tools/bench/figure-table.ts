import type { Figure, Unit } from './scenario.ts'
import { type Summary, summaryOf } from './summary.ts'

/** The table of a scenario's figures, in Markdown. Columns that no figure fills are left out. */
export function figureTable(figures: readonly Figure[]): string {
  const rows = figures.map(rowOf)
  const columns = HEADINGS.filter((_, column) => column < 3 || rows.some((row) => row[column] !== ''))
  const kept = columns.map((heading) => HEADINGS.indexOf(heading))
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [
    line(columns),
    line(columns.map(() => '---')),
    ...rows.map((row) => line(kept.map((column) => row[column] ?? ''))),
  ].join('\n')
}

const HEADINGS: readonly string[] = ['what', 'samples', 'ours', 'reference', 'ratio', 'to reach', 'reached']

function rowOf(figure: Figure): readonly string[] {
  const ours = summaryOf(figure.ours)
  const reference = figure.reference === undefined ? undefined : summaryOf(figure.reference.samples)
  return [
    figure.what,
    String(ours.count),
    told(ours, figure),
    reference === undefined ? '' : `${figure.reference?.name} ${told(reference, figure)}`,
    // Nothing is so many times nothing.
    reference === undefined || reference[figure.at ?? 'median'] === 0
      ? ''
      : ratioText(ratioOf(figure, ours, reference)),
    targetText(figure),
    reachedText(figure, ours, reference),
  ]
}

/** What stands for the samples, then how they lie. */
function told(summary: Summary, { unit, at = 'median' }: Figure): string {
  const first = `**${numberText(summary[at], unit)} ${unit}**`
  if (summary.count === 1) return first
  if (at === 'median') return `${first} (${numberText(summary.min, unit)} to ${numberText(summary.max, unit)})`
  return `${at} ${first} (median ${numberText(summary.median, unit)}, max ${numberText(summary.max, unit)})`
}

function targetText({ target, unit, reference }: Figure): string {
  if (target === undefined) return ''
  const [bound, value] = 'most' in target ? (['at most', target.most] as const) : (['at least', target.least] as const)
  return target.of === 'ratio' ? `${bound} ${ratioText(value)} of ${reference?.name}` : `${bound} ${value} ${unit}`
}

function reachedText(figure: Figure, ours: Summary, reference: Summary | undefined): string {
  const { target, at = 'median' } = figure
  if (target === undefined) return ''
  const value = target.of === 'ours' || reference === undefined ? ours[at] : ratioOf(figure, ours, reference)
  return ('most' in target ? value <= target.most : value >= target.least) ? 'yes' : 'no'
}

function ratioOf({ at = 'median' }: Figure, ours: Summary, reference: Summary): number {
  return ours[at] / reference[at]
}

function ratioText(ratio: number): string {
  return `${ratio.toFixed(2)} x`
}

function numberText(value: number, unit: Unit): string {
  if (unit === 's' || unit === 'M keys/s') return value.toFixed(2)
  if (unit === 'ms' && value < 10) return value.toFixed(1)
  return value.toFixed(0)
}
