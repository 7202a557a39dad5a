import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, open, readFile, rm } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { stateDirectory } from './cache-directory.ts'
import { askInside } from './control-client.ts'
import { dialInside, forwardTo, type Forward } from './forwarder.ts'
import { sockets } from './inside/inside-config.ts'
import type { CutMode, PodSignal } from './inside/switchboard-inside.ts'
import { isKept, removeState } from './platform-state.ts'
import { keeperSocket, progressFile, recordFile, type PlatformRecord } from './platform-record.ts'
import { runCommand, type RunOptions } from './run-command.ts'
import type { Log } from './step-log.ts'

/** Something inside the platform that can be connected to. */
export type ForwardTarget =
  | { readonly namespace: string; readonly service: string; readonly port: number }
  | { readonly namespace: string; readonly pod: string; readonly port: number }
  | { readonly host: string; readonly port: number }

/** Breaks the platform on purpose. */
export type Switchboard = {
  /** Cuts what one pod sends to another, in that direction only. */
  cut(fromPodIp: string, toPodIp: string, mode: CutMode): Promise<void>
  /** Takes a node off the network. */
  cutNode(node: string): Promise<void>
  /** Mends all cuts. */
  heal(): Promise<void>
  /** Sends a signal to all processes of a container, the first one when none is named; gives how many. */
  killInPod(namespace: string, pod: string, what: PodSignal, container?: string): Promise<number>
  stopKubelet(node: string): Promise<void>
  startKubelet(node: string): Promise<void>
}

/** A running platform: a real Kubernetes of three nodes in three zones. */
export type Platform = {
  readonly name: string
  readonly kubeconfig: string
  readonly kubectlPath: string
  kubectl(args: readonly string[], options?: RunOptions): Promise<string>
  forward(target: ForwardTarget): Promise<Forward>
  /** Connects to an address or a DNS name inside; the connection can be written to at once. */
  dial(host: string, port: number): Socket
  loadImage(tarPath: string): Promise<void>
  readonly switchboard: Switchboard
  stop(): Promise<void>
}

/** How a platform is started. */
export type StartOptions = {
  readonly name: string
  readonly signal?: AbortSignal
  readonly log?: Log
  readonly detached?: boolean
  /** After how many seconds without a sign of life a node counts as lost; as Kubernetes has it, 40, when none is given. */
  readonly nodeGraceSeconds?: number
}

const never = new AbortController().signal
const askDeadline = 120_000

function platformOf(record: PlatformRecord): Platform {
  const dialSocket = join(record.state, sockets.dial)
  const ask = (request: Readonly<Record<string, string | undefined>>): Promise<unknown> =>
    askInside(join(record.state, sockets.control), request, AbortSignal.timeout(askDeadline))
  // What kubectl remembers of an API server goes with it.
  const own = { KUBECONFIG: record.kubeconfig, KUBECACHEDIR: join(record.state, 'kubectl') }
  const kubectl = (args: readonly string[], options: RunOptions = {}): Promise<string> =>
    runCommand(record.kubectl, args, { ...options, env: { ...options.env, ...own } })
  return {
    name: record.name,
    kubeconfig: record.kubeconfig,
    kubectlPath: record.kubectl,
    kubectl,
    dial: (host, port) => dialInside(dialSocket, host, port),
    forward: (target) => forwardTo(dialSocket, () => resolveTarget(target, kubectl)),
    loadImage: async (file) => void (await ask({ op: 'loadImage', file })),
    switchboard: {
      cut: async (from, to, mode) => void (await ask({ op: 'cut', from, to, mode })),
      cutNode: async (node) => void (await ask({ op: 'cutNode', node })),
      heal: async () => void (await ask({ op: 'heal' })),
      killInPod: async (namespace, pod, signal, container) =>
        Number(await ask({ op: 'kill', namespace, pod, signal, container })),
      stopKubelet: async (node) => void (await ask({ op: 'stopKubelet', node })),
      startKubelet: async (node) => void (await ask({ op: 'startKubelet', node })),
    },
    stop: async () => void (await stopPlatform(record.name)),
  }
}

async function resolveTarget(
  target: ForwardTarget,
  kubectl: Platform['kubectl'],
): Promise<{ host: string; port: number }> {
  if ('host' in target) return target
  const { namespace, port } = target
  if ('pod' in target) {
    const host = await kubectl(['-n', namespace, 'get', 'pod', target.pod, '-o', 'jsonpath={.status.podIP}'], {
      deadline: 10_000,
    })
    return { host, port }
  }
  // A Service's own address answers only from nodes and pods, so one of its ready ends is taken.
  const label = `kubernetes.io/service-name=${target.service}`
  const slices = await kubectl(['-n', namespace, 'get', 'endpointslices', '-l', label, '-o', 'json'], {
    deadline: 10_000,
  })
  const service = await kubectl(['-n', namespace, 'get', 'service', target.service, '-o', 'json'], { deadline: 10_000 })
  type Slice = {
    endpoints?: { addresses: string[]; conditions?: { ready?: boolean } }[]
    ports?: { name?: string; port: number }[]
  }
  type Service = { spec: { ports: { name?: string; port: number }[] } }
  const wanted = (JSON.parse(service) as Service).spec.ports.find((one) => one.port === port)
  for (const slice of (JSON.parse(slices) as { items: Slice[] }).items) {
    const host = slice.endpoints?.find((one) => one.conditions?.ready !== false)?.addresses[0]
    const end = slice.ports?.find((one) => (one.name ?? '') === (wanted?.name ?? ''))?.port
    if (host !== undefined) return { host, port: end ?? port }
  }
  throw new Error(`the Service ${namespace}/${target.service} has no ready end`)
}

async function readRecord(state: string): Promise<PlatformRecord | undefined> {
  if (!existsSync(join(state, recordFile))) return undefined
  return JSON.parse(await readFile(join(state, recordFile), 'utf8')) as PlatformRecord
}

/** Ends a platform by its name, and waits until it is gone; gives whether there was one. */
export async function stopPlatform(name: string): Promise<boolean> {
  const state = stateDirectory(name)
  if (!existsSync(state)) return false
  const found = await new Promise<boolean>((resolve, reject) => {
    const socket = connect(join(state, keeperSocket))
    const late = setTimeout(() => socket.destroy(new Error(`platform ${name} did not end in a minute`)), 60_000)
    socket.on('connect', () => socket.write('stop\n'))
    socket.on('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(late)
      if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') resolve(false)
      else if (error.code === 'ECONNRESET' || error.code === 'EPIPE') resolve(true)
      else reject(error)
    })
    socket.on('close', () => {
      clearTimeout(late)
      resolve(true)
    })
    socket.resume()
  })
  // Without a keeper the namespace is dead too, and only files are left.
  if (!found) await removeState(state)
  return found
}

/** Gives the platform of that name which already runs. */
export async function attachPlatform(name: string): Promise<Platform> {
  const record = await readRecord(stateDirectory(name))
  if (record === undefined) throw new Error(`no platform named ${name} runs. Remedy: make up NAME=${name}`)
  return platformOf(record)
}

/** Starts a platform and waits until its nodes are Ready. It ends with this process unless it is detached. */
export async function startPlatform(options: StartOptions): Promise<Platform> {
  const { name, signal = never, log = () => undefined, detached = false, nodeGraceSeconds = 40 } = options
  const state = stateDirectory(name)
  await mkdir(join(state, '..'), { recursive: true })
  if (await isKept(state)) throw new Error(`a platform named ${name} runs already. Remedy: make down NAME=${name}`)
  await removeState(state)
  const errors = await open(`${state}.keeper.log`, 'w')
  const mode = detached ? 'detached' : 'tied'
  const args = ['--no-warnings', join(import.meta.dirname, 'keeper.ts'), name, mode, String(nodeGraceSeconds)]
  const keeper = spawn(process.execPath, args, {
    stdio: [detached ? 'ignore' : 'pipe', errors.fd, errors.fd],
    detached: true,
  })
  await errors.close()
  let ended = false
  keeper.on('exit', () => (ended = true)).on('error', () => (ended = true))
  keeper.unref()
  const progress = followProgress(join(state, progressFile), log)
  try {
    for (;;) {
      signal.throwIfAborted()
      await progress()
      const record = ended ? undefined : await readRecord(state)
      if (record !== undefined && existsSync(record.kubeconfig)) {
        await rm(`${state}.keeper.log`, { force: true })
        return platformOf(record)
      }
      if (ended) throw new Error(await whyFailed(state))
      await sleep(50, undefined, { signal })
    }
  } catch (error) {
    keeper.stdin?.destroy()
    keeper.kill('SIGTERM')
    throw error
  }
}

async function whyFailed(state: string): Promise<string> {
  const read = (file: string): Promise<string> => readFile(file, 'utf8').catch(() => '')
  const lines = [
    ...(await read(join(state, progressFile))).split('\n').filter((line) => line.startsWith('FAILED ')),
    await read(`${state}.keeper.log`),
  ]
  return `the platform did not start: ${lines.join('\n').trim()}`
}

function followProgress(file: string, log: Log): () => Promise<void> {
  let seen = 0
  return async () => {
    const text = await readFile(file, 'utf8').catch(() => '')
    const lines = text.slice(seen).split('\n')
    lines.pop()
    for (const line of lines) log(line)
    seen += lines.reduce((sum, line) => sum + line.length + 1, 0)
  }
}
