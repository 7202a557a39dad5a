import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { CLIENT_PORT } from '@slotkeeper/api'
import { NodePool, observeNode, type RedisNode } from '@slotkeeper/redis-client'
import type { ServerTools } from '@slotkeeper/testing'
import { until } from '@slotkeeper/testing'
import type { LookAtServers } from './wholeness.ts'

/** What a controller wrote for the servers of a cluster: the configuration and the mounted files by name. */
export type ServerFiles = {
  readonly conf: string
  readonly internal: Readonly<Record<string, string>>
}

/** Servers that run directly on this machine, each with a loopback address of its own. */
export type PlainServers = {
  readonly hosts: readonly string[]
  /** The kept connection to each, as the controller's user. */
  readonly nodes: () => readonly RedisNode[]
  readonly look: LookAtServers
  stop(): Promise<void>
}

const MOUNT = '/etc/slotkeeper/internal'
const USER = 'slotkeeper'
// A primary is never ok in its first 2 s (a constant of the servers): all variants start behind that.
const AGE_MS = 2_500
const LOOK_MS = 500

/** Starts empty servers as `start.sh` would, and waits until all answer and are old enough to be formed at full speed. */
export async function startPlainServers(
  tools: ServerTools,
  files: ServerFiles,
  count: number,
  signal: AbortSignal,
): Promise<PlainServers> {
  const home = await mkdtemp(join(tmpdir(), 'slotkeeper-bench-'))
  const part = (): number => 1 + Math.floor(Math.random() * 254)
  const net = `127.${part()}.${part()}`
  const hosts = Array.from({ length: count }, (_, index) => `${net}.${index + 1}`)
  const pool = new NodePool(() => undefined)
  const password = files.internal['control-password'] ?? ''
  const nodes = (): readonly RedisNode[] =>
    hosts.map((host) => pool.node(host, { host, port: CLIENT_PORT, username: USER, password }))
  const look: LookAtServers = () =>
    Promise.all(nodes().map((node) => observeNode(node, ['cluster-node-timeout'], LOOK_MS)))
  const children: ChildProcess[] = []
  const killAll = (): void => children.forEach((child) => child.kill('SIGKILL'))
  process.on('exit', killAll)
  const stop = async (): Promise<void> => {
    process.off('exit', killAll)
    pool.close()
    const running = children.filter((child) => child.exitCode === null && child.signalCode === null)
    const ended = Promise.all(running.map((child) => once(child, 'exit')))
    killAll()
    await ended
    await rm(home, { recursive: true, force: true })
  }
  try {
    // The folder of the image is not there: each server is given one of its own.
    const conf = files.conf.replaceAll(MOUNT, home).replace(/^dir .*$/m, '')
    await writeFile(join(home, 'redis.conf'), conf)
    for (const [name, text] of Object.entries(files.internal)) await writeFile(join(home, name), text, { mode: 0o600 })
    for (const host of hosts) children.push(await launch(tools.server, home, host))
    await until('servers that answer', 20_000, async () => allUp(look, home, hosts), { signal })
    await sleep(AGE_MS, undefined, { signal })
    return { hosts, nodes, look, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

async function allUp(look: LookAtServers, home: string, hosts: readonly string[]): Promise<true | undefined> {
  const contacts = await look()
  const index = contacts.findIndex((contact) => contact.type !== 'up')
  if (index < 0) return true
  const log = await readFile(join(home, hosts[index] ?? '', 'log'), 'utf8').catch(() => '')
  throw new Error(`${hosts[index]} ${contacts[index]?.type}: ${log.slice(-300)}`)
}

async function launch(program: string, home: string, host: string): Promise<ChildProcess> {
  const dir = join(home, host)
  await mkdir(dir)
  const own = ['--bind', host, '--dir', dir, '--logfile', join(dir, 'log')]
  const asStarted = ['--cluster-announce-ip', host, '--cluster-replica-no-failover', 'yes']
  return spawn(program, [join(home, 'redis.conf'), ...own, ...asStarted], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
}
