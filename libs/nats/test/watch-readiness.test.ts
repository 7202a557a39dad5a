import { startNatsServer } from '@slotkeeper/testing'
import { expect, it, vi } from 'vitest'
import { connectNats, createEventStore, watchReadiness } from '../src/index.ts'

it('tells when the store is ready, when it is lost and when it is back, with nothing appended', async () => {
  const server = await startNatsServer()
  const ending = new AbortController()
  const connection = connectNats({ url: server.url, name: 'test', signal: ending.signal })
  const store = createEventStore({ connection, mode: 'ensure', timeoutMs: 500 })
  const told: (string | null)[] = []
  const tell = (trouble: { reason: string } | null): void => void told.push(trouble?.reason ?? null)
  const watching = watchReadiness({ store, connection, tell, signal: ending.signal, everyMs: 20 })
  const lastly = (wanted: string | null): Promise<void> =>
    vi.waitFor(() => expect(told.at(-1)).toBe(wanted), { timeout: 20_000 })
  await lastly(null)
  await server.kill()
  await lastly('Unavailable')
  await server.restart()
  await lastly(null)
  ending.abort()
  await watching
  // What has not changed is not told again: each word differs from the one before it.
  expect(told.some((word, index) => index > 0 && word === null && told[index - 1] === null)).toBe(false)
  await server.stop()
}, 60_000)
