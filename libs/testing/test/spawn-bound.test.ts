import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { takesConnections, until } from '../src/index.ts'

test.each(['nats', 'valkey', 's3', 's3 on a small disk'])(
  'a %s server ends when the process that started it is killed',
  async (what) => {
    const program = fileURLToPath(new URL('server-owner.ts', import.meta.url))
    const owner = spawn(process.execPath, [program, what], { stdio: ['ignore', 'pipe', 'inherit'] })
    onTestFinished(() => void owner.kill('SIGKILL'))
    const [line] = (await once(owner.stdout!, 'data')) as [Buffer]
    const { port, dir } = JSON.parse(line.toString()) as { readonly port: number; readonly dir: string }
    onTestFinished(() => rm(dir, { recursive: true, force: true }))
    expect(await takesConnections(port)).toBe(true)
    const ended = once(owner, 'exit')
    owner.kill('SIGKILL')
    await ended
    await until('the end of the server', 20_000, async () => ((await takesConnections(port)) ? undefined : true))
  },
)
