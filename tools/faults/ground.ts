import { connectKube, objectsOf } from '@slotkeeper/k8s'
import type { Delivery } from '@slotkeeper/nats'
import { follow, install } from '../demo/tour.ts'
import { startPlatform } from '../local/src/index.ts'
import { Stage } from '../promises/stage.ts'
import { ControllerPods } from './controller-pods.ts'
import { NODES } from './placement.ts'
import { makeSourceBackup, type SourceBackup } from './source-backup.ts'
import type { Ground } from './trial.ts'

/** The ground, and how it is put right and left. */
export type StartedGround = Ground & {
  /** Puts back what a scenario may have broken beside its own cluster: cuts, kubelets, cordons, the controller. */
  restore(): Promise<void>
  stop(): Promise<void>
}

/** Starts a platform with Slotkeeper and a namespace, and begins to listen to all events. */
export async function startGround(signal: AbortSignal): Promise<StartedGround> {
  const platform = await startPlatform({ name: `faults-${process.pid}`, signal })
  let listening = new AbortController()
  const story: Delivery[] = []
  const heard = new Set<string>()
  const listenAnew = async (): Promise<void> => {
    listening.abort()
    listening = new AbortController()
    const take = (told: Delivery): void => {
      if (heard.has(told.event.cloudEvent.id)) return
      heard.add(told.event.cloudEvent.id)
      story.push(told)
    }
    await follow(platform, take, AbortSignal.any([signal, listening.signal]))
  }
  try {
    await install(platform)
    const stage = await Stage.open(platform.name, 'faults')
    const kube = connectKube({ kubeconfigPath: platform.kubeconfig })
    const controller = new ControllerPods(platform, objectsOf(kube))
    await listenAnew()
    let made: Promise<SourceBackup> | undefined
    const backup = (): Promise<SourceBackup> => (made ??= makeSourceBackup(stage))
    const restore = async (): Promise<void> => {
      await platform.switchboard.heal()
      for (const node of NODES) await platform.switchboard.startKubelet(node)
      await platform.kubectl(['uncordon', ...NODES])
      await controller.scale(1)
    }
    const stop = async (): Promise<void> => {
      listening.abort()
      await kube.close()
      await platform.stop()
    }
    return { stage, kube, controller, backup, story, listenAnew, restore, stop }
  } catch (error) {
    await platform.stop()
    throw error
  }
}
