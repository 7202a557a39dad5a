import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { formatEvent } from '@slotkeeper/events'
import type { Verdict } from './contract.ts'
import type { Ground, Trial } from './trial.ts'

/** The figures of a run, in one line. */
export function figures({ gapMs, failed, confirmed, acknowledged, lost }: Verdict): string {
  const gap = String(Math.round(gapMs)).padStart(5)
  return `gap ${gap} ms  refused ${String(failed).padStart(3)}  confirmed ${confirmed}/${acknowledged}  lost ${lost}`
}

/** What an error says, and what caused it. */
export function causes(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause === undefined ? error.message : `${error.message}: ${causes(error.cause)}`
}

/** Writes down all that is known of a trial that failed; gives the file. Moments are seconds since the first fault. */
export async function writeReport(ground: Ground, trial: Trial, name: string): Promise<string> {
  const file = join(mkdtempSync(join(tmpdir(), 'slotkeeper-faults-')), `${name.replace('/', '-')}.txt`)
  const at = (moment: number): string => ((moment - trial.faultAt) / 1000).toFixed(3).padStart(8)
  const ask = (...args: readonly string[]): Promise<string> => ground.stage.kubectl(...args).catch(String)
  const parts: readonly (readonly [string, readonly string[]])[] = [
    ['story', trial.told().map(({ event }) => formatEvent(event.cloudEvent))],
    ['claims', trial.watch.claims().map((one) => `${at(one.at)} ${one.pod} ${JSON.stringify(one.row)}`)],
    [
      'writes that failed',
      trial.writer
        .entries()
        .filter((one) => one.outcome === 'failed')
        .map(({ sentAt, answeredAt, ...one }) => `${at(sentAt)} ${at(answeredAt)} ${JSON.stringify(one)}`),
    ],
    ['statuses', trial.watch.statuses().map((one) => `${at(one.at)} ${JSON.stringify(one.status)}`)],
    ['pods', [await ask('get', 'pods', '-l', trial.selector, '-o', 'wide')]],
    ['last words of the servers', [await ask('logs', '-l', trial.selector, '--prefix', '--tail=40')]],
    ['log of the controller', [await ground.controller.log().catch(String)]],
  ]
  writeFileSync(file, parts.map(([title, lines]) => `# ${title}\n\n${lines.join('\n')}\n`).join('\n'))
  return file
}
