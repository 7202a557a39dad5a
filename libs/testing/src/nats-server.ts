import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { requireTool } from './toolchain.ts'

/** A running nats-server with JetStream. */
export type NatsServer = {
  readonly url: string
  readonly port: number
  /** Its store; give it to another start to go on with the same streams. */
  readonly dir: string
  /** Ends it in order and removes the store, unless it was given. */
  stop(): Promise<void>
  /** Ends it as a power cut would: SIGKILL. The store stays. */
  kill(): Promise<void>
  /** Starts it again on the same port and store. */
  restart(): Promise<void>
}

/** Which port and store; a free port and a fresh directory when not said. */
export type NatsServerOptions = { readonly dir?: string; readonly port?: number }

/** Starts a real nats-server that syncs every write to disk, and waits until it takes connections. */
export const startNatsServer = async ({ dir, port }: NatsServerOptions = {}): Promise<NatsServer> => {
  const program = await requireTool('natsServer')
  const store = dir ?? (await mkdtemp(join(tmpdir(), 'slotkeeper-nats-')))
  const chosen = port ?? (await freePort())
  let child = await launch(program, store, chosen)
  return {
    url: `nats://127.0.0.1:${chosen}`,
    port: chosen,
    dir: store,
    stop: async () => {
      await end(child, 'SIGTERM')
      if (dir === undefined) await rm(store, { recursive: true, force: true })
    },
    kill: () => end(child, 'SIGKILL'),
    restart: async () => {
      await end(child, 'SIGTERM')
      child = await launch(program, store, chosen)
    },
  }
}

const launch = async (program: string, dir: string, port: number): Promise<ChildProcess> => {
  const file = join(dir, 'nats.conf')
  await writeFile(file, `listen: "127.0.0.1:${port}"\njetstream { store_dir: "${dir}", sync_interval: always }\n`)
  const child = spawn(program, ['-c', file], { stdio: ['ignore', 'ignore', 'pipe'] })
  let log = ''
  child.stderr?.on('data', (chunk: Buffer) => (log = `${log}${chunk.toString()}`.slice(-4_000)))
  for (const deadline = Date.now() + 15_000; ;) {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`nats-server ended: ${log}`)
    // The port opens before JetStream has recovered; the log says when the server is whole.
    if (log.includes('Server is ready') && (await takesConnections(port))) return child
    if (Date.now() > deadline) {
      await end(child, 'SIGKILL')
      throw new Error(`nats-server did not start in 15 s: ${log}`)
    }
    await delay(20)
  }
}

const end = async (child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill(signal)
  await ended
}

const takesConnections = async (port: number): Promise<boolean> => {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  if (address === null || typeof address === 'string') throw new Error('no free port')
  return address.port
}
