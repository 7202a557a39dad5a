import type { Figure } from './scenario.ts'
import type { Loss } from './subject.ts'

/**
 * The rows of one kind of loss.
 *
 * @param what names it
 * @param ours each time it was measured
 * @param most the longest time without an accepted write that is to be reached, in milliseconds
 * @param reference the same in other circumstances
 */
export function lossFigures(
  what: string,
  ours: readonly Loss[],
  most: number,
  reference?: { readonly name: string; readonly losses: readonly Loss[] },
): readonly Figure[] {
  const figure = (title: string, unit: Figure['unit'], value: (loss: Loss) => number): Figure => ({
    what: `${what}: ${title}`,
    unit,
    ours: ours.map(value),
    ...(reference === undefined ? {} : { reference: { name: reference.name, samples: reference.losses.map(value) } }),
  })
  return [
    { ...figure('no server accepts a write', 'ms', ({ gapMs }) => gapMs), target: { most, of: 'ours' } },
    figure('the client gets no answer', 'ms', ({ client }) => client.gapMs),
    figure('failed calls of the client', 'calls', ({ client }) => client.failed),
    {
      ...figure('acknowledged writes that are gone', 'writes', ({ client }) => client.lost),
      target: { most: 0, of: 'ours' },
      at: 'max',
    },
  ]
}

/** One loss in a line. */
export function lossLine({ gapMs, client }: Loss): string {
  const { failed, gapMs: silent, lost } = client
  return `${gapMs.toFixed(0)} ms without a write; client ${silent.toFixed(0)} ms, ${failed} failed, ${lost} gone`
}
