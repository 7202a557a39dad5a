import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LABEL } from '@slotkeeper/api'
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

type Part = readonly [title: string, lines: readonly string[]]

/**
 * Writes down all that is known of a cluster whose run failed, and of its trial if one began; gives the file. Moments
 * are seconds since the first fault.
 */
export async function writeReport(
  ground: Ground,
  run: string,
  cluster: string,
  trial: Trial | undefined,
): Promise<string> {
  const file = join(mkdtempSync(join(tmpdir(), 'slotkeeper-faults-')), `${run.replace('/', '-')}.txt`)
  const { stage, story } = ground
  const ask = (...args: readonly string[]): Promise<string> => stage.kubectl(...args).catch(String)
  const selector = `${LABEL.cluster}=${cluster}`
  const told = story.filter(({ event }) => event.name === cluster).map(({ event }) => formatEvent(event.cloudEvent))
  const parts: readonly Part[] = [
    ['story', told],
    ...(trial === undefined ? [] : ofTrial(trial)),
    ['restore', [await ask('get', 'rdr', cluster, '--ignore-not-found', '-o', 'yaml')]],
    ['views of the servers', await viewsOf(ground, cluster)],
    ['pods', [await ask('get', 'pods', '-l', selector, '-o', 'wide')]],
    ['last words of the servers', [await ask('logs', '-l', selector, '--prefix', '--tail=60')]],
    ['log of the controller', [await ground.controller.log().catch(String)]],
  ]
  writeFileSync(file, parts.map(([title, lines]) => `# ${title}\n\n${lines.join('\n')}\n`).join('\n'))
  return file
}

function ofTrial({ watch, writer, faultAt }: Trial): readonly Part[] {
  const at = (moment: number): string => ((moment - faultAt) / 1000).toFixed(3).padStart(8)
  const failed = writer.entries().filter(({ outcome }) => outcome === 'failed')
  return [
    ['claims', watch.claims().map((one) => `${at(one.at)} ${one.pod} ${JSON.stringify(one.row)}`)],
    ['writes that failed', failed.map((one) => `${at(one.sentAt)} ${at(one.answeredAt)} ${JSON.stringify(one)}`)],
    ['statuses', watch.statuses().map((one) => `${at(one.at)} ${JSON.stringify(one.status)}`)],
  ]
}

async function viewsOf({ stage }: Ground, cluster: string): Promise<readonly string[]> {
  const view = async (pod: string): Promise<string> => {
    const { 'control-password': password = '' } = await stage.secret(`${cluster}-internal`)
    const client = await stage.connect(pod, { username: 'slotkeeper', password })
    try {
      return `${String(await client.cluster('NODES'))}${await client.info('replication')}`
    } finally {
      client.disconnect()
    }
  }
  const pods = await stage.podsOf(cluster).catch(() => [])
  return Promise.all(pods.map(async (pod) => `${pod}:\n${await view(pod).catch(String)}`))
}
