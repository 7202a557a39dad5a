import { KubeError } from './errors.ts'
import { type JsonMap, mergePatchOf } from './merge-patch.ts'
import type { KubeObject, Objects } from './objects.ts'
import type { ObjectKey, ResourceDescriptor } from './resource.ts'
import type { CallIo } from './time-limit.ts'

/** What a writer of statuses must know of an object. */
export type WithStatus = {
  readonly metadata: {
    readonly namespace: string
    readonly name: string
    readonly uid: string
    readonly resourceVersion: string
  }
  readonly status: object | null
}

/** Reads objects live and commits their statuses: the port `objects` of a controller's pass. */
export type StatusWriter<O extends WithStatus> = {
  get(key: ObjectKey, io: CallIo): Promise<O | null>
  /** The whole next status, in one write; KubeError of reason Conflict when the object is no more what `before` was. */
  commit(before: O, status: object, io: CallIo): Promise<O>
}

/**
 * Fields of the status that `parse` does not give back are never removed, so that an older controller keeps
 * what a newer one wrote. `wrote` hears of each write, with the object before and after it.
 */
export function createStatusWriter<O extends WithStatus>(options: {
  readonly objects: Objects
  readonly resource: ResourceDescriptor
  readonly parse: (object: KubeObject) => O
  readonly wrote?: (before: O, after: O) => void
}): StatusWriter<O> {
  const { objects, resource, parse } = options
  return {
    async get(key, io) {
      const object = await objects.get(resource, key, io)
      return object === null ? null : parse(object)
    },
    async commit(before, status, io) {
      const { namespace, name, uid, resourceVersion } = before.metadata
      // Without these two the patch would fall on whatever has the name now.
      if (uid === '' || resourceVersion === '')
        throw new KubeError('Invalid', 0, `${resource.kind} ${namespace}/${name} was never read`)
      const patch = mergePatchOf((before.status ?? {}) as JsonMap, status as JsonMap)
      if (patch === undefined && before.status !== null) return before
      const after = await objects.patchStatus(resource, { namespace, name }, patch ?? {}, { uid, resourceVersion }, io)
      // Of the two only the version is checked for a subresource; no object created anew has the version of an older one.
      if (after.metadata.uid !== uid)
        throw new KubeError('Conflict', 409, `${resource.kind} ${namespace}/${name} was created anew`)
      const written = parse(after)
      options.wrote?.(before, written)
      return written
    },
  }
}
