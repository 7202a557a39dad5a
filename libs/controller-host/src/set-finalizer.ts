import { FINALIZER } from '@slotkeeper/api'
import type { Io, Outcome } from '@slotkeeper/controller'
import type { ObjectKey, Objects, ResourceDescriptor } from '@slotkeeper/k8s'

/**
 * Puts our finalizer on an object or takes it off; those of others stay. Harmless to repeat: an object that is gone, or
 * was created anew, is left alone.
 *
 * @throws KubeError when the API server refuses it
 */
export async function setFinalizer(
  objects: Objects,
  resource: ResourceDescriptor,
  of: ObjectKey & { readonly uid: string },
  wanted: boolean,
  io: Io,
): Promise<Outcome> {
  const { uid, ...key } = of
  const found = await objects.get(resource, key, io)
  if (found === null || found.metadata.uid !== uid) return { result: 'accepted' }
  const { resourceVersion } = found.metadata
  const others = (found.metadata.finalizers ?? []).filter((one) => one !== FINALIZER)
  const finalizers = wanted ? [...others, FINALIZER] : others
  const precondition = { uid, ...(resourceVersion === undefined ? {} : { resourceVersion }) }
  await objects.patch(resource, key, { metadata: { finalizers } }, precondition, io)
  return { result: 'accepted' }
}
