import { readFileSync, writeFileSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'
import { join } from 'node:path'
import { factsOf } from './facts.ts'
import { figureTable } from './figure-table.ts'
import { pageWith, renderPage } from './page.ts'
import type { Context, Result, Scenario } from './scenario.ts'
import { scenarios } from './scenarios.ts'
import { type Stage, startStage } from './stage.ts'

/**
 * The bench: runs the scenarios that ONLY names (all without it), each RUNS times or as often as it asks for itself.
 * A run of all writes docs/benchmarks.md; a partial one only prints, unless ADD=1 has its sections put into that page, with
 * the load that they were taken at. SIZE=sample is for trying scenarios out, and writes nothing. Figures never make it
 * fail, errors do.
 */
const page = join(import.meta.dirname, '../../docs/benchmarks.md')
const size = process.env['SIZE'] === 'sample' ? 'sample' : 'whole'
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
  const before = load()
  const results: Result[] = []
  for (const scenario of chosen) results.push(await runOne(scenario))
  const isAll = chosen.length === scenarios.length
  const when = `on ${facts.date}, with ${cpus().length} processors at a load of ${before} before and ${load()} after`
  if (size === 'whole' && (isAll || process.env['ADD'] === '1')) {
    writeFileSync(page, isAll ? renderPage(facts, results) : pageWith(readFileSync(page, 'utf8'), results, when))
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

/** Of the last minute. */
function load(): string {
  return (loadavg()[0] ?? 0).toFixed(1)
}

async function runOne(scenario: Scenario): Promise<Result> {
  const runs = Number(process.env['RUNS'] ?? '') || scenario.runs
  say(`${scenario.name}: ${scenario.title}, ${runs} runs`)
  const context: Context = {
    runs,
    size,
    signal: stop.signal,
    say: (line) => say(`  ${line}`),
    stage: () => (stage ??= startStage(stop.signal, (line) => say(`  ${line}`))),
  }
  const figures = await scenario.run(context)
  console.log(`\n${scenario.title}\n\n${figureTable(figures)}\n`)
  return { title: scenario.title, method: scenario.method, figures }
}
