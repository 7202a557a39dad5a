import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { runCommand } from '../run-command.ts'
import { step, type Log } from '../step-log.ts'
import type { ApiClient } from './api-client.ts'
import { listenForControl } from './control-server.ts'
import { startControlPlane } from './control-plane.ts'
import { listenForDials } from './dial-server.ts'
import { copyTemplate, ensureTemplate } from './image-template.ts'
import { addresses, sockets, type InsideConfig } from './inside-config.ts'
import { namespaceSetup } from './namespace-setup.ts'
import { Node } from './node.ts'
import { ProcessGroup } from './process-group.ts'
import { SwitchboardInside, type CutMode, type PodSignal } from './switchboard-inside.ts'
import { standardClass, VolumeProvisioner } from './volume-provisioner.ts'
import { waitUntil } from './wait-until.ts'

const log: Log = (line) => void process.stdout.write(`${line}\n`)

/** Objects that the cluster has from its start: a class of volumes, and the Service that leads to DNS. */
async function applyBasics(api: ApiClient, signal: AbortSignal): Promise<void> {
  const create = (path: string, object: object): Promise<unknown> =>
    api.send('POST', path, signal, object).catch((error: unknown) => {
      // There already, from an attempt that did not get to its end.
      if (!(error instanceof Error) || !error.message.includes(' 409 ')) throw error
    })
  await create('/apis/storage.k8s.io/v1/storageclasses', standardClass)
  const namespace = 'kube-system'
  const ports = [
    { name: 'dns', port: 53, protocol: 'UDP' },
    { name: 'dns-tcp', port: 53, protocol: 'TCP' },
  ]
  await create(`/api/v1/namespaces/${namespace}/services`, {
    metadata: { name: 'kube-dns', namespace, labels: { 'k8s-app': 'kube-dns' } },
    spec: { clusterIP: addresses.dns, ports },
  })
  await create(`/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`, {
    metadata: { name: 'kube-dns', namespace, labels: { 'kubernetes.io/service-name': 'kube-dns' } },
    addressType: 'IPv4',
    endpoints: [{ addresses: [addresses.controlPlane], conditions: { ready: true } }],
    ports,
  })
}

async function nodesReady(api: ApiClient, count: number, signal: AbortSignal): Promise<boolean> {
  const nodes = await api.list('/api/v1/nodes', signal)
  const ready = nodes.filter(({ status }) =>
    ((status?.['conditions'] ?? []) as readonly { type: string; status: string }[]).some(
      (one) => one.type === 'Ready' && one.status === 'True',
    ),
  )
  return ready.length === count
}

async function start(config: InsideConfig): Promise<void> {
  // Whatever ends by itself while the platform starts is a reason not to wait for the rest.
  const starting = new AbortController()
  const signal = starting.signal
  let up = false
  await runCommand('sh', ['-c', namespaceSetup], { signal })
  await writeFile(join(config.state, 'resolv.conf'), '')
  const group = new ProcessGroup((line) => {
    log(line)
    if (!up) starting.abort(new Error(line))
  })
  const nodes = config.zones.map((_, index) => new Node(index + 1, config, group))
  const [plane] = await Promise.all([
    step(log, 'API server', () => startControlPlane(config, group, signal)),
    step(log, 'containers', async () => {
      const template = await ensureTemplate(config.images, config.tools, signal)
      await Promise.all(
        nodes.map(async (node) => {
          await copyTemplate(template, join(node.folder, 'containerd'), signal)
          await node.prepare(signal)
        }),
      )
    }),
  ])
  await step(log, `${nodes.length} nodes Ready`, async () => {
    for (const node of nodes) node.join()
    await waitUntil(
      'the namespace kube-system',
      20_000,
      signal,
      () => applyBasics(plane.api, signal).then(() => true),
      200,
    )
    await waitUntil('all nodes Ready', 90_000, signal, () => nodesReady(plane.api, nodes.length, signal))
    const account = '/api/v1/namespaces/default/serviceaccounts/default'
    await waitUntil(
      'the service account of pods',
      30_000,
      signal,
      async () => (await plane.api.send('GET', account, signal)) !== '',
    )
  })
  void new VolumeProvisioner(plane.api, config.state, log).run(signal)
  await listenForDials(join(config.state, sockets.dial))
  const board = new SwitchboardInside(nodes, plane.api)
  const short = (): AbortSignal => AbortSignal.any([signal, AbortSignal.timeout(120_000)])
  await listenForControl(join(config.state, sockets.control), {
    cut: ({ from = '', to = '', mode }) => board.cut(from, to, mode as CutMode, short()),
    cutNode: ({ node = '' }) => board.cutNode(node, short()),
    heal: () => board.heal(short()),
    kill: ({ namespace = '', pod = '', signal: what, container }) =>
      board.killInPod(namespace, pod, what as PodSignal, container, short()),
    stopKubelet: ({ node = '' }) => board.stopKubelet(node),
    startKubelet: async ({ node = '' }) => board.startKubelet(node),
    loadImage: ({ file = '' }) => board.loadImage(file, short()),
  })
  up = true
  log('READY')
}

// Standard input ends when the process outside does, whatever the reason; the namespace must then end too.
process.stdin
  .resume()
  .on('end', () => process.exit(0))
  .on('error', () => process.exit(0))
const [, , file = ''] = process.argv
try {
  await start(JSON.parse(await readFile(file, 'utf8')) as InsideConfig)
} catch (error) {
  log(`FAILED ${error instanceof Error ? error.message : String(error)}`)
  process.exit(1)
}
