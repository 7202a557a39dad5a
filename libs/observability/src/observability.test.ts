import { expect, test } from 'vitest'
import { createLogger, secretFields } from './logger.ts'
import { createMetrics } from './metrics.ts'
import { startProbeServer } from './probe-server.ts'

const canary = 'canary-5d41402abc4b'

const logged = (write: (log: ReturnType<typeof createLogger>) => void): string => {
  const lines: string[] = []
  write(createLogger({ level: 'trace', name: 'test', write: (line) => lines.push(line) }))
  expect(lines.length).toBeGreaterThan(0)
  return lines.join('')
}

test.each(secretFields)('a secret in a field named %s is not written, wherever it lies', (name) => {
  const secret = { [name]: canary }
  const failed = Object.assign(new Error('refused', { cause: Object.assign(new Error('because'), secret) }), {
    request: { headers: secret },
  })
  const text = logged((log) => {
    log.info(secret, 'top')
    log.info({ a: { b: { c: { d: [{ e: secret }] } } } }, 'deep')
    log.info({ map: new Map([[name, canary]]), [name]: { value: canary } }, 'map')
    log.error({ err: failed }, 'in an error')
    log.error(failed)
    log.child(secret).child({ deep: secret }).info('in a child')
  })
  expect(text).not.toContain(canary)
  expect(text).toContain('[redacted]')
  expect(text).toContain('because')
})

test('neither are bytes and the user part of a URL, and the rest is', () => {
  const text = logged((log) => {
    log.info(
      { data: Buffer.from(canary), url: `nats://user:${canary}@nats:4222` },
      `connecting to redis://:${canary}@orders:6379`,
    )
  })
  expect(text).not.toContain(canary)
  expect(text).not.toContain(Buffer.from(canary).toString('base64'))
  expect(JSON.parse(text)).toMatchObject({
    level: 'info',
    app: 'test',
    url: 'nats://[redacted]@nats:4222',
    msg: 'connecting to redis://[redacted]@orders:6379',
  })
})

test('serves probes and metrics until called off', async () => {
  const ending = new AbortController()
  const { registry, eventStoreReady } = createMetrics()
  let ready = false
  const { probePort, metricsPort } = await startProbeServer({
    probePort: 0,
    metricsPort: 0,
    alive: () => true,
    ready: () => ready,
    registry,
    signal: ending.signal,
  })
  const status = async (port: number, path: string) => (await fetch(`http://127.0.0.1:${port}${path}`)).status
  expect(await status(probePort, '/livez')).toBe(200)
  expect(await status(probePort, '/readyz')).toBe(503)
  ready = true
  expect(await status(probePort, '/readyz')).toBe(200)
  expect(await status(probePort, '/metrics')).toBe(404)
  eventStoreReady.set(1)
  const text = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text()
  expect(text).toContain('slotkeeper_event_store_ready 1')
  for (const name of [
    'controller_runtime_reconcile_total',
    'controller_runtime_reconcile_errors_total',
    'controller_runtime_reconcile_time_seconds',
    'controller_runtime_active_workers',
    'workqueue_depth',
    'workqueue_adds_total',
    'slotkeeper_outbox_entries',
    'slotkeeper_event_publish_seconds',
  ])
    expect(text).toContain(`# TYPE ${name} `)
  expect(text).toMatch(/^# TYPE [a-z]+_election_[a-z]+_status gauge$/m)
  ending.abort()
  await expect.poll(() => status(probePort, '/livez').catch(() => 'closed')).toBe('closed')
})
