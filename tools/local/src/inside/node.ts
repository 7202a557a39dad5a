import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pauseImage } from '../images.ts'
import { runCommand } from '../run-command.ts'
import { addresses, type InsideConfig } from './inside-config.ts'
import { nodeSetup } from './namespace-setup.ts'
import { cniConflist, containerdToml, kubeletConfiguration, proxyConfiguration, type NodeFacts } from './node-files.ts'
import type { ProcessGroup } from './process-group.ts'
import { waitUntil } from './wait-until.ts'

/** A node: a network namespace and a mount namespace with a containerd, a kubelet and a kube-proxy in them. */
export class Node {
  readonly name: string
  readonly index: number
  readonly folder: string
  readonly #config: InsideConfig
  readonly #group: ProcessGroup
  readonly #facts: NodeFacts
  #holder = 0

  constructor(index: number, config: InsideConfig, group: ProcessGroup) {
    this.index = index
    this.name = `node${index}`
    this.folder = join(config.state, this.name)
    this.#config = config
    this.#group = group
    this.#facts = {
      index,
      name: this.name,
      graceSeconds: config.nodeGraceSeconds,
      folder: this.folder,
      shim: config.tools.shim,
      runcWrapper: config.tools.runcWrapper,
      pauseImage,
      kubeconfig: join(config.state, 'control-plane', 'kubeconfig'),
      resolvConf: join(config.state, 'resolv.conf'),
    }
  }

  #log(name: string): string {
    return join(this.#config.state, 'log', `${this.name}-${name}`)
  }

  /** The zone that the node says it is in. */
  get zone(): string {
    return this.#config.zones[this.index - 1] ?? 'zone'
  }

  /** The link of the node on the bridge. */
  get link(): string {
    return `link${this.index}`
  }

  /** Runs a command in the node's network and mount namespaces. */
  run(signal: AbortSignal, command: string, ...args: readonly string[]): Promise<string> {
    return runCommand('nsenter', [...this.#enter(), command, ...args], { signal, deadline: 60_000 })
  }

  /** Runs containerd's own client on the node. */
  ctr(signal: AbortSignal, ...args: readonly string[]): Promise<string> {
    return runCommand(this.#config.tools.ctr, ['-a', join(this.folder, 'c.sock'), '-n', 'k8s.io', ...args], {
      signal,
      deadline: 120_000,
    })
  }

  #enter(): string[] {
    return [`--net=/proc/${this.#holder}/ns/net`, `--mount=/proc/${this.#holder}/ns/mnt`, '--']
  }

  #start(name: string, command: string, args: readonly (string | readonly string[])[]): void {
    const path = `${join(this.#config.tools.shim, '..')}:${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`
    const env = { HOME: this.folder, PATH: path, TMPDIR: join(this.folder, 'tmp') }
    this.#group.start(
      `${this.name}-${name}`,
      this.#log(name),
      'nsenter',
      [...this.#enter(), command, ...args.flat()],
      env,
    )
  }

  /** Makes the node's namespaces and starts its containerd. Needs no API server. */
  async prepare(signal: AbortSignal): Promise<void> {
    for (const folder of ['cni', 'tmp', 'volumes']) await mkdir(join(this.folder, folder), { recursive: true })
    await writeFile(join(this.folder, 'containerd.toml'), containerdToml(this.#facts))
    await writeFile(join(this.folder, 'cni', '10-pods.conflist'), cniConflist(this.#facts))
    await writeFile(join(this.folder, 'kubelet.json'), kubeletConfiguration(this.#facts))
    await writeFile(join(this.folder, 'proxy.json'), proxyConfiguration(this.#facts))
    const ip = (...args: string[]): Promise<string> => runCommand('ip', args, { signal })
    await ip('netns', 'add', this.name)
    await ip('link', 'add', this.link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', this.name)
    await ip('link', 'set', this.link, 'master', 'nodes', 'up')
    await ip('route', 'add', addresses.podRange(this.index), 'via', addresses.node(this.index))
    const inNamespaces = [`--net=/run/netns/${this.name}`, '--', 'unshare', '-m', 'sh', '-c', nodeSetup, 'node']
    const args = [...inNamespaces, this.folder, addresses.node(this.index), this.#config.state]
    this.#holder = this.#group.start(`${this.name}-holder`, this.#log('setup'), 'nsenter', args).pid ?? 0
    await waitUntil(
      `${this.name}'s namespaces (see ${this.#log('setup')})`,
      10_000,
      signal,
      async () => existsSync(join(this.folder, 'held')),
      20,
    )
    this.#start('containerd', this.#config.tools.containerd, ['--config', join(this.folder, 'containerd.toml')])
    await waitUntil(
      `containerd of ${this.name}`,
      20_000,
      signal,
      async () => (await this.ctr(signal, 'version')) !== '',
    )
  }

  /** Starts what makes it a node of the cluster. */
  join(): void {
    this.startKubelet()
    this.#start('kube-proxy', this.#config.tools.kube, ['kube-proxy', '--config', join(this.folder, 'proxy.json')])
  }

  /** Starts the kubelet unless it runs. */
  startKubelet(): void {
    if (this.#group.has(`${this.name}-kubelet`)) return
    this.#start('kubelet', this.#config.tools.kube, [
      ['kubelet', '--config', join(this.folder, 'kubelet.json'), '--kubeconfig', this.#facts.kubeconfig],
      [
        '--hostname-override',
        this.name,
        '--node-ip',
        addresses.node(this.index),
        '--root-dir',
        join(this.folder, 'kubelet'),
      ],
      ['--cert-dir', join(this.folder, 'kubelet-certificates')],
      ['--node-labels', `topology.kubernetes.io/zone=${this.zone},topology.kubernetes.io/region=local`],
    ])
  }

  /** Stops the kubelet; its pods go on. */
  stopKubelet(): Promise<void> {
    return this.#group.stop(`${this.name}-kubelet`)
  }
}
