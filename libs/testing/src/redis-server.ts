import type { ChildProcess } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { endProcess, hasEnded } from './end-process.ts'
import { freePorts } from './free-ports.ts'
import { spawnBound } from './spawn-bound.ts'
import { takesConnections } from './takes-connections.ts'
import { readToolchain } from './toolchain.ts'

/** A real Redis or Valkey in cluster mode on 127.0.0.1, with a directory of its own. */
export type RedisServer = {
  readonly host: string
  readonly port: number
  readonly busPort: number
  readonly dir: string
  /** Stops its process where it stands (SIGSTOP), or lets it go on (SIGCONT). */
  signal(what: 'SIGSTOP' | 'SIGCONT'): void
  /** Ends it without a chance to save. Its directory stays. */
  kill(): Promise<void>
  /** Starts it again on the same ports and directory, after `kill`. `config` is added to what it was started with. */
  restart(config?: RedisConfig): Promise<void>
  /** Ends it for good and removes its directory. */
  remove(): Promise<void>
}

/** Directives of redis.conf by name; each value stands as it would in the file. */
export type RedisConfig = Readonly<Record<string, string>>

const LISTENS_WITHIN_MS = 15_000

/**
 * Starts a server and waits until it listens; it may still be loading its data then.
 *
 * @param engine a name of the catalogue, for example `valkey-9.1`
 * @param config wins over what the server is given here: ports, directory, cluster mode, no persistence
 * @throws Error with the end of its log if it does not listen in time
 */
export async function startRedisServer(engine: string, config: RedisConfig = {}): Promise<RedisServer> {
  const program = (await readToolchain()).servers[engine]?.server
  if (program === undefined) throw new Error(`no server for ${engine}: run \`make toolchain\``)
  const [port = 0, busPort = 0] = await freePorts(2)
  const dir = await mkdtemp(join(tmpdir(), 'slotkeeper-redis-'))
  const all = { ...basicConfig(dir, port, busPort), ...config }
  let child = await launch(program, dir, port, all).catch(async (error: unknown) => {
    await rm(dir, { recursive: true, force: true })
    throw error
  })
  return {
    host: '127.0.0.1',
    port,
    busPort,
    dir,
    signal: (what) => void child.kill(what),
    kill: () => endProcess(child, 'SIGKILL'),
    restart: async (more = {}) => {
      child = await launch(program, dir, port, { ...all, ...more })
    },
    remove: async () => {
      await endProcess(child, 'SIGKILL')
      await rm(dir, { recursive: true, force: true })
    },
  }
}

function basicConfig(dir: string, port: number, busPort: number): RedisConfig {
  return {
    port: String(port),
    bind: '127.0.0.1',
    dir,
    logfile: join(dir, 'server.log'),
    'cluster-enabled': 'yes',
    'cluster-port': String(busPort),
    appendonly: 'no',
    save: '""',
  }
}

async function launch(program: string, dir: string, port: number, config: RedisConfig): Promise<ChildProcess> {
  const file = join(dir, 'redis.conf')
  await writeFile(
    file,
    Object.entries(config)
      .map(([name, value]) => `${name} ${value}\n`)
      .join(''),
  )
  const child = spawnBound(program, [file], { cwd: dir, stdio: 'ignore' })
  for (const deadline = Date.now() + LISTENS_WITHIN_MS; ;) {
    if (await takesConnections(port)) return child
    if (hasEnded(child) || Date.now() > deadline) {
      await endProcess(child, 'SIGKILL')
      const log = await readFile(join(dir, 'server.log'), 'utf8').catch(() => '')
      throw new Error(`${program} does not listen: ${log.slice(-1_000)}`)
    }
    await sleep(10)
  }
}
