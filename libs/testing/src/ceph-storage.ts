import { type ChildProcess, execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { BUCKET, drawUser, policyOf } from './bucket-policy.ts'
import { endProcess, hasEnded } from './end-process.ts'
import { freePorts } from './free-ports.ts'
import type { ObjectStorageOptions, S3Server } from './object-storage.ts'
import { putSigned, type S3User } from './signed-request.ts'
import { spawnBound } from './spawn-bound.ts'
import { takesConnections } from './takes-connections.ts'
import { requireTool } from './toolchain.ts'
import { until } from './until.ts'

/** A busy machine needs a minute for what takes ten seconds else. */
const STEP_MS = 120_000
/** Where the programs see the directory of this run. */
const STATE = '/state'
const CONF = ['-c', `${STATE}/ceph.conf`] as const
const GATEWAY = [...CONF, '-n', 'client.rgw'] as const

/** Runs a program over the unpacked packages as if they were installed, in namespaces of an ordinary user. */
const inPackages = `
mount -t tmpfs none "$1/root" && cd "$1/root" && mkdir usr proc dev tmp ${STATE.slice(1)}
ln -s usr/bin usr/sbin usr/lib usr/lib64 .
mount --bind "$0/usr" usr && mount --rbind /proc proc && mount --rbind /dev dev && mount --bind "$1" ${STATE.slice(1)}
shift && exec chroot . "$@"`

type Line = readonly [program: string, ...args: string[]]

/**
 * Starts Ceph: a monitor, an object store in memory, and its S3 gateway, on loopback, without authentication among them;
 * waits until the gateway has its bucket.
 *
 * @param options users; a disk of their own they do not get
 */
export async function startCephStorage({
  users: rights,
}: Omit<ObjectStorageOptions, 'diskBytes'> = {}): Promise<S3Server> {
  const packages = await requireTool('ceph')
  const dir = await mkdtemp(join(tmpdir(), 'slotkeeper-ceph-'))
  await Promise.all(['root', 'mon', 'osd', 'run'].map((name) => mkdir(join(dir, name))))
  const [port = 0, monitor = 0] = await freePorts(2)
  const within = ([program, ...args]: Line): Line => [
    ...(['unshare', '--user', '--map-root-user', '--mount', 'sh', '-c', inPackages, packages, dir] as const),
    `/usr/bin/${program}`,
    ...args,
  ]
  const daemons: Daemon[] = []
  const stop = async (): Promise<void> => {
    for (const { child } of daemons.toReversed()) await endProcess(child, 'SIGKILL')
    await rm(dir, { recursive: true, force: true })
  }
  try {
    const run = async (...line: Line): Promise<string> => {
      const [program, ...args] = within(line)
      return (await promisify(execFile)(program, args, { timeout: STEP_MS, killSignal: 'SIGKILL' })).stdout
    }
    const start = (...line: Line): Daemon => {
      const daemon = startDaemon(within(line))
      daemons.push(daemon)
      return daemon
    }
    const cluster = randomUUID()
    await writeFile(join(dir, 'ceph.conf'), configOf(cluster, port, monitor))
    await startStore({ run, start }, cluster, monitor)
    const admin = drawUser('admin')
    const users = Object.fromEntries(Object.keys(rights ?? {}).map((name) => [name, drawUser(name)]))
    for (const user of [admin, ...Object.values(users)]) await run('radosgw-admin', ...GATEWAY, ...creationOf(user))
    // The gateway makes them when they are needed first, and a request waits for that for seconds.
    for (const pool of ['index', 'data', 'non-ec'])
      await run('ceph', ...CONF, 'osd', 'pool', 'create', `default.rgw.buckets.${pool}`)
    const launch = async (): Promise<Daemon> => {
      const daemon = start('radosgw', ...GATEWAY, '-f')
      await until('the gateway', STEP_MS, async () => (await isUp(daemon, port)) || undefined)
      return daemon
    }
    let gateway = await launch()
    const endpoint = `http://127.0.0.1:${port}`
    await putSigned(new URL(`${endpoint}/${BUCKET}`), admin)
    if (rights !== undefined)
      await putSigned(
        new URL(`${endpoint}/${BUCKET}?policy`),
        admin,
        policyOf(rights, (name) => `arn:aws:iam:::user/${users[name]?.accessKeyId ?? ''}`),
      )
    return {
      endpoint,
      port,
      bucket: BUCKET,
      admin,
      users,
      pause: () => void gateway.child.kill('SIGSTOP'),
      resume: () => void gateway.child.kill('SIGCONT'),
      kill: () => endProcess(gateway.child, 'SIGKILL'),
      restart: async () => {
        gateway = await launch()
      },
      stop,
    }
  } catch (error) {
    const logs = daemons.map(({ log }) => log()).join('')
    await stop()
    throw new Error(`Ceph did not start: ${error instanceof Error ? error.message : String(error)}\n${logs}`)
  }
}

type Daemon = { readonly child: ChildProcess; readonly log: () => string }

function startDaemon([program, ...args]: Line): Daemon {
  const child = spawnBound(program, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  let log = ''
  child.stderr?.on('data', (chunk: Buffer) => (log = `${log}${chunk.toString()}`.slice(-4_000)))
  return { child, log: () => log }
}

async function isUp({ child, log }: Daemon, port: number): Promise<boolean> {
  if (hasEnded(child)) throw new Error(`ended: ${log()}`)
  return takesConnections(port)
}

type Programs = {
  /** Gives what it printed, once it has ended. */
  readonly run: (...line: Line) => Promise<string>
  readonly start: (...line: Line) => Daemon
}

/** One monitor and one object store, until it takes part. */
async function startStore({ run, start }: Programs, cluster: string, port: number): Promise<void> {
  const map = `${STATE}/monmap`
  await run('monmaptool', '--create', '--fsid', cluster, '--addv', 'a', `[v1:127.0.0.1:${port}]`, map)
  await run('ceph-mon', ...CONF, '--mkfs', '-i', 'a', '--monmap', map)
  const monitor = start('ceph-mon', ...CONF, '-i', 'a', '-f')
  await until('the monitor', STEP_MS, async () => (await isUp(monitor, port)) || undefined)
  const store = randomUUID()
  await run('ceph', ...CONF, 'osd', 'new', store, '0')
  // It would do so itself, but may ask before it has learned of which cluster it is, is refused ("wrong fsid"), and ends.
  await run('ceph', ...CONF, 'osd', 'crush', 'add', '0', '1', 'host=here', 'root=default')
  await run('ceph-osd', ...CONF, '-i', '0', '--mkfs', '--osd-uuid', store)
  const objects = start('ceph-osd', ...CONF, '-i', '0', '-f')
  const isIn = async () =>
    (await run('ceph', ...CONF, 'osd', 'stat')).includes('1 up') || hasEnded(objects.child) || undefined
  await until('the object store', STEP_MS, isIn)
}

const creationOf = ({ accessKeyId, secretAccessKey }: S3User): readonly string[] => [
  'user',
  'create',
  `--uid=${accessKeyId}`,
  `--display-name=${accessKeyId}`,
  `--access-key=${accessKeyId}`,
  `--secret-key=${secretAccessKey}`,
]

const configOf = (cluster: string, port: number, monitor: number): string => `[global]
fsid = ${cluster}
auth cluster required = none
auth service required = none
auth client required = none
auth allow insecure global id reclaim = true
mon host = v1:127.0.0.1:${monitor}
mon initial members = a
public network = 127.0.0.0/8
ms bind ipv4 = true
ms bind ipv6 = false
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd crush chooseleaf type = 0
osd crush update on start = false
osd class update on start = false
mon allow pool size one = true
mon data avail crit = 1
mon data avail warn = 2
mon max pg per osd = 1000
osd objectstore = memstore
memstore device bytes = 2147483648
osd max object name len = 256
osd max object namespace len = 64
admin socket = ${STATE}/run/$name.asok
run dir = ${STATE}/run
log to file = false
[mon.a]
mon data = ${STATE}/mon
[osd.0]
osd data = ${STATE}/osd
[client.rgw]
rgw data = ${STATE}/run
rgw frontends = beast endpoint=127.0.0.1:${port}
rgw enable usage log = false
`
