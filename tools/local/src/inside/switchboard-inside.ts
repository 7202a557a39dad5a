import { readdir, readlink } from 'node:fs/promises'
import { isIPv4 } from 'node:net'
import { runCommand } from '../run-command.ts'
import type { ApiClient } from './api-client.ts'
import type { Node } from './node.ts'

/** How traffic between two pods is cut: packets vanish, or connections are refused. */
export type CutMode = 'drop' | 'reject'

/** Signals that can be sent to a pod's processes. */
export type PodSignal = 'SIGKILL' | 'SIGSTOP' | 'SIGCONT' | 'SIGTERM'

type PodStatus = { readonly containerStatuses?: readonly { readonly name: string; readonly containerID?: string }[] }

/** Breaks things on purpose, and mends them. */
export class SwitchboardInside {
  readonly #nodes: readonly Node[]
  readonly #api: ApiClient

  constructor(nodes: readonly Node[], api: ApiClient) {
    this.#nodes = nodes
    this.#api = api
  }

  #node(name: string): Node {
    const found = this.#nodes.find((node) => node.name === name)
    if (found === undefined)
      throw new Error(`no node ${name}: there are ${this.#nodes.map((node) => node.name).join(', ')}`)
    return found
  }

  /** Cuts what one pod sends to another. A rule on every node, because a pod may be on any. */
  async cut(from: string, to: string, mode: CutMode, signal: AbortSignal): Promise<void> {
    if (!isIPv4(from) || !isIPv4(to)) throw new Error(`not addresses of pods: ${from}, ${to}`)
    const head = `add rule ip cut pairs ip saddr ${from} ip daddr ${to}`
    const rules =
      mode === 'drop' ? [`${head} drop`] : [`${head} meta l4proto tcp reject with tcp reset`, `${head} reject`]
    await this.#everywhere(signal, rules)
  }

  async #everywhere(signal: AbortSignal, rules: readonly string[]): Promise<void> {
    await Promise.all(
      this.#nodes.map(async (node) => {
        for (const rule of rules) await node.run(signal, 'nft', ...rule.split(' '))
      }),
    )
  }

  /** Takes a node's link down, and so the node with all its pods off the network. */
  async cutNode(name: string, signal: AbortSignal): Promise<void> {
    await runCommand('ip', ['link', 'set', this.#node(name).link, 'down'], { signal })
  }

  /** Mends every cut. */
  async heal(signal: AbortSignal): Promise<void> {
    await this.#everywhere(signal, ['flush chain ip cut pairs'])
    for (const node of this.#nodes) await runCommand('ip', ['link', 'set', node.link, 'up'], { signal })
  }

  /** Sends a signal to all processes of a container; gives how many there were. */
  async killInPod(
    namespace: string,
    pod: string,
    what: PodSignal,
    container: string | undefined,
    signal: AbortSignal,
  ): Promise<number> {
    const path = `/api/v1/namespaces/${namespace}/pods/${pod}`
    const object = JSON.parse(await this.#api.send('GET', path, signal)) as {
      spec: { nodeName?: string }
      status: PodStatus
    }
    const statuses = object.status.containerStatuses ?? []
    const id = statuses
      .find(({ name }) => container === undefined || name === container)
      ?.containerID?.replace('containerd://', '')
    if (id === undefined || object.spec.nodeName === undefined)
      throw new Error(`${namespace}/${pod} has no running container ${container ?? ''}`)
    const tasks = await this.#node(object.spec.nodeName).ctr(signal, 'tasks', 'ls')
    const first = tasks
      .split('\n')
      .find((line) => line.startsWith(id))
      ?.trim()
      .split(/\s+/)[1]
    if (first === undefined) throw new Error(`container ${id} of ${namespace}/${pod} does not run`)
    const processes = await processesBeside(first)
    const reached = processes.filter((one) => delivered(one, what))
    if (reached.length === 0) throw new Error(`container ${id} of ${namespace}/${pod} has just ended`)
    return reached.length
  }

  /** Stops a node's kubelet; its pods go on. */
  stopKubelet(name: string): Promise<void> {
    return this.#node(name).stopKubelet()
  }

  /** Starts a node's kubelet again. */
  startKubelet(name: string): void {
    this.#node(name).startKubelet()
  }

  /** Imports an image into every node. */
  async loadImage(file: string, signal: AbortSignal): Promise<void> {
    const platform = `linux/${process.arch === 'x64' ? 'amd64' : process.arch}`
    await Promise.all(this.#nodes.map((node) => node.ctr(signal, 'images', 'import', '--platform', platform, file)))
  }
}

/** Whether the process was there: with the first of a container the others end, and probes come and go. */
function delivered(id: number, what: PodSignal): boolean {
  try {
    return process.kill(id, what)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
    throw error
  }
}

async function processesBeside(first: string): Promise<readonly number[]> {
  const namespaceOf = (id: string): Promise<string> => readlink(`/proc/${id}/ns/pid`).catch(() => '')
  const wanted = await namespaceOf(first)
  if (wanted === '' || wanted === (await readlink('/proc/self/ns/pid'))) return [Number(first)]
  const found: number[] = []
  for (const id of await readdir('/proc'))
    if (/^\d+$/.test(id) && (await namespaceOf(id)) === wanted) found.push(Number(id))
  return found
}
