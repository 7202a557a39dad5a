import { type CallIo, type Objects, pods } from '@slotkeeper/k8s'

/** What is known of this process's own pod. */
export type OwnPod = {
  /** The image of agents, where somebody set it. */
  readonly SLOTKEEPER_IMAGE?: string | undefined
  readonly SLOTKEEPER_NAMESPACE: string
  readonly SLOTKEEPER_POD_NAME: string
  readonly SLOTKEEPER_POD_UID: number | 'platform'
}

/**
 * The image of agents: the one that is set, or that of this process's own pod, so that whoever sets the image of the
 * controller has set that of its agents. It is asked for once.
 */
export function ownImage(
  objects: Objects,
  config: Omit<OwnPod, 'SLOTKEEPER_POD_UID'>,
): (io: CallIo) => Promise<string> {
  const { SLOTKEEPER_IMAGE: set, SLOTKEEPER_NAMESPACE: namespace, SLOTKEEPER_POD_NAME: name } = config
  let known = set
  return async (io) => {
    if (known !== undefined) return known
    const pod = await objects.get(pods, { namespace, name }, io)
    const spec = pod?.['spec'] as
      | { readonly containers?: readonly { readonly name?: string; readonly image?: string }[] }
      | undefined
    // By name: others may have put theirs before it.
    known = spec?.containers?.find((one) => one.name === 'controller')?.image
    if (known === undefined)
      throw new Error(`the pod ${namespace}/${name} is not ours: set SLOTKEEPER_IMAGE to the image that agents run`)
    return known
  }
}
