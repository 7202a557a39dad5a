import { createServer, type Server } from 'node:http'
import type { Registry } from 'prom-client'

/** What the server answers from. `ready` never depends on the event store or on leading. */
export type ProbeOptions = {
  readonly probePort: number
  readonly metricsPort: number
  readonly alive: () => boolean
  readonly ready: () => boolean
  readonly registry: Registry
  readonly signal: AbortSignal
}

/** Serves /livez and /readyz on one port and /metrics on another, until the signal aborts. Gives the ports bound. */
export async function startProbeServer(
  options: ProbeOptions,
): Promise<{ readonly probePort: number; readonly metricsPort: number }> {
  const probes = createServer((request, response) => {
    const good = request.url === '/livez' ? options.alive() : request.url === '/readyz' ? options.ready() : undefined
    response.writeHead(good === undefined ? 404 : good ? 200 : 503).end(good === true ? 'ok' : 'not ok')
  })
  const metrics = createServer((request, response) => {
    if (request.url !== '/metrics') return void response.writeHead(404).end()
    options.registry.metrics().then(
      (text) => response.writeHead(200, { 'content-type': options.registry.contentType }).end(text),
      () => response.writeHead(500).end(),
    )
  })
  const [probePort, metricsPort] = await Promise.all([
    listen(probes, options.probePort),
    listen(metrics, options.metricsPort),
  ])
  const close = (): void => {
    for (const server of [probes, metrics]) {
      server.close()
      // Kept connections of probes would hold the process for seconds.
      server.closeAllConnections()
    }
  }
  options.signal.addEventListener('abort', close, { once: true })
  if (options.signal.aborted) close()
  return { probePort, metricsPort }
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, () => {
      const address = server.address()
      resolve(typeof address === 'object' && address !== null ? address.port : port)
    })
  })
}
