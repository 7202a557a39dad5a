import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AGENT_ENVIRONMENT, type AgentDone, type AgentPlan, formatPlan, parseReport } from '@slotkeeper/backup'
import { spawnBound } from '@slotkeeper/testing'

const bundle = join(import.meta.dirname, '../../apps/agent/dist/main.mjs')
const LOOK_MS = 25

/** What a task of that type reports, and the most memory that its process had resident (VmHWM), in MiB. */
export type AgentRun<T extends AgentDone['task']> = {
  readonly done: Extract<AgentDone, { readonly task: T }>
  readonly mostMiB: number
}

/** Runs the built agent as a process to its end, as its Job would. Throws with its last words if it fails. */
export async function runAgent<T extends AgentDone['task']>(
  type: T,
  plan: AgentPlan,
  signal: AbortSignal,
): Promise<AgentRun<T>> {
  if (!existsSync(bundle)) throw new Error(`no ${bundle}. Remedy: make bundle`)
  signal.throwIfAborted()
  const folder = await mkdtemp(join(tmpdir(), 'slotkeeper-bench-agent-'))
  const words = join(folder, 'report')
  const env = {
    ...AGENT_ENVIRONMENT,
    PATH: process.env['PATH'],
    SLOTKEEPER_PLAN: formatPlan(plan),
    SLOTKEEPER_REPORT_FILE: words,
  }
  const child = spawnBound(process.execPath, [bundle], { env, stdio: ['ignore', 'ignore', 'inherit'] })
  const kill = (): void => void child.kill('SIGKILL')
  signal.addEventListener('abort', kill)
  let mostMiB = 0
  const look = setInterval(() => {
    void residentMiB(child.pid).then((found) => (mostMiB = Math.max(mostMiB, found)))
  }, LOOK_MS)
  try {
    await once(child, 'close')
    const report = parseReport(await readFile(words, 'utf8').catch(() => undefined))
    if (report?.result !== 'Done' || report.done.task !== type) throw new Error(`${type}: ${JSON.stringify(report)}`)
    return { done: report.done as AgentRun<T>['done'], mostMiB }
  } finally {
    clearInterval(look)
    signal.removeEventListener('abort', kill)
    await rm(folder, { recursive: true, force: true })
  }
}

/** Not the usage that the kernel counts for a process: that begins with what its parent had. */
async function residentMiB(pid: number | undefined): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) / 1024
}
