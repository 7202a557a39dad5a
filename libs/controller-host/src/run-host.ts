import { randomBytes } from 'node:crypto'
import { createLogger, createMetrics, startProbeServer } from '@slotkeeper/observability'
import type { App } from './app.ts'
import type { HostConfig } from './host-config.ts'
import { run } from './run.ts'

/** The whole life of a process: log, metrics and probes, then the app, until SIGTERM or SIGINT; then the process exits. */
export async function runHost<C extends HostConfig>(app: App<C>, config: C): Promise<never> {
  const log = createLogger({ level: config.SLOTKEEPER_LOG_LEVEL, name: app.name })
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
  const holder = `${config.SLOTKEEPER_POD_NAME}-${randomBytes(4).toString('hex')}`
  await run(app, { config, log, metrics, holder, signal: stop.signal })
  process.exit(0)
}
