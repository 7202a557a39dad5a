import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, open, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CLIENT_PORT, redisClusterSpec } from '@slotkeeper/api'
import { RedisNode, type Words } from '@slotkeeper/redis-client'
import { hasEnded, requireImageRoot, until } from '@slotkeeper/testing'
import { CONTROL_USER, internalData } from '../src/credentials.ts'
import { redisConf } from '../src/resources/redis-conf.ts'
import { scripts } from '../src/resources/scripts.ts'

/**
 * What a pod's container is, without Kubernetes: the very scripts, redis.conf and users that the controller makes, in
 * namespaces of their own (mount, process) on the folder that the image is made of. The script is process 1 there.
 */
export type Pod = {
  /** Its address, one of 127.0.0.0/8; its port is the real one. */
  readonly ip: string
  /** Its volume. */
  readonly data: string
  /** A new container on the same volume. */
  start(): Promise<void>
  /** Ends all of it at once, as kubelet's last resort or a lost node would. */
  kill(): Promise<void>
  /** Ends process 1 in order; gives the exit code of the container. */
  terminate(): Promise<number | null>
  /** As kubelet does when the pod is deleted: first the hook; gives the exit code of the container. */
  delete(): Promise<number | null>
  /** The exit code, once it has ended. */
  ended(): Promise<number | null>
  /** What it last wrote to its termination message. */
  message(): Promise<string>
  /** What it printed, over all its containers. */
  log(): Promise<string>
  /** A new connection as the controller's user. */
  node(): RedisNode
  /** What kubelet does every few seconds: gives the exit code of the readiness probe. */
  probe(): Promise<number | null>
  /** Sends commands on a connection of their own, until they are answered with all data loaded; an answer may be an error. */
  tell(...commands: readonly Words[]): Promise<readonly unknown[]>
  remove(): Promise<void>
}

/** What a pod is made from. */
export type PodOptions = {
  readonly engine: string
  readonly ip: string
  /** The cluster's uid: volume marker and bus port follow it. */
  readonly uid: string
  readonly persistence: 'aof' | 'rdb' | 'none'
  readonly secrets: Readonly<Record<string, string>>
  readonly nodeTimeoutMs: number
  /** Which shard it is a member of; the first when not said. */
  readonly shard?: number
  /** The uid of the restore that its cluster is made of, if it is. */
  readonly restore?: string
  /** The uid of the cluster whose volumes are taken over, or given up, by its cluster of three shards. */
  readonly adopt?: string
  readonly discard?: string
  /** Names of the pods of its cluster, with their addresses; nobody's when not said. */
  readonly names?: Readonly<Record<string, string>>
  /** The folder of another pod's volume, to be on that one; its own when not said. */
  readonly volume?: string
}

const PATIENCE_MS = 45_000
const CALL_MS = 2_000

// Process 1 of the new namespaces makes the container's root of the image's folder, and becomes the script.
const ENTER = `set -e
cd "$1"
mount -t tmpfs tmpfs root
cd root
mkdir -p usr data etc/slotkeeper dev tmp
cp ../hosts etc/hosts; echo 'hosts: files' > etc/nsswitch.conf
ln -s usr/bin bin; ln -s usr/lib lib; ln -s usr/lib64 lib64
: > dev/null; : > dev/urandom; : > dev/termination-log
mount --bind /dev/null dev/null; mount --bind /dev/urandom dev/urandom
mount --bind ../termination-log dev/termination-log
mount --rbind "$2/usr" usr; mount --bind ../data data; mount --bind ../slotkeeper etc/slotkeeper
exec chroot . /bin/sh /etc/slotkeeper/config/start`

const asRoot = process.getuid?.() === 0
const NAMESPACES = [...(asRoot ? [] : ['-Ur']), '-mpf', '--kill-child']

/** Fresh secrets for the pods of one cluster. */
export const freshSecrets = (): Readonly<Record<string, string>> => internalData('for-clients')

/** Makes a pod with an empty volume; nothing runs yet. */
export async function makePod(options: PodOptions): Promise<Pod> {
  const { ip } = options
  const root = await requireImageRoot(options.engine)
  const home = await mkdtemp(join(tmpdir(), 'slotkeeper-pod-'))
  await writeFiles(home, options)
  let child: ChildProcess | undefined
  return {
    ip,
    data: join(home, 'data'),
    start: async () => {
      await writeFile(join(home, 'termination-log'), '')
      const args = [...NAMESPACES, 'sh', '-c', ENTER, 'enter', home, root]
      const log = await open(join(home, 'log'), 'a')
      child = launch(args, log.fd, environment(options))
      await once(child, 'spawn')
      await log.close()
    },
    kill: async () => void (await signal(child, 'SIGKILL')),
    terminate: () => signal(child, 'SIGTERM'),
    delete: async () => {
      await inContainer(child, 'prestop')
      return signal(child, 'SIGTERM')
    },
    ended: () => exitOf(child),
    message: async () => (await readFile(join(home, 'termination-log'), 'utf8')).trim(),
    log: () => readFile(join(home, 'log'), 'utf8'),
    node: () => nodeOf(options),
    probe: () => inContainer(child, 'probe', 'ready'),
    tell: (...commands) =>
      until(`an answer of ${ip} to ${commands.join('; ')}`, PATIENCE_MS, async () => {
        const node = nodeOf(options)
        try {
          const [ready] = await node.pipeline([['PING']], CALL_MS)
          return ready === 'PONG' ? await node.pipeline(commands, CALL_MS) : undefined
        } finally {
          node.close()
        }
      }),
    remove: async () => {
      // It may end by itself meanwhile, as when its volume was another pod's and is gone.
      if (child !== undefined && !hasEnded(child)) await signal(child, 'SIGKILL').catch(() => exitOf(child))
      await rm(home, { recursive: true, force: true })
    },
  }
}

const running = new Set<ChildProcess>()
// A run that ends without clearing up leaves nothing behind: with this process its namespaces end.
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')))

function launch(args: readonly string[], log: number, env: Readonly<Record<string, string | undefined>>): ChildProcess {
  const child = spawn('unshare', args, { stdio: ['ignore', log, log], env })
  running.add(child.once('exit', () => running.delete(child)))
  return child
}

function nodeOf({ ip, secrets }: PodOptions): RedisNode {
  const password = secrets['control-password'] ?? ''
  return new RedisNode({ host: ip, port: CLIENT_PORT, username: CONTROL_USER, password }, () => undefined)
}

async function writeFiles(home: string, options: PodOptions): Promise<void> {
  const { persistence, ip, uid, nodeTimeoutMs, secrets, names = {}, volume } = options
  for (const folder of ['root', 'slotkeeper/config', 'slotkeeper/internal'])
    await mkdir(join(home, folder), { recursive: true })
  await (volume === undefined ? mkdir(join(home, 'data')) : symlink(volume, join(home, 'data')))
  const storage = persistence === 'none' ? {} : { storage: { size: '1Gi', persistence } }
  const spec = redisClusterSpec.parse({ version: 'valkey-9.1', shards: 3, nodeTimeoutMs, ...storage })
  const config = redisConf(spec, uid).replace('bind * -::*', `bind ${ip}`)
  // Pods of one machine have port 6379 each at an address of their own, and not at that of the loopback.
  const here = (script: string): string => script.replace('-p 6379', `-h ${ip} -p 6379`)
  const own = { probe: here(scripts.probe), prestop: scripts.prestop.replace('ask -p 6379', `ask -h ${ip} -p 6379`) }
  const peers = Object.keys(names).map((name) => `${name}\n`)
  const files = { ...scripts, ...own, 'redis.conf': config, peers: peers.join('') }
  for (const [name, text] of Object.entries(files)) await writeFile(join(home, 'slotkeeper/config', name), text)
  for (const [name, text] of Object.entries(secrets)) await writeFile(join(home, 'slotkeeper/internal', name), text)
  await writeFile(
    join(home, 'hosts'),
    Object.entries(names)
      .map(([name, address]) => `${address} ${name}\n`)
      .join(''),
  )
}

function environment({
  uid,
  ip,
  nodeTimeoutMs,
  shard = 0,
  restore,
  adopt,
  discard,
}: PodOptions): Readonly<Record<string, string | undefined>> {
  return {
    PATH: `/usr/bin:/usr/sbin:${process.env['PATH']}`,
    SLOTKEEPER_CLUSTER_UID: uid,
    SLOTKEEPER_SHARD: String(shard),
    ...(restore === undefined ? {} : { SLOTKEEPER_RESTORE_UID: restore }),
    ...(adopt === undefined ? {} : { SLOTKEEPER_ADOPT_UID: adopt, SLOTKEEPER_SHARDS: '3' }),
    ...(discard === undefined ? {} : { SLOTKEEPER_DISCARD_UID: discard }),
    SLOTKEEPER_GUARD_ROUNDS: String(Math.ceil((3 * nodeTimeoutMs) / 200)),
    SLOTKEEPER_POD_IP: ip,
  }
}

async function exitOf(child: ChildProcess | undefined): Promise<number | null> {
  if (child !== undefined && !hasEnded(child)) await once(child, 'exit')
  return child?.exitCode ?? null
}

/** To process 1: when that ends, the kernel ends all the others, and only then is the container seen to end. */
async function signal(child: ChildProcess | undefined, what: 'SIGTERM' | 'SIGKILL'): Promise<number | null> {
  if (child === undefined) return null
  process.kill(await firstProcess(child), what)
  return exitOf(child)
}

/** A script of ours in the container, beside its process 1. */
async function inContainer(child: ChildProcess | undefined, ...script: readonly string[]): Promise<number | null> {
  if (child === undefined) return null
  const id = String(await firstProcess(child))
  const entered = [...(asRoot ? [] : ['-U', '--preserve-credentials']), '-t', id, '-m', '-p', '-r', '-w']
  const [name, ...args] = script
  const command = ['/bin/sh', `/etc/slotkeeper/config/${name}`, ...args]
  return exitOf(spawn('nsenter', [...entered, ...command], { stdio: 'ignore', env: { PATH: '/usr/bin:/usr/sbin' } }))
}

/** Process 1 of the namespaces, as it is numbered outside: the one child of the process that made them. */
async function firstProcess({ pid }: ChildProcess): Promise<number> {
  for (const id of (await readdir('/proc')).filter((entry) => /^[0-9]+$/.test(entry))) {
    const stat = await readFile(`/proc/${id}/stat`, 'utf8').catch(() => '')
    // After the name in parentheses: state, then the parent.
    if (stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1] === String(pid)) return Number(id)
  }
  throw new Error('the container has ended')
}
