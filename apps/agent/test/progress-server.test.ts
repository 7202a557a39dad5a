import { expect, onTestFinished, test } from 'vitest'
import { Progress } from '../src/progress.ts'
import { startProgressServer } from '../src/progress-server.ts'

test('progress is told to who asks for it, and nothing else is', async () => {
  const progress = new Progress()
  const server = await startProgressServer(0, () => progress.now())
  onTestFinished(() => server.close())
  const at = (path: string): string => `http://127.0.0.1:${server.port}${path}`
  const told = async (): Promise<unknown> => (await fetch(at('/progress'))).json()
  expect(await told()).toEqual({ shards: [] })
  progress.begun(1, 3)
  progress.reached(1, { bytes: 10, keys: 2 })
  progress.reached(0, { bytes: 5, keys: 1 })
  progress.finished(1)
  expect(await told()).toEqual({
    shards: [
      { shard: 0, bytes: 5, keys: 1, done: false },
      { shard: 1, bytes: 10, keys: 2, ofKeys: 3, done: true },
    ],
  })
  const statusOf = async (path: string, method: string): Promise<number> => (await fetch(at(path), { method })).status
  expect(await statusOf('/', 'GET')).toBe(404)
  expect(await statusOf('/progress', 'POST')).toBe(404)
  await expect(startProgressServer(server.port, () => progress.now())).rejects.toThrow('EADDRINUSE')
  server.close()
  await expect(fetch(at('/progress'))).rejects.toThrow()
})
