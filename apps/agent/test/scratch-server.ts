import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, mkdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SCRATCH_SCRIPT } from '@slotkeeper/agents'
import { freePorts, hasEnded, requireImageRoot } from '@slotkeeper/testing'

/** The server beside an agent, without Kubernetes: its very script, on the folder that its image is made of. */
export type Scratch = {
  /** The volume that both have. */
  readonly volume: string
  readonly port: number
  /** What the container wrote so far. */
  readonly output: () => string
  /** Ends all of the container at once, as where memory is used up, and starts it again. */
  restart(): Promise<void>
  remove(): Promise<void>
}

/** What starts the container: its own mounts, with the image's folder for its programs. */
const ENTER = `set -e
mount --rbind "$1/usr" /usr
shift
exec /bin/sh -c "$@"`

/** Starts the container of such a server. */
export async function startScratch(engine: string): Promise<Scratch> {
  const [port = 0, bus = 0] = await freePorts(2)
  const root = await requireImageRoot(engine)
  const home = await mkdtemp(join(tmpdir(), 'slotkeeper-scratch-'))
  const volume = join(home, 'data')
  await mkdir(volume)
  let output = ''
  let child: ChildProcess | undefined
  const start = async (): Promise<void> => {
    const asRoot = process.getuid?.() === 0
    const command = [SCRATCH_SCRIPT, 'scratch', volume, String(port), String(bus)]
    const started = spawn(
      'unshare',
      [...(asRoot ? [] : ['-Ur']), '-mpf', '--kill-child', 'sh', '-c', ENTER, 'enter', root, ...command],
      { stdio: ['ignore', 'pipe', 'pipe'], env: { PATH: '/usr/bin:/usr/sbin:/bin' } },
    )
    for (const stream of [started.stdout, started.stderr])
      stream.on('data', (chunk: Buffer) => void (output += chunk.toString()))
    child = started
    await once(started, 'spawn')
  }
  const end = async (): Promise<void> => {
    if (child === undefined || hasEnded(child)) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  await start()
  return {
    volume,
    port,
    output: () => output,
    restart: async () => {
      await end()
      await start()
    },
    remove: async () => {
      await end()
      await rm(home, { recursive: true, force: true })
    },
  }
}
