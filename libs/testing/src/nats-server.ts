import type { ChildProcess } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { endProcess } from './end-process.ts'
import { freePorts } from './free-ports.ts'
import { launchServer } from './launch-server.ts'
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
export type NatsServerOptions = { readonly dir?: string; readonly port?: number; readonly route?: NatsRoute }

/** A server's place in a cluster: its name there, where it takes the others, and where these are. */
export type NatsRoute = { readonly name: string; readonly port: number; readonly others: readonly number[] }

/** Starts a real nats-server that syncs every write to disk, and waits until it takes connections. */
export const startNatsServer = async ({ dir, port, route }: NatsServerOptions = {}): Promise<NatsServer> => {
  const program = await requireTool('natsServer')
  const store = dir ?? (await mkdtemp(join(tmpdir(), 'slotkeeper-nats-')))
  const [free = 0] = await freePorts(1)
  const chosen = port ?? free
  const config = configOf(store, chosen, route)
  let child = await launch(program, store, chosen, config)
  return {
    url: `nats://127.0.0.1:${chosen}`,
    port: chosen,
    dir: store,
    stop: async () => {
      await endProcess(child, 'SIGTERM')
      if (dir === undefined) await rm(store, { recursive: true, force: true })
    },
    kill: () => endProcess(child, 'SIGKILL'),
    restart: async () => {
      await endProcess(child, 'SIGTERM')
      child = await launch(program, store, chosen, config)
    },
  }
}

const configOf = (dir: string, port: number, route?: NatsRoute): string => {
  const alone = `listen: "127.0.0.1:${port}"\njetstream { store_dir: "${dir}", sync_interval: always }\n`
  if (route === undefined) return alone
  const routes = route.others.map((other) => `"nats://127.0.0.1:${other}"`).join(', ')
  const cluster = `cluster { name: test, listen: "127.0.0.1:${route.port}", routes: [${routes}] }`
  return `${alone}server_name: "${route.name}"\n${cluster}\n`
}

const launch = async (program: string, dir: string, port: number, config: string): Promise<ChildProcess> => {
  const file = join(dir, 'nats.conf')
  await writeFile(file, config)
  // The port opens before JetStream has recovered; the log says when the server is whole.
  return launchServer([program, '-c', file], { name: 'nats-server', port, says: 'Server is ready', patienceMs: 15_000 })
}
