import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { connectKube, type Kube, leases, type Objects, objectsOf } from '@slotkeeper/k8s'
import { requireTool, startKubeApiServer, startNatsServer } from '@slotkeeper/testing'
import { until } from '@slotkeeper/testing'
import { runCommand } from '../local/src/run-command.ts'

/** The built controller as a process of this machine, on a real API server without kubelets and a real NATS. */
export type ControllerProcess = {
  readonly kube: Kube
  readonly objects: Objects
  stop(): Promise<void>
}

/** The namespace of its Lease and of everything that the bench makes there. */
export const bareNamespace = 'default'

const root = join(import.meta.dirname, '../..')
const bundle = join(root, 'apps/cluster-controller/dist/main.mjs')

/** Starts API server, NATS and controller, installs the CRDs, and waits until the controller is at work. */
export async function startControllerProcess(signal: AbortSignal): Promise<ControllerProcess> {
  if (!existsSync(bundle)) throw new Error(`no ${bundle}. Remedy: make bundle`)
  const ends: (() => Promise<void>)[] = []
  const stop = async (): Promise<void> => {
    for (const end of ends.splice(0).toReversed()) await end()
  }
  try {
    const api = await startKubeApiServer({ signal })
    ends.push(() => api.stop())
    const nats = await startNatsServer()
    ends.push(() => nats.stop())
    await runCommand(await requireTool('kube'), ['kubectl', 'apply', '-k', join(root, 'deploy/crds')], {
      env: { KUBECONFIG: api.kubeconfig },
      signal,
    })
    const kube = connectKube({ kubeconfigPath: api.kubeconfig })
    ends.push(() => kube.close())
    const objects = objectsOf(kube)
    ends.push(startController({ kubeconfig: api.kubeconfig, nats: nats.url }))
    await until('a controller that holds the lease', 60_000, () => holderOf(objects, signal), { signal })
    return { kube, objects, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Starts the controller and gives what ends it. Its log, each pass with its length, goes to the file that LOG names. */
function startController(to: { readonly kubeconfig: string; readonly nats: string }): () => Promise<void> {
  const file = process.env['LOG']
  const log = file === undefined || file === '' ? undefined : openSync(file, 'w')
  const child = spawn(process.execPath, [bundle], {
    stdio: ['ignore', log ?? 'ignore', 'inherit'],
    env: {
      ...process.env,
      KUBECONFIG: to.kubeconfig,
      SLOTKEEPER_NATS_URL: to.nats,
      SLOTKEEPER_NAMESPACE: bareNamespace,
      SLOTKEEPER_PROBE_PORT: '0',
      SLOTKEEPER_METRICS_PORT: '0',
      SLOTKEEPER_LOG_LEVEL: 'debug',
    },
  })
  if (log !== undefined) closeSync(log)
  const kill = (): void => void child.kill('SIGKILL')
  process.on('exit', kill)
  return async () => {
    process.off('exit', kill)
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    await ended
  }
}

async function holderOf(objects: Objects, signal: AbortSignal): Promise<string | undefined> {
  const key = { namespace: bareNamespace, name: 'slotkeeper-cluster-controller' }
  const lease = await objects.get(leases, key, { signal })
  const holder = (lease?.['spec'] as { readonly holderIdentity?: string } | undefined)?.holderIdentity
  return holder === '' ? undefined : holder
}
