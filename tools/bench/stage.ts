import { connectKube, type Kube, type Objects, objectsOf } from '@slotkeeper/k8s'
import { install } from '../demo/tour.ts'
import { startPlatform, type Platform } from '../local/src/index.ts'

/** The local platform with Slotkeeper installed as users install it. */
export type Stage = {
  readonly platform: Platform
  readonly kube: Kube
  readonly objects: Objects
  /** A namespace that the bench made. */
  readonly namespace: string
  stop(): Promise<void>
}

/** Starts a platform, installs Slotkeeper and makes a namespace. */
export async function startStage(signal: AbortSignal, say: (line: string) => void): Promise<Stage> {
  const namespace = 'bench'
  const platform = await startPlatform({ name: `bench-${process.pid}`, signal, log: say })
  try {
    say('installing Slotkeeper')
    await install(platform)
    await platform.kubectl(['create', 'namespace', namespace], { signal })
    const kube = connectKube({ kubeconfigPath: platform.kubeconfig })
    const stop = async (): Promise<void> => {
      await kube.close()
      await platform.stop()
    }
    return { platform, kube, objects: objectsOf(kube), namespace, stop }
  } catch (error) {
    await platform.stop()
    throw error
  }
}
