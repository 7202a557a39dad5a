import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { factsOf } from './facts.ts'
import { figureTable } from './figure-table.ts'
import { renderPage } from './page.ts'
import type { Context, Result, Scenario } from './scenario.ts'
import { scenarios } from './scenarios.ts'
import { type Stage, startStage } from './stage.ts'

/**
 * The bench: runs the scenarios that ONLY names (all without it), each RUNS times or as often as it asks for itself.
 * A run of all writes docs/benchmarks.md; a partial one only prints. Figures never make it fail, errors do.
 */
const page = join(import.meta.dirname, '../../docs/benchmarks.md')
const stop = new AbortController()
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort(new Error(`ended by ${name}`)))
const began = performance.now()
const say = (line: string): void => {
  process.stderr.write(`${((performance.now() - began) / 1000).toFixed(1).padStart(6)} s  ${line}\n`)
}

let stage: Promise<Stage> | undefined
try {
  const chosen = choose(process.env['ONLY'] ?? '')
  const facts = await factsOf(stop.signal)
  const results: Result[] = []
  for (const scenario of chosen) results.push(await runOne(scenario))
  if (chosen.length === scenarios.length) {
    writeFileSync(page, renderPage(facts, results))
    say(`written: ${page}`)
  }
} catch (error) {
  process.exitCode = 1
  say(stop.signal.aborted ? 'interrupted' : error instanceof Error ? (error.stack ?? error.message) : String(error))
} finally {
  await (await stage?.catch(() => undefined))?.stop()
}
process.exit()

function choose(only: string): readonly Scenario[] {
  const names = only.split(',').filter((name) => name !== '')
  const unknown = names.find((name) => !scenarios.some((one) => one.name === name))
  if (unknown !== undefined)
    throw new Error(`no scenario ${unknown}. There are: ${scenarios.map((one) => one.name).join(', ')}`)
  return names.length === 0 ? scenarios : scenarios.filter((one) => names.includes(one.name))
}

async function runOne(scenario: Scenario): Promise<Result> {
  const runs = Number(process.env['RUNS'] ?? '') || scenario.runs
  say(`${scenario.name}: ${scenario.title}, ${runs} runs`)
  const context: Context = {
    runs,
    signal: stop.signal,
    say: (line) => say(`  ${line}`),
    stage: () => (stage ??= startStage(stop.signal, (line) => say(`  ${line}`))),
  }
  const figures = await scenario.run(context)
  console.log(`\n${scenario.title}\n\n${figureTable(figures)}\n`)
  return { title: scenario.title, method: scenario.method, figures }
}
