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

async function runOne(on: StartedGround, { scenario, persistence, name }: Run, index: number): Promise<void> {
  const since = performance.now()
  let trial: Trial | undefined
  let faults: readonly string[]
  let verdict: Verdict | undefined
  try {
    const random = randomOf(`${seed}:${name}`)
    const { shape = {} } = scenario
    trial = await Trial.begin(on, { name: `f${index}`, random, persistence, shape })
    await scenario.run(trial)
    verdict = await conclude(trial)
    faults = verdict.faults
  } catch (error) {
    faults = [causes(error)]
  }
  const took = `${((performance.now() - since) / 1000).toFixed(0).padStart(3)} s`
  totals.runs += 1
  totals.confirmed += verdict?.confirmed ?? 0
  totals.acknowledged += verdict?.acknowledged ?? 0
  totals.lost += verdict?.lost ?? 0
  const mark = faults.length === 0 ? styleText('green', 'ok    ') : styleText('red', 'FAILED')
  console.log(`${mark} ${name.padEnd(28)} ${took}  ${verdict === undefined ? scenario.proves : figures(verdict)}`)
  if (faults.length > 0) {
    failed.push(name)
    for (const fault of faults) console.log(`       ${fault}`)
    if (trial !== undefined) console.log(`       what was seen: ${await writeReport(on, trial, name)}`)
    console.log(`       again: make faults SEED=${seed} ONLY=${name}`)
  }
  await trial?.end()
}
