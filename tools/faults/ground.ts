import { connectKube } from '@slotkeeper/k8s'
import type { Delivery } from '@slotkeeper/nats'
import { follow, install } from '../demo/tour.ts'
import { startPlatform } from '../local/src/index.ts'
import { Stage } from '../promises/stage.ts'
import type { Ground } from './trial.ts'

const NODES = ['node1', 'node2', 'node3']
const SYSTEM = 'slotkeeper-system'

/** The ground, and how it is put right and left. */
export type StartedGround = Ground & {
  /** Puts back what a scenario may have broken beside its own cluster: cuts, cordons, the controller. */
  restore(): Promise<void>
  controllerLog(): Promise<string>
  stop(): Promise<void>
}

/** Starts a platform with Slotkeeper and a namespace, and begins to listen to all events. */
export async function startGround(signal: AbortSignal): Promise<StartedGround> {
  const platform = await startPlatform({ name: `faults-${process.pid}`, signal })
  const ending = new AbortController()
  try {
    await install(platform)
    const stage = await Stage.open(platform.name, 'faults')
    const kube = connectKube({ kubeconfigPath: platform.kubeconfig })
    const story: Delivery[] = []
    await follow(platform, (told) => story.push(told), AbortSignal.any([signal, ending.signal]))
    const restore = async (): Promise<void> => {
      await platform.switchboard.heal()
      for (const node of NODES) await platform.switchboard.startKubelet(node)
      await platform.kubectl(['uncordon', '-l', 'kubernetes.io/os=linux'])
      await stage.controller(true)
    }
    const stop = async (): Promise<void> => {
      ending.abort()
      await kube.close()
      await platform.stop()
    }
    const controllerLog = (): Promise<string> =>
      platform.kubectl(['-n', SYSTEM, 'logs', 'deployment/slotkeeper-cluster-controller', '--tail=400'])
    return { stage, kube, story, restore, controllerLog, stop }
  } catch (error) {
    await platform.stop()
    throw error
  }
}
