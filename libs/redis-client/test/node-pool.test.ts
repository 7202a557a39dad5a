import { startRedisServer, until } from '@slotkeeper/testing'
import { expect, test } from 'vitest'
import { NodePool } from '../src/index.ts'

test('a server that hangs is a wake-up, and so is that it goes on, and a connection that it closes', async () => {
  const server = await startRedisServer('valkey-9.1', {})
  const told: string[] = []
  const ending = new AbortController()
  const pool = new NodePool((podUid) => told.push(podUid))
  const tells = (times: number): Promise<true> =>
    until(`${times} wake-ups`, 20_000, async () => told.length >= times || undefined)
  try {
    await until('a connection', 20_000, () =>
      pool.node('a', { host: server.host, port: server.port, username: 'default', password: '' }).call(['PING'], 500),
    )
    pool.heed(250, ending.signal)
    server.signal('SIGSTOP')
    await tells(1)
    server.signal('SIGCONT')
    await tells(2)
    await server.kill()
    await tells(3)
    expect(new Set(told)).toEqual(new Set(['a']))
  } finally {
    ending.abort()
    pool.close()
    await server.remove()
  }
})
