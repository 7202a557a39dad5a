import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  type AgentPlan,
  type AgentProgress,
  type AgentReport,
  formatPlan,
  formatReport,
  parseReport,
  REPORT_BYTES,
} from '@slotkeeper/backup'
import { createLogger } from '@slotkeeper/observability'
import { hasEnded, spawnBound, until } from '@slotkeeper/testing'
import { expect } from 'vitest'
import { MountedSecrets } from '../src/mounted-secrets.ts'
import { runAgent } from '../src/run-agent.ts'

/** How an agent ended. */
export type AgentEnd = {
  /** Null where it was killed. */
  readonly code: number | null
  /** Null where it left no words. */
  readonly report: AgentReport | null
  /** Lines of its log. */
  readonly log: readonly Readonly<Record<string, unknown>>[]
}

/** An agent at work, in a process of its own. */
export type Agent = {
  signal(what: 'SIGTERM' | 'SIGKILL'): void
  progress(): Promise<AgentProgress>
  readonly ended: Promise<AgentEnd>
}

const PATIENCE_MS = 60_000
const program = fileURLToPath(new URL('../src/main.ts', import.meta.url))
/** What stands in some mounted Secret, and may never be read anywhere else. */
const secrets = new Set<string>()

/** Notes a secret that no log and no report may hold. */
export function keepSecret(value: string): string {
  secrets.add(value)
  return value
}

function expectNoSecret(text: string): void {
  for (const secret of secrets) expect(text).not.toContain(secret)
}

/** What an agent does, in this process: where it is not about how a process ends. */
export async function wordsHere(plan: AgentPlan): Promise<AgentReport> {
  const lines: string[] = []
  const log = createLogger({ level: 'debug', name: 'agent', write: (line) => lines.push(line) })
  const attempt = randomBytes(4).toString('hex')
  const signal = AbortSignal.timeout(PATIENCE_MS)
  const report = await runAgent({
    plan: formatPlan(plan),
    attempt,
    secrets: new MountedSecrets(),
    runsForMs: 0,
    log,
    signal,
  })
  const text = formatReport(report)
  expectNoSecret(`${lines.join('')}${text}`)
  expect(parseReport(text)).toEqual(report)
  return report
}

/** A command line, made of that of an agent: for where and how it is to run. */
export type Around = (command: readonly string[]) => readonly string[]

/** Starts an agent. */
export async function startAgent(plan: AgentPlan, around: Around = (command) => command): Promise<Agent> {
  const folder = await mkdtemp(join(tmpdir(), 'slotkeeper-agent-'))
  const file = join(folder, 'report')
  const env = { PATH: process.env['PATH'], SLOTKEEPER_PLAN: formatPlan(plan), SLOTKEEPER_REPORT_FILE: file }
  const [command = '', ...args] = around([process.execPath, program])
  const child = spawnBound(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (output += String(chunk)))
  const linesOf = () =>
    output
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Record<string, unknown>)
  const ended = once(child, 'close').then(async ([code]) => {
    const text = await readFile(file, 'utf8').catch(() => undefined)
    await rm(folder, { recursive: true, force: true })
    expect(Buffer.byteLength(text ?? '')).toBeLessThanOrEqual(REPORT_BYTES)
    expectNoSecret(`${output}${text}`)
    const report = parseReport(text)
    if (text !== undefined && report === null) throw new Error(`these are no last words: ${text}\n${output}`)
    if (text !== undefined) expect(code).toBe(report?.result === 'Done' ? 0 : 1)
    return { code: code as number | null, report, log: linesOf() }
  })
  const port = () =>
    until('its port', PATIENCE_MS, async () => {
      if (hasEnded(child)) throw new Error(`it has ended: ${output}`)
      return linesOf().find((line) => 'progressPort' in line)?.['progressPort'] as number | undefined
    })
  return {
    signal: (what) => void child.kill(what),
    progress: async () => (await (await fetch(`http://127.0.0.1:${await port()}/progress`)).json()) as AgentProgress,
    ended,
  }
}

/** Runs an agent to its end; gives its last words. */
export async function lastWords(plan: AgentPlan, around?: Around): Promise<AgentReport> {
  const { report, log } = await (await startAgent(plan, around)).ended
  if (report === null) throw new Error(`it left no words: ${JSON.stringify(log)}`)
  return report
}

/** Runs an agent that must succeed; gives what it says of a task of that type. */
export const doneBy = async <T extends AgentPlan['task']['type']>(type: T, plan: AgentPlan) =>
  asDone(type, await lastWords(plan))

/** As `doneBy`, in this process. */
export const doneHere = async <T extends AgentPlan['task']['type']>(type: T, plan: AgentPlan) =>
  asDone(type, await wordsHere(plan))

function asDone<T extends AgentPlan['task']['type']>(type: T, report: AgentReport) {
  if (report.result !== 'Done' || report.done.task !== type) throw new Error(`${type}: ${JSON.stringify(report)}`)
  return report.done as Extract<typeof report.done, { readonly task: T }>
}
