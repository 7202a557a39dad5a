import { spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { appendFileSync, existsSync } from 'node:fs'
import { chmod, mkdir, rename, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { stateDirectory } from './cache-directory.ts'
import { forwardTo, type Forward } from './forwarder.ts'
import { ensureImages } from './images.ts'
import { kubeconfigText } from './inside/control-plane.ts'
import { addresses, sockets, type InsideConfig } from './inside/inside-config.ts'
import { keeperSocket, progressFile, recordFile, type PlatformRecord } from './platform-record.ts'
import { removeState } from './platform-state.ts'
import { completeToolchain, ensureToolchain } from './toolchain.ts'

// The keeper is the process outside that a platform's life hangs on: it starts the namespace, leads a port of this
// machine to the API server, and clears up. When it dies, whatever the reason, the namespace ends with it.

const [, , name = '', mode = 'tied', grace = '40'] = process.argv
const state = stateDirectory(name)
const log = (line: string): void => appendFileSync(join(state, progressFile), `${line}\n`)
const root = process.getuid?.() === 0
const stopping = new AbortController()
let inside: ChildProcess | undefined
let forward: Forward | undefined

const namespaces = root
  ? ['-nm', '--mount-proc', '-pf', '--kill-child']
  : ['-Urnm', '--map-auto', '--mount-proc', '-pf', '--kill-child']

async function stop(code: number): Promise<void> {
  if (stopping.signal.aborted) return
  stopping.abort(new Error('the platform is being stopped'))
  if (inside !== undefined && inside.exitCode === null && inside.signalCode === null) {
    const ended = new Promise((resolve) => inside?.once('exit', resolve))
    inside.stdin?.end()
    const impatience = setTimeout(() => inside?.kill('SIGKILL'), 5_000)
    await ended
    clearTimeout(impatience)
  }
  await forward?.close()
  if (code === 0) await removeState(state)
  process.exit(code)
}

async function prepareState(): Promise<void> {
  await mkdir(join(state, 'log'), { recursive: true })
  await chmod(state, 0o711)
}

function listenForStop(): Promise<void> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.on('data', () => void stop(0))
  })
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(join(state, keeperSocket), resolve)
  })
}

function startInside(config: InsideConfig, file: string): Promise<void> {
  const script = 'node=$1; shift; "$node" "$@"; exit $?'
  const entry = join(import.meta.dirname, 'inside', 'main.ts')
  // A shell is process 1 there, because it reaps orphans.
  const args = [...namespaces, 'sh', '-c', script, 'inside', process.execPath, '--no-warnings', entry, file]
  const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`, TMPDIR: config.state }
  const child = spawn('unshare', args, { stdio: ['pipe', 'pipe', 'pipe'], env })
  inside = child
  child.stdin.on('error', () => undefined)
  child.stderr.setEncoding('utf8').on('data', (text: string) => log(text.trimEnd()))
  return new Promise((resolve, reject) => {
    let failure = 'the namespace ended'
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line === 'READY') return resolve()
      if (line.startsWith('FAILED ')) failure = line.slice(7)
      log(line)
    })
    child.on('error', reject)
    child.on('exit', () => {
      reject(new Error(`${failure}. Remedy: make doctor; logs: ${join(state, 'log')}`))
      void stop(1)
    })
  })
}

async function publish(config: InsideConfig): Promise<void> {
  forward = await forwardTo(join(state, sockets.dial), async () => ({ host: addresses.controlPlane, port: 6443 }))
  const kubeconfig = join(state, 'kubeconfig')
  const authority = join(state, 'control-plane/certificates/ca.crt')
  const text = kubeconfigText(`https://127.0.0.1:${forward.port}`, authority, config.token)
  await writeFile(kubeconfig, text, { mode: 0o600 })
  await mkdir(join(state, 'bin'), { recursive: true })
  await symlink(config.tools.kube, join(state, 'bin/kubectl'))
  const startedAt = new Date().toISOString()
  const record: PlatformRecord = {
    name,
    state,
    kubeconfig,
    kubectl: join(state, 'bin/kubectl'),
    apiPort: forward.port,
    startedAt,
  }
  await writeFile(join(state, `${recordFile}.new`), JSON.stringify(record, null, 2))
  await rename(join(state, `${recordFile}.new`), join(state, recordFile))
}

async function keep(): Promise<void> {
  const signal = stopping.signal
  const tools = completeToolchain(await ensureToolchain([], log, signal))
  const images = await ensureImages(tools, log, signal)
  const zones = ['zone-a', 'zone-b', 'zone-c']
  const token = randomBytes(24).toString('hex')
  const config: InsideConfig = { name, state, zones, nodeGraceSeconds: Number(grace), tools, images, token }
  const file = join(state, 'inside.json')
  await writeFile(file, JSON.stringify(config), { mode: 0o600 })
  await startInside(config, file)
  await publish(config)
}

for (const received of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(received, () => void stop(0))
if (mode === 'tied')
  process.stdin
    .resume()
    .on('end', () => void stop(0))
    .on('error', () => void stop(0))
try {
  await prepareState()
  await listenForStop()
  await keep()
} catch (error) {
  const text = error instanceof Error ? error.message : String(error)
  if (existsSync(state)) log(`FAILED ${text}`)
  await stop(1)
}
