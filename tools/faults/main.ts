import { randomBytes } from 'node:crypto'
import { styleText } from 'node:util'
import { conclude } from './conclude.ts'
import type { Verdict } from './contract.ts'
import { startGround, type StartedGround } from './ground.ts'
import { causes, figures, writeReport } from './report.ts'
import { randomOf } from './random.ts'
import type { Persistence, Scenario } from './scenario.ts'
import { scenarios } from './scenarios.ts'
import { Trial } from './trial.ts'

/**
 * The faults: every scenario that ONLY names (all without it), or those of the sample (SIZE=sample), each on a cluster of
 * its own, one after the other. All that is drawn follows from SEED. Exit code 0 only if every one came through.
 */
type Run = { readonly scenario: Scenario; readonly persistence: Persistence; readonly name: string }

const seed = process.env['SEED'] || randomBytes(4).toString('hex')
const stop = new AbortController()
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort(new Error(`ended by ${name}`)))
const began = performance.now()
const failed: string[] = []
const totals = { runs: 0, confirmed: 0, acknowledged: 0, lost: 0 }

let ground: StartedGround | undefined
try {
  const runs = choose(process.env['ONLY'] ?? '', process.env['SIZE'] || 'full')
  console.log(`${runs.length} runs, SEED=${seed}`)
  ground = await startGround(stop.signal)
  for (const [index, run] of runs.entries()) {
    stop.signal.throwIfAborted()
    await runOne(ground, run, index)
    await ground.restore()
  }
} catch (error) {
  failed.push('the suite itself')
  console.error(styleText('red', error instanceof Error ? (error.stack ?? error.message) : String(error)))
} finally {
  await ground?.stop()
}
const minutes = ((performance.now() - began) / 60_000).toFixed(1)
console.log(
  `\n${totals.runs} runs in ${minutes} min: ${totals.acknowledged} writes acknowledged, ${totals.confirmed} of them confirmed; ${totals.lost} of the unconfirmed lost`,
)
console.log(
  failed.length === 0 ? styleText('green', 'All came through.') : styleText('red', `Failed: ${failed.join(', ')}`),
)
process.exit(failed.length === 0 ? 0 : 1)

function choose(only: string, size: string): readonly Run[] {
  const all = scenarios.flatMap((scenario) =>
    scenario.persistence.map((persistence) => ({ scenario, persistence, name: `${scenario.name}/${persistence}` })),
  )
  const names = only.split(',').filter((name) => name !== '')
  const isNamed = ({ scenario, name }: Run, wanted: string): boolean => wanted === name || wanted === scenario.name
  const unknown = names.find((name) => !all.some((run) => isNamed(run, name)))
  if (unknown !== undefined)
    throw new Error(`no scenario ${unknown}. There are: ${scenarios.map(({ name }) => name).join(', ')}`)
  if (names.length > 0) return all.filter((run) => names.some((name) => isNamed(run, name)))
  if (size === 'full') return all
  if (size !== 'sample') throw new Error(`SIZE is sample or full, not ${size}`)
  return all.filter(({ scenario, persistence }) => scenario.sample?.includes(persistence) ?? false)
}

type Outcome = { readonly trial?: Trial; readonly verdict?: Verdict; readonly faults: readonly string[] }

async function attempt(on: StartedGround, { scenario, persistence, name }: Run, cluster: string): Promise<Outcome> {
  let trial: Trial | undefined
  try {
    const random = randomOf(`${seed}:${name}`)
    trial = await Trial.begin(on, { name: cluster, random, persistence, shape: scenario.shape ?? {} })
    await scenario.run(trial)
    const verdict = await conclude(trial)
    return { trial, verdict, faults: verdict.faults }
  } catch (error) {
    return { ...(trial === undefined ? {} : { trial }), faults: [causes(error)] }
  }
}

async function runOne(on: StartedGround, run: Run, index: number): Promise<void> {
  const since = performance.now()
  const cluster = `f${index}`
  const { trial, verdict, faults } = await attempt(on, run, cluster)
  const took = `${((performance.now() - since) / 1000).toFixed(0).padStart(3)} s`
  const mark = faults.length === 0 ? styleText('green', 'ok    ') : styleText('red', 'FAILED')
  const said = [verdict === undefined ? run.scenario.proves : figures(verdict), trial?.note ?? '']
  console.log(`${mark} ${run.name.padEnd(36)} ${took}  ${said.join('  ').trimEnd()}`)
  count(verdict)
  if (faults.length > 0) {
    failed.push(run.name)
    for (const fault of faults) console.log(`       ${fault}`)
    console.log(`       what was seen: ${await writeReport(on, run.name, cluster, trial)}`)
    console.log(`       again: make faults SEED=${seed} ONLY=${run.name}`)
  }
  if (trial !== undefined) await trial.end()
  else await on.stage.kubectl('delete', 'rdc,rdr', cluster, '--wait=false', '--ignore-not-found')
}

function count(verdict: Verdict | undefined): void {
  totals.runs += 1
  totals.confirmed += verdict?.confirmed ?? 0
  totals.acknowledged += verdict?.acknowledged ?? 0
  totals.lost += verdict?.lost ?? 0
}
