import { randomBytes } from 'node:crypto'
import { createLogger, createMetrics, startProbeServer } from '@slotkeeper/observability'
import { readConfig } from './config.ts'
import { run } from './run.ts'

const config = readConfig(process.env)
const log = createLogger({ level: config.SLOTKEEPER_LOG_LEVEL, name: 'cluster-controller' })
const metrics = createMetrics()
const stop = new AbortController()
for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => stop.abort())

await startProbeServer({
  probePort: config.SLOTKEEPER_PROBE_PORT,
  metricsPort: config.SLOTKEEPER_METRICS_PORT,
  alive: () => true,
  ready: () => !stop.signal.aborted,
  registry: metrics.registry,
  signal: stop.signal,
})
await run({
  config,
  log,
  metrics,
  holder: `${config.SLOTKEEPER_POD_NAME}-${randomBytes(4).toString('hex')}`,
  signal: stop.signal,
})
process.exit(0)
