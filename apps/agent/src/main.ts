import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { type AgentReport, formatReport } from '@slotkeeper/backup'
import { createLogger } from '@slotkeeper/observability'
import { AgentError } from './agent-error.ts'
import { faultOf } from './fault-of.ts'
import { MountedSecrets } from './mounted-secrets.ts'
import { runAgent, stackOf } from './run-agent.ts'

/** Where Kubernetes reads the last words of a container. */
const TERMINATION_LOG = '/dev/termination-log'

const { SLOTKEEPER_PLAN, SLOTKEEPER_REPORT_FILE = TERMINATION_LOG, SLOTKEEPER_LOG_LEVEL = 'info' } = process.env
const log = createLogger({ level: SLOTKEEPER_LOG_LEVEL, name: 'agent' })
const secrets = new MountedSecrets()
const stop = new AbortController()
for (const name of ['SIGTERM', 'SIGINT'] as const)
  process.on(name, () => stop.abort(new AgentError('Interrupted', `the process was told to end (${name})`)))
process.on('uncaughtException', (error) => {
  log.error({ stack: secrets.withheld(stackOf(error)) }, 'uncaught')
  const { fault, message } = faultOf(error)
  end({ result: 'Failed', fault, message: secrets.withheld(message) })
})

end(
  await runAgent({
    plan: SLOTKEEPER_PLAN,
    attempt: randomBytes(4).toString('hex'),
    secrets,
    runsForMs: process.uptime() * 1000,
    log,
    signal: stop.signal,
  }),
)

function end(report: AgentReport): never {
  const { result } = report
  const mostMemoryMiB = Math.round(process.resourceUsage().maxRSS / 1024)
  log.info({ ...(result === 'Done' ? { result } : report), mostMemoryMiB }, 'ended')
  try {
    writeFileSync(SLOTKEEPER_REPORT_FILE, formatReport(report))
  } catch (error) {
    log.error({ err: error, file: SLOTKEEPER_REPORT_FILE }, 'the report could not be written')
  }
  process.exit(result === 'Done' ? 0 : 1)
}
