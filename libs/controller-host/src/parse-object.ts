import type { Obj, Remembered, StatusOf } from '@slotkeeper/controller'
import type { KubeObject } from '@slotkeeper/k8s'

/**
 * Reads an object of a kind of ours. An empty status counts as none: nothing was committed to it yet.
 *
 * @param readSpec checks the spec, and fills in again what old objects lack
 * @throws what `readSpec` throws
 */
export function parseObject<Spec, S extends Remembered>(
  object: KubeObject,
  readSpec: (spec: unknown) => Spec,
): Obj<Spec, S> {
  const { metadata } = object
  // The schema of the API server has checked it, and only we write it.
  const status = object['status'] as StatusOf<S> | undefined
  return {
    metadata: {
      namespace: metadata.namespace ?? '',
      name: metadata.name,
      uid: metadata.uid ?? '',
      resourceVersion: metadata.resourceVersion ?? '',
      generation: metadata.generation ?? 0,
      finalizers: metadata.finalizers ?? [],
      ...(metadata.creationTimestamp === undefined ? {} : { creationTimestamp: metadata.creationTimestamp }),
      ...(metadata.deletionTimestamp === undefined ? {} : { deletionTimestamp: metadata.deletionTimestamp }),
      ...(metadata.annotations === undefined ? {} : { annotations: metadata.annotations }),
    },
    spec: readSpec(object['spec']),
    status: status === undefined || Object.keys(status).length === 0 ? null : { ...status, state: status.state ?? '' },
  }
}
